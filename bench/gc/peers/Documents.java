// Documents NODES [COUNT] - trees as JSON has them, as in bench/gc/documents.c.
final class Documents {
	private static final int TEXT = 0, NUMBER = 1, LIST = 2, MAP = 3; // as the C program numbers them

	private interface Value {
		long walk();
	}

	private static final class Text implements Value {
		final byte[] of;

		Text(Chance chance, int least, int most) {
			of = new byte[chance.between(least, most)];
			java.util.Arrays.fill(of, (byte) ('a' + chance.below(26)));
		}

		public long walk() {
			return TEXT + of.length * 7 + of[of.length - 1];
		}
	}

	private static final class Number implements Value {
		final double of;

		Number(Chance chance) {
			of = chance.below(1000000);
		}

		public long walk() {
			return NUMBER + 7 + (long) of;
		}
	}

	private static final class List implements Value {
		Value[] of;
		int count;

		List(int room) {
			of = new Value[room];
		}

		void append(Value v) {
			if (count == of.length)
				of = java.util.Arrays.copyOf(of, 2 * count);
			of[count++] = v;
		}

		public long walk() {
			long sum = LIST + count * 7L;
			for (int i = 0; i < count; i++)
				sum = sum * 31 + of[i].walk();
			return sum;
		}
	}

	private static final class Map implements Value {
		final Value[] of; // a key, its value, the next key

		Map(int count) {
			of = new Value[2 * count];
		}

		public long walk() {
			long sum = MAP + of.length / 2 * 7L;
			for (int i = 0; i < of.length && of[i] != null; i += 2)
				sum = sum * 31 + of[i].walk() + of[i + 1].walk();
			return sum;
		}
	}

	private final Chance chance = new Chance(7);
	private int left; // values that the document may still have

	private List makeList(int depth) {
		int count = chance.between(2, 24);
		var l = new List(4);
		for (int i = 0; i < count && left > 0; i++)
			l.append(makeValue(depth + 1));
		return l;
	}

	private Map makeMap(int depth) {
		int count = chance.between(2, 12);
		var m = new Map(count);
		for (int i = 0; i < count && left > 0; i++) {
			m.of[2 * i] = new Text(chance, 3, 20);
			m.of[2 * i + 1] = makeValue(depth + 1);
		}
		return m;
	}

	private Value makeValue(int depth) {
		if (left > 0)
			left--;
		long at = chance.below(100);
		if (depth < 12 && (depth < 4 || at < 24))
			return (at & 1) != 0 ? makeList(depth) : makeMap(depth);
		return at < 60 ? new Text(chance, 4, 100) : new Number(chance);
	}

	// The whole: a list of values until there are enough.
	private List makeDocument(int nodes) {
		var l = new List(16);
		for (left = nodes; left > 0;)
			l.append(makeValue(1));
		return l;
	}

	public static void main(String[] arguments) {
		int nodes = Bench.argument(arguments, 0, 1100000), count = Bench.argument(arguments, 1, 12);
		var maker = new Documents();
		long check = 0;
		Bench.start();
		for (int i = 0; i < count; i++)
			check = check * 31 + maker.makeDocument(nodes).walk();
		Bench.stop();
		Bench.done(check);
	}
}
