# What the Python programs share with bench/malloc/bench.h: chance, the clock, what the collector did, and how a result
# is printed. What is counted frees the most; pauses are those of the collector of cycles.
import gc
import os
import sys
import time

MASK = 2**64 - 1


def argument(index, otherwise):
    return int(sys.argv[1 + index]) if len(sys.argv) > 1 + index else otherwise


class Chance:
    """xorshift*, 48 bits a number."""

    __slots__ = ("state",)

    def __init__(self, n):
        self.state = (n + 1) * 0x9E3779B97F4A7C15 & MASK

    def below(self, limit):
        s = self.state
        s ^= s << 13 & MASK
        s ^= s >> 7
        self.state = s = s ^ (s << 17 & MASK)
        return ((s * 0x2545F4914F6CDD1D & MASK) >> 16) % limit

    def between(self, least, most):
        return least + self.below(most - least + 1)


pauses = []
began = 0


def note_pause(phase, _):
    global began
    if phase == "start":
        began = time.perf_counter_ns()
    else:
        pauses.append(time.perf_counter_ns() - began)


def tell_collections():
    pauses.sort()
    n = len(pauses)
    p50, p99, longest = (pauses[n // 2], pauses[n * 99 // 100], pauses[-1]) if n else (0, 0, 0)
    print(f"gc collections={n} p50={p50} p99={p99} max={longest}", file=sys.stderr)


def run(work):
    if "CAIRN_GC_BENCH" in os.environ:
        gc.callbacks.append(note_pause)
    start = time.perf_counter()
    check = work()
    taken = time.perf_counter() - start
    if "CAIRN_GC_BENCH" in os.environ:
        gc.callbacks.clear()
        tell_collections()
    print(f"time {taken:.6f}\ncheck {check & MASK:x}")
