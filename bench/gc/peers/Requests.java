// Requests REQUESTS CACHE [SLOTS] - requests in hand beside a cache, as in bench/gc/requests.c.
final class Requests {
	private static final int PARTS = 40, REQUESTS_PER_ENTRY = 20;

	private static final class Part {
		final Part next;
		final long a, b, c, d, e, f, g;

		Part(Part next, long first) {
			this.next = next;
			a = first;
			b = first + 1;
			c = first + 2;
			d = first + 3;
			e = first + 4;
			f = first + 5;
			g = first + 6;
		}
	}

	private Requests() {}

	private static Part make(long number) {
		Part list = null;
		for (int i = 0; i < PARTS; i++)
			list = new Part(list, number + i);
		return list;
	}

	private static long sum(Part p) {
		long of = 0;
		for (; p != null; p = p.next)
			of += p.a + p.g;
		return of;
	}

	private static long replace(Part[] table, int at, Part by) {
		long of = sum(table[at]);
		table[at] = by;
		return of;
	}

	public static void main(String[] arguments) {
		int requests = Bench.argument(arguments, 0, 1400000), entries = Bench.argument(arguments, 1, 400000);
		Part[] hand = new Part[Bench.argument(arguments, 2, 256)], cache = new Part[entries];
		var chance = new Chance(1);
		var times = new Times();
		long check = 0;
		for (int i = 0; i < entries; i++)
			cache[i] = new Part(null, i);
		Bench.start();
		long before = System.nanoTime();
		for (int i = 0; i < requests; i++) {
			check = check * 31 + replace(hand, (int) chance.below(hand.length), make(i));
			if (i % REQUESTS_PER_ENTRY == 0)
				check += replace(cache, (int) chance.below(entries), new Part(null, i));
			long now = System.nanoTime();
			times.note(now - before);
			before = now;
		}
		Bench.stop();
		times.print("request");
		Bench.done(check);
	}
}
