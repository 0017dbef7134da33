// How long operations took, by eighths of the binary logarithm of their ns, as in bench/gc/times.h.
final class Times {
	private final int[] histogram = new int[4 * 256];
	private long longestNs;

	void note(long ns) {
		int log = 63 - Long.numberOfLeadingZeros(ns | 8);
		histogram[log * 8 + (int) (ns >> (log - 3) & 7)]++;
		longestNs = Math.max(longestNs, ns);
	}

	private double percentileUs(double percent) {
		long all = 0, below = 0;
		for (int n : histogram)
			all += n;
		int i = 0;
		while (i < histogram.length - 1 && (below += histogram[i]) < all * percent / 100)
			i++;
		return (8L + (i & 7) << i / 8 >> 3) / 1e3;
	}

	void print(String name) {
		for (String p : new String[] { "50", "99", "99.9", "99.99" })
			System.out.println(name + "_p" + p + "_us " + percentileUs(Double.parseDouble(p)));
		System.out.println(name + "_longest_us " + longestNs / 1000);
	}
}
