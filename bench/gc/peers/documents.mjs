// documents NODES [COUNT] - trees as JSON has them, as in bench/gc/documents.c. Texts are strings and numbers numbers.
import { Chance, Check, argument, done } from './bench.mjs';

const TEXT = 0, NUMBER = 1, LIST = 2, MAP = 3; // as the C program numbers them
const chance = new Chance(7);
let left = 0; // values that the document may still have

class Map {
	constructor(count) {
		this.count = count;
		this.members = []; // a key, its value, the next key
	}
}

function makeText(least, most) {
	const length = chance.between(least, most);
	return String.fromCharCode(97 + chance.below(26)).repeat(length);
}

function makeList(depth) {
	const count = chance.between(2, 24), list = [];
	for (let i = 0; i < count && left; i++)
		list.push(makeValue(depth + 1));
	return list;
}

function makeMap(depth) {
	const map = new Map(chance.between(2, 12));
	for (let i = 0; i < map.count && left; i++)
		map.members.push(makeText(3, 20), makeValue(depth + 1));
	return map;
}

function makeValue(depth) {
	if (left)
		left--;
	const at = chance.below(100);
	if (depth < 12 && (depth < 4 || at < 24))
		return at & 1 ? makeList(depth) : makeMap(depth);
	return at < 60 ? makeText(4, 100) : chance.below(1000000);
}

// The whole: a list of values until there are enough.
function makeDocument(nodes) {
	const list = [];
	for (left = nodes; left;)
		list.push(makeValue(1));
	return list;
}

// The lower half of a sum of 64 bits; the upper one is left in `high`.
let high = 0;

function walkAll(values, each, low) {
	let upper = 0;
	for (let i = 0; i < values.length; i += each) {
		let sum = low * 31, more = 0;
		for (let k = i; k < i + each; k++) {
			sum += walk(values[k]);
			more += high;
		}
		upper = Math.imul(upper, 31) + more + Math.floor(sum / 2 ** 32) | 0;
		low = sum >>> 0;
	}
	high = upper;
	return low;
}

function walk(value) {
	high = 0;
	if (typeof value === 'string')
		return TEXT + value.length * 7 + value.charCodeAt(value.length - 1);
	if (typeof value === 'number')
		return NUMBER + 7 + value;
	if (value instanceof Map)
		return walkAll(value.members, 2, MAP + value.count * 7);
	return walkAll(value, 1, LIST + value.length * 7);
}

const nodes = argument(0, 1100000), count = argument(1, 12), check = new Check();
const from = performance.now();
for (let i = 0; i < count; i++) {
	const low = walk(makeDocument(nodes));
	check.note(low, high);
}
done(check.valueOf(), performance.now() - from);
