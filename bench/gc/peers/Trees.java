// Trees DEPTH [THREADS] - binary-trees, as in bench/gc/trees.c.
final class Trees {
	private record Node(Node left, Node right) {
		int count() {
			return left == null ? 1 : 1 + left.count() + right.count();
		}
	}

	private static Node make(int depth) {
		return depth == 0 ? new Node(null, null) : new Node(make(depth - 1), make(depth - 1));
	}

	private static long makeTrees(int depth, int trees) {
		long nodes = 0;
		for (int i = 0; i < trees; i++)
			nodes += make(depth).count();
		return nodes;
	}

	private static long allOfDepth(int depth, int trees, int threads) throws InterruptedException {
		if (threads == 1)
			return makeTrees(depth, trees);
		var nodes = new long[threads];
		var crowd = new Thread[threads];
		for (int i = 0; i < threads; i++) {
			int at = i, share = trees / threads + (i < trees % threads ? 1 : 0);
			crowd[i] = new Thread(() -> nodes[at] = makeTrees(depth, share));
			crowd[i].start();
		}
		for (var thread : crowd)
			thread.join();
		return java.util.Arrays.stream(nodes).sum();
	}

	public static void main(String[] arguments) throws InterruptedException {
		int most = Bench.argument(arguments, 0, 20), threads = Bench.argument(arguments, 1, 1);
		Bench.start();
		long check = make(most + 1).count();
		var kept = make(most);
		for (int depth = 4; depth <= most; depth += 2)
			check = check * 31 + allOfDepth(depth, 1 << (most - depth + 4), threads);
		check = check * 31 + kept.count();
		Bench.stop();
		Bench.done(check);
	}
}
