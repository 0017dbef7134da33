// What the JavaScript programs share with bench/malloc/bench.h: chance, the clock, how a result is printed; and numbers
// of 64 bits, as two halves, for BigInt takes memory for every one.

export const argument = (index, otherwise) => Number(process.argv[2 + index] ?? otherwise);

export function done(check, takenMs) {
	console.log(`time ${(takenMs / 1e3).toFixed(6)}\ncheck ${BigInt.asUintN(64, check).toString(16)}`);
}

// The upper half of the product of two numbers of 32 bits.
export function upperOfProduct(a, b) {
	const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
	const first = Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16) >>> 0;
	const second = Math.imul(aLow, bHigh) + (first & 0xffff) >>> 0;
	return Math.imul(aHigh, bHigh) + (first >>> 16) + (second >>> 16) | 0;
}

// A hash of 64 bits: hash * 31 + what is noted.
export class Check {
	high = 0;
	low = 0;

	note(low, high = 0) {
		const sum = this.low * 31 + low;
		this.high = Math.imul(this.high, 31) + high + Math.floor(sum / 2 ** 32) | 0;
		this.low = sum >>> 0;
	}

	add(low) {
		const sum = this.low + low;
		this.high = this.high + Math.floor(sum / 2 ** 32) | 0;
		this.low = sum >>> 0;
	}

	valueOf() {
		return BigInt(this.high) << 32n | BigInt(this.low);
	}
}

// xorshift*, 48 bits a number.
export class Chance {
	constructor(n) {
		const seed = BigInt.asUintN(64, BigInt(n + 1) * 0x9e3779b97f4a7c15n);
		this.high = Number(seed >> 32n) | 0;
		this.low = Number(seed & 0xffffffffn) | 0;
	}

	any() {
		let { high, low } = this;
		high ^= high << 13 | low >>> 19;
		low ^= low << 13;
		low ^= low >>> 7 | high << 25;
		high ^= high >>> 7;
		high ^= high << 17 | low >>> 15;
		low ^= low << 17;
		this.high = high;
		this.low = low;
		const cross = Math.imul(high, 0x4f6cdd1d) + Math.imul(low, 0x2545f491);
		const upper = upperOfProduct(low, 0x4f6cdd1d) + cross >>> 0;
		return upper * 65536 + (Math.imul(low, 0x4f6cdd1d) >>> 16);
	}

	// any() % limit: the remainder of numbers beyond 32 bits is a call otherwise.
	below(limit) {
		const any = this.any();
		const left = any - Math.floor(any / limit) * limit;
		return left < 0 ? left + limit : left;
	}

	between(from, to) {
		return from + this.below(to - from + 1);
	}
}

// How long operations took, by eighths of the binary logarithm of their ns, as in bench/gc/times.h.
export class Times {
	histogram = new Uint32Array(4 * 256);
	longest = 0;

	note(ms) {
		const ns = Math.round(ms * 1e6), log = 31 - Math.clz32(ns | 8);
		this.histogram[log * 8 + (ns >> log - 3 & 7)]++;
		this.longest = Math.max(this.longest, ms);
	}

	percentileUs(percent) {
		const all = this.histogram.reduce((a, b) => a + b);
		let below = 0;
		const i = this.histogram.findIndex((n) => (below += n) >= all * percent / 100);
		return Math.floor((8 + i % 8) * 2 ** Math.floor(i / 8) / 8) / 1e3;
	}

	print(name) {
		for (const p of [50, 99, 99.9, 99.99])
			console.log(`${name}_p${p}_us ${this.percentileUs(p).toFixed(2)}`);
		console.log(`${name}_longest_us ${(this.longest * 1e3).toFixed(0)}`);
	}
}
