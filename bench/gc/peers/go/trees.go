package main

import "runtime"

type tree struct{ left, right *tree }

func makeTree(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{makeTree(depth - 1), makeTree(depth - 1)}
}

func (t *tree) count() uint64 {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.count() + t.right.count()
}

func makeTrees(depth, trees int) uint64 {
	nodes := uint64(0)
	for i := 0; i < trees; i++ {
		nodes += makeTree(depth).count()
	}
	return nodes
}

func allOfDepth(depth, trees, threads int) uint64 {
	if threads == 1 {
		return makeTrees(depth, trees)
	}
	counted := make(chan uint64)
	for i := 0; i < threads; i++ {
		share := trees / threads
		if i < trees%threads {
			share++
		}
		go func() { counted <- makeTrees(depth, share) }()
	}
	nodes := uint64(0)
	for i := 0; i < threads; i++ {
		nodes += <-counted
	}
	return nodes
}

// trees DEPTH [THREADS]: binary-trees, as in bench/gc/trees.c.
func trees() (check uint64) {
	most, threads := argument(0, 20), argument(1, 1)
	timed(func() {
		check = makeTree(most + 1).count()
		kept := makeTree(most)
		for depth := 4; depth <= most; depth += 2 {
			check = check*31 + allOfDepth(depth, 1<<(most-depth+4), threads)
		}
		check = check*31 + kept.count()
		runtime.KeepAlive(kept)
	})
	return check
}
