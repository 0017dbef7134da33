// gcbench DEPTH - the shape of GCBench, as in bench/gc/gcbench.c.
import { argument, done } from './bench.mjs';

const ARRAY = 500000, LEAST = 4;

class Node {
	left = null;
	right = null;
	i = 0;
	j = 0;
}

function populate(node, depth) {
	if (!depth)
		return;
	node.left = new Node();
	node.right = new Node();
	node.i = depth;
	populate(node.left, depth - 1);
	populate(node.right, depth - 1);
}

function bottomUp(depth) {
	if (!depth)
		return new Node();
	const left = bottomUp(depth - 1), right = bottomUp(depth - 1);
	const node = new Node();
	node.left = left;
	node.right = right;
	node.i = node.j = depth;
	return node;
}

function leftSum(node) {
	let sum = 0;
	for (; node; node = node.left)
		sum += node.i + 1;
	return sum;
}

function oneFromTheTop(depth) {
	const node = new Node();
	populate(node, depth);
	return leftSum(node);
}

const nodesOf = (depth) => 2 ** (depth + 1) - 1;

function allOfDepth(depth, stretch) {
	const trees = Math.floor(2 * nodesOf(stretch) / nodesOf(depth));
	let sum = 0;
	for (let i = 0; i < trees; i++)
		sum += oneFromTheTop(depth);
	for (let i = 0; i < trees; i++)
		sum += leftSum(bottomUp(depth)) * 3;
	return sum;
}

const most = argument(0, 18), from = performance.now();
let check = BigInt(leftSum(bottomUp(most + 2)));
const kept = new Node();
populate(kept, most);
const array = new Float64Array(ARRAY);
for (let i = 0; i < ARRAY; i++)
	array[i] = 1 / (i + 1);
for (let depth = LEAST; depth <= most; depth += 2)
	check = check * 31n + BigInt(allOfDepth(depth, most + 2));
check = check * 31n + BigInt(leftSum(kept));
check = check * 31n + BigInt(Math.floor(array[1000] * 1e9)) + BigInt(array.length);
done(check, performance.now() - from);
