// requests REQUESTS CACHE [SLOTS] - requests in hand beside a cache, as in bench/gc/requests.c.
import { Chance, Check, Times, argument, done } from './bench.mjs';

const PARTS = 40, REQUESTS_PER_ENTRY = 20;

class Part {
	constructor(next, first) {
		this.next = next;
		this.a = first;
		this.b = first + 1;
		this.c = first + 2;
		this.d = first + 3;
		this.e = first + 4;
		this.f = first + 5;
		this.g = first + 6;
	}
}

function make(number) {
	let list = null;
	for (let i = 0; i < PARTS; i++)
		list = new Part(list, number + i);
	return list;
}

function replace(table, at, by) {
	let sum = 0;
	for (let p = table[at]; p; p = p.next)
		sum += p.a + p.g;
	table[at] = by;
	return sum;
}

const requests = argument(0, 1400000), entries = argument(1, 400000), slots = argument(2, 256);
const hand = new Array(slots).fill(null), cache = Array.from({ length: entries }, (_, i) => new Part(null, i));
const chance = new Chance(1), check = new Check(), times = new Times();
const from = performance.now();
let before = from;
for (let i = 0; i < requests; i++) {
	check.note(replace(hand, chance.below(slots), make(i)));
	if (i % REQUESTS_PER_ENTRY === 0)
		check.add(replace(cache, chance.below(entries), new Part(null, i)));
	const now = performance.now();
	times.note(now - before);
	before = now;
}
const taken = performance.now() - from;
times.print('request');
done(check.valueOf(), taken);
