// lru ENTRIES - a cache with a table and a list in order of use, as in bench/gc/lru.c.
import { Chance, Check, Times, argument, done, upperOfProduct } from './bench.mjs';

const OPERATIONS_PER_ENTRY = 8;
const HEADER = 36; // of the C program's entry: what of its bytes is no value

class Entry {
	newer = null; // in order of use
	older = null;
	next = null; // in its bucket

	constructor(key, bytes) {
		this.key = key;
		this.value = Buffer.allocUnsafe(bytes).fill(key & 255);
	}
}

class Cache {
	newest = null;
	oldest = null;
	count = 0;

	constructor(most) {
		let size = 16;
		while (size < most)
			size *= 2;
		this.most = most;
		this.buckets = new Array(size).fill(null);
	}

	bucketOf(key) { // key * 0x9e3779b97f4a7c15 >> 20, of which the mask leaves the lowest bits
		const upper = upperOfProduct(key, 0x7f4a7c15) + Math.imul(key, 0x9e3779b9);
		return (upper << 12 | Math.imul(key, 0x7f4a7c15) >>> 20) & this.buckets.length - 1;
	}

	find(key) {
		let e = this.buckets[this.bucketOf(key)];
		while (e && e.key !== key)
			e = e.next;
		return e;
	}

	takeOutOfOrder({ newer, older }) {
		if (newer)
			newer.older = older;
		else
			this.newest = older;
		if (older)
			older.newer = newer;
		else
			this.oldest = newer;
	}

	makeNewest(e) {
		const second = this.newest;
		e.newer = null;
		e.older = second;
		if (second)
			second.newer = e;
		else
			this.oldest = e;
		this.newest = e;
	}

	throwOutOldest() {
		const e = this.oldest, at = this.bucketOf(e.key);
		let before = null;
		for (let other = this.buckets[at]; other !== e; other = other.next)
			before = other;
		if (before)
			before.next = e.next;
		else
			this.buckets[at] = e.next;
		this.takeOutOfOrder(e);
		this.count--;
	}

	add(key) {
		if (this.count === this.most)
			this.throwOutOldest();
		const chance = upperOfProduct(key, 0x6659fd93) + Math.imul(key, 0xd6e8feb8) >>> 8;
		const e = new Entry(key, 64 + chance % 193 - HEADER), at = this.bucketOf(key);
		e.next = this.buckets[at];
		this.buckets[at] = e;
		this.makeNewest(e);
		this.count++;
		return e;
	}

	use(key) {
		let e = this.find(key);
		if (e) {
			this.takeOutOfOrder(e);
			this.makeNewest(e);
		} else {
			e = this.add(key);
		}
		return e.value[e.value.length - 1] + e.value.length;
	}
}

const most = argument(0, 1000000), cache = new Cache(most);
const chance = new Chance(1), check = new Check(), times = new Times();
for (let key = 0; key < most; key++)
	cache.use(key);
const from = performance.now();
let before = from;
for (let i = 0; i < OPERATIONS_PER_ENTRY * most; i++) {
	const at = chance.below(4 * most), key = chance.below(at + 1) + (i >> 3);
	check.note(cache.use(key));
	const now = performance.now();
	times.note(now - before);
	before = now;
}
const taken = performance.now() - from;
times.print('operation');
done(check.valueOf(), taken);
