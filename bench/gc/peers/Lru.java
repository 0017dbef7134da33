// Lru ENTRIES - a cache with a table and a list in order of use, as in bench/gc/lru.c.
final class Lru {
	private static final int OPERATIONS_PER_ENTRY = 8;
	private static final int HEADER = 36; // of the C program's entry: what of its bytes is no value

	private static final class Entry {
		Entry newer, older; // in order of use
		Entry next; // in its bucket
		final long key;
		final byte[] value;

		Entry(long key, int bytes) {
			this.key = key;
			value = new byte[bytes];
			java.util.Arrays.fill(value, (byte) key);
		}
	}

	private Entry newest, oldest;
	private int count;
	private final int most;
	private final Entry[] buckets;

	private Lru(int most) {
		int size = 16;
		while (size < most)
			size *= 2;
		buckets = new Entry[size];
		this.most = most;
	}

	private int bucketOf(long key) {
		return (int) (key * 0x9e3779b97f4a7c15L >>> 20) & (buckets.length - 1);
	}

	private Entry find(long key) {
		var e = buckets[bucketOf(key)];
		while (e != null && e.key != key)
			e = e.next;
		return e;
	}

	private void takeOutOfOrder(Entry e) {
		if (e.newer != null)
			e.newer.older = e.older;
		else
			newest = e.older;
		if (e.older != null)
			e.older.newer = e.newer;
		else
			oldest = e.newer;
	}

	private void makeNewest(Entry e) {
		e.newer = null;
		e.older = newest;
		if (newest != null)
			newest.newer = e;
		else
			oldest = e;
		newest = e;
	}

	private void throwOutOldest() {
		Entry e = oldest, before = null;
		int at = bucketOf(e.key);
		for (var other = buckets[at]; other != e; other = other.next)
			before = other;
		if (before != null)
			before.next = e.next;
		else
			buckets[at] = e.next;
		takeOutOfOrder(e);
		count--;
	}

	private Entry add(long key) {
		if (count == most)
			throwOutOldest();
		var e = new Entry(key, 64 + (int) ((key * 0xd6e8feb86659fd93L >>> 40) % 193) - HEADER);
		int at = bucketOf(key);
		e.next = buckets[at];
		buckets[at] = e;
		makeNewest(e);
		count++;
		return e;
	}

	private int use(long key) {
		var e = find(key);
		if (e != null) {
			takeOutOfOrder(e);
			makeNewest(e);
		} else {
			e = add(key);
		}
		return (e.value[e.value.length - 1] & 255) + e.value.length;
	}

	public static void main(String[] arguments) {
		int most = Bench.argument(arguments, 0, 1000000);
		var cache = new Lru(most);
		var chance = new Chance(1);
		var times = new Times();
		long check = 0;
		for (int key = 0; key < most; key++)
			cache.use(key);
		Bench.start();
		long before = System.nanoTime();
		for (int i = 0; i < OPERATIONS_PER_ENTRY * most; i++) {
			long at = chance.below(4L * most), key = chance.below(at + 1) + i / 8;
			check = check * 31 + cache.use(key);
			long now = System.nanoTime();
			times.note(now - before);
			before = now;
		}
		Bench.stop();
		times.print("operation");
		Bench.done(check);
	}
}
