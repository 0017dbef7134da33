// trees DEPTH [THREADS] - binary-trees, as in bench/gc/trees.c. A thread is a worker, with a heap of its own.
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { argument, done } from './bench.mjs';

class Node {
	constructor(left, right) {
		this.left = left;
		this.right = right;
	}
}

function make(depth) {
	return depth ? new Node(make(depth - 1), make(depth - 1)) : new Node(null, null);
}

function count(node) {
	return node.left ? 1 + count(node.left) + count(node.right) : 1;
}

function makeTrees({ depth, trees }) {
	let nodes = 0;
	for (let i = 0; i < trees; i++)
		nodes += count(make(depth));
	return nodes;
}

const shareAmong = (workers, depth, trees) => Promise.all(workers.map((worker, i) => {
	const counted = new Promise((resolve) => worker.once('message', resolve));
	worker.postMessage({ depth, trees: Math.floor(trees / workers.length) + (i < trees % workers.length ? 1 : 0) });
	return counted;
})).then((counts) => counts.reduce((a, b) => a + b));

async function main() {
	const most = argument(0, 20), threads = argument(1, 1);
	const from = performance.now();
	const workers = threads > 1 ? Array.from({ length: threads }, () => new Worker(new URL(import.meta.url))) : [];
	let check = BigInt(count(make(most + 1)));
	const kept = make(most);
	for (let depth = 4; depth <= most; depth += 2) {
		const trees = 2 ** (most - depth + 4);
		const nodes = threads > 1 ? await shareAmong(workers, depth, trees) : makeTrees({ depth, trees });
		check = check * 31n + BigInt(nodes);
	}
	check = check * 31n + BigInt(count(kept));
	await Promise.all(workers.map((worker) => worker.terminate()));
	done(check, performance.now() - from);
}

if (isMainThread)
	await main();
else
	parentPort.on('message', (share) => parentPort.postMessage(makeTrees(share)));
