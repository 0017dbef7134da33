// Gcbench DEPTH - the shape of GCBench, as in bench/gc/gcbench.c.
final class Gcbench {
	private static final int ARRAY = 500000, LEAST = 4;

	private static final class Node {
		Node left, right;
		int i, j;
	}

	private static void populate(Node n, int depth) {
		if (depth == 0)
			return;
		n.left = new Node();
		n.right = new Node();
		n.i = depth;
		populate(n.left, depth - 1);
		populate(n.right, depth - 1);
	}

	private static Node bottomUp(int depth) {
		if (depth == 0)
			return new Node();
		Node left = bottomUp(depth - 1), right = bottomUp(depth - 1);
		var n = new Node();
		n.left = left;
		n.right = right;
		n.i = n.j = depth;
		return n;
	}

	private static long leftSum(Node n) {
		long sum = 0;
		for (; n != null; n = n.left)
			sum += n.i + 1;
		return sum;
	}

	private static long oneFromTheTop(int depth) {
		var n = new Node();
		populate(n, depth);
		return leftSum(n);
	}

	private static int nodesOf(int depth) {
		return (1 << (depth + 1)) - 1;
	}

	private static long allOfDepth(int depth, int stretch) {
		long sum = 0;
		int trees = 2 * nodesOf(stretch) / nodesOf(depth);
		for (int i = 0; i < trees; i++)
			sum += oneFromTheTop(depth);
		for (int i = 0; i < trees; i++)
			sum += leftSum(bottomUp(depth)) * 3;
		return sum;
	}

	public static void main(String[] arguments) {
		int most = Bench.argument(arguments, 0, 18);
		Bench.start();
		long check = leftSum(bottomUp(most + 2));
		var kept = new Node();
		populate(kept, most);
		var array = new double[ARRAY];
		for (int i = 0; i < ARRAY; i++)
			array[i] = 1.0 / (i + 1);
		for (int depth = LEAST; depth <= most; depth += 2)
			check = check * 31 + allOfDepth(depth, most + 2);
		check = check * 31 + leftSum(kept);
		check = check * 31 + (long) (array[1000] * 1e9) + array.length;
		Bench.stop();
		Bench.done(check);
	}
}
