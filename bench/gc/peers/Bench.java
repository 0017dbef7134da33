// What the Java programs share with bench/malloc/bench.h: the clock, and how a result is printed.
final class Bench {
	private Bench() {}

	static int argument(String[] arguments, int index, int otherwise) {
		return index < arguments.length ? Integer.parseInt(arguments[index]) : otherwise;
	}

	private static long startedNs, takenNs;

	static void start() {
		startedNs = System.nanoTime();
	}

	static void stop() {
		takenNs += System.nanoTime() - startedNs;
	}

	static void done(long check) {
		System.out.println("time " + takenNs / 1e9);
		System.out.println("check " + Long.toHexString(check));
	}
}
