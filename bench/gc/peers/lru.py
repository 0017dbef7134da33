# lru ENTRIES - a cache as in bench/gc/lru.c: OrderedDict is a table and a list in order of use.
from collections import OrderedDict
from time import perf_counter_ns

from bench import MASK, Chance, argument, run

OPERATIONS_PER_ENTRY = 8
HEADER = 36  # of the C program's entry: what of its bytes is no value


def use(cache, most, key):
    value = cache.get(key)
    if value is not None:
        cache.move_to_end(key)
    else:
        if len(cache) == most:
            cache.popitem(last=False)
        length = 64 + ((key * 0xD6E8FEB86659FD93 & MASK) >> 40) % 193 - HEADER
        cache[key] = value = bytes((key & 255,)) * length
    return value[-1] + len(value)


def tell(times):
    times.sort()
    for percent in (50, 99, 99.9, 99.99):
        print(f"operation_p{percent}_us {times[int((len(times) - 1) * percent / 100)] / 1e3:.2f}")
    print(f"operation_longest_us {times[-1] / 1e3:.0f}")


def lru():
    most, cache, chance, check, times = argument(0, 1000000), OrderedDict(), Chance(1), 0, []
    for key in range(most):
        use(cache, most, key)
    before = perf_counter_ns()
    for i in range(OPERATIONS_PER_ENTRY * most):
        key = chance.below(chance.below(4 * most) + 1) + i // 8
        check = check * 31 + use(cache, most, key) & MASK
        now = perf_counter_ns()
        times.append(now - before)
        before = now
    tell(times)
    return check


run(lru)
