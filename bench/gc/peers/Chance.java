// Chance: xorshift*, 48 bits a number, as in bench/malloc/bench.h.
final class Chance {
	private long state;

	Chance(long n) {
		state = (n + 1) * 0x9e3779b97f4a7c15L;
	}

	private long any() {
		state ^= state << 13;
		state ^= state >>> 7;
		state ^= state << 17;
		return state * 0x2545f4914f6cdd1dL >>> 16;
	}

	long below(long limit) {
		return any() % limit;
	}

	int between(int from, int to) {
		return from + (int) below(to - from + 1);
	}
}
