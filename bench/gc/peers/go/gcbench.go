package main

import "runtime"

const (
	arrayLength = 500000
	leastDepth  = 4
)

type node struct {
	left, right *node
	i, j        int32
}

func populate(n *node, depth int) {
	if depth == 0 {
		return
	}
	n.left = &node{}
	n.right = &node{}
	n.i = int32(depth)
	populate(n.left, depth-1)
	populate(n.right, depth-1)
}

func bottomUp(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	left, right := bottomUp(depth-1), bottomUp(depth-1)
	return &node{left, right, int32(depth), int32(depth)}
}

func leftSum(n *node) (sum uint64) {
	for ; n != nil; n = n.left {
		sum += uint64(n.i) + 1
	}
	return sum
}

func nodesOf(depth int) int { return 1<<(depth+1) - 1 }

func allNodesOfDepth(depth, stretch int) (sum uint64) {
	count := 2 * nodesOf(stretch) / nodesOf(depth)
	for i := 0; i < count; i++ {
		n := &node{}
		populate(n, depth)
		sum += leftSum(n)
	}
	for i := 0; i < count; i++ {
		sum += leftSum(bottomUp(depth)) * 3
	}
	return sum
}

// gcbench DEPTH: the shape of GCBench, as in bench/gc/gcbench.c.
func gcbench() (check uint64) {
	most := argument(0, 18)
	timed(func() {
		check = leftSum(bottomUp(most + 2))
		kept := &node{}
		populate(kept, most)
		array := make([]float64, arrayLength)
		for i := range array {
			array[i] = 1.0 / float64(i+1)
		}
		for depth := leastDepth; depth <= most; depth += 2 {
			check = check*31 + allNodesOfDepth(depth, most+2)
		}
		check = check*31 + leftSum(kept)
		check = check*31 + uint64(array[1000]*1e9) + uint64(len(array))
		runtime.KeepAlive(kept)
		runtime.KeepAlive(array)
	})
	return check
}
