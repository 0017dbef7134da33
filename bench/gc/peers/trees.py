# trees DEPTH - binary-trees, as in bench/gc/trees.c.
from bench import argument, run


def make(depth):
    return (make(depth - 1), make(depth - 1)) if depth else (None, None)


def count(tree):
    left, right = tree
    return 1 + count(left) + count(right) if left else 1


def trees():
    most = argument(0, 20)
    check = count(make(most + 1))
    kept = make(most)
    for depth in range(4, most + 1, 2):
        check = check * 31 + sum(count(make(depth)) for _ in range(1 << (most - depth + 4)))
    return check * 31 + count(kept)


run(trees)
