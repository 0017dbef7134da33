# gcbench DEPTH - the shape of GCBench, as in bench/gc/gcbench.c.
from array import array

from bench import argument, run

ARRAY = 500000
LEAST = 4


class Node:
    __slots__ = ("left", "right", "i", "j")

    def __init__(self, left=None, right=None, i=0, j=0):
        self.left = left
        self.right = right
        self.i = i
        self.j = j


def populate(node, depth):
    if depth:
        node.left = Node()
        node.right = Node()
        node.i = depth
        populate(node.left, depth - 1)
        populate(node.right, depth - 1)


def bottom_up(depth):
    return Node(bottom_up(depth - 1), bottom_up(depth - 1), depth, depth) if depth else Node()


def left_sum(node):
    total = 0
    while node:
        total += node.i + 1
        node = node.left
    return total


def one_from_the_top(depth):
    node = Node()
    populate(node, depth)
    return left_sum(node)


def nodes_of(depth):
    return (1 << (depth + 1)) - 1


def all_of_depth(depth, stretch):
    trees = 2 * nodes_of(stretch) // nodes_of(depth)
    total = sum(one_from_the_top(depth) for _ in range(trees))
    return total + sum(left_sum(bottom_up(depth)) * 3 for _ in range(trees))


def gcbench():
    most = argument(0, 18)
    check = left_sum(bottom_up(most + 2))
    kept = Node()
    populate(kept, most)
    doubles = array("d", (1.0 / (i + 1) for i in range(ARRAY)))
    for depth in range(LEAST, most + 1, 2):
        check = check * 31 + all_of_depth(depth, most + 2)
    check = check * 31 + left_sum(kept)
    return check * 31 + int(doubles[1000] * 1e9) + len(doubles)


run(gcbench)
