# documents NODES [COUNT] - trees as JSON has them, as in bench/gc/documents.c.
from bench import MASK, Chance, argument, run

TEXT, NUMBER, LIST, MAP = range(4)  # as the C program numbers them
chance = Chance(7)
left = 0  # values that the document may still have


class Map:
    __slots__ = ("count", "members")

    def __init__(self, count):
        self.count = count
        self.members = []  # of key and value


def make_text(least, most):
    length = chance.between(least, most)
    return chr(97 + chance.below(26)) * length


def make_list(depth):
    values = []
    for _ in range(chance.between(2, 24)):
        if not left:
            break
        values.append(make_value(depth + 1))
    return values


def make_map(depth):
    o = Map(chance.between(2, 12))
    for _ in range(o.count):
        if not left:
            break
        key = make_text(3, 20)
        o.members.append((key, make_value(depth + 1)))
    return o


def make_value(depth):
    global left
    left -= left > 0
    at = chance.below(100)
    if depth < 12 and (depth < 4 or at < 24):
        return make_list(depth) if at & 1 else make_map(depth)
    return make_text(4, 100) if at < 60 else float(chance.below(1000000))


def make_document(nodes):
    """The whole: a list of values until there are enough."""
    global left
    left = nodes
    values = []
    while left:
        values.append(make_value(1))
    return values


def walk(value):
    if type(value) is str:
        return TEXT + len(value) * 7 + ord(value[-1])
    if type(value) is float:
        return NUMBER + 7 + int(value)
    if type(value) is list:
        total = LIST + len(value) * 7
        for v in value:
            total = total * 31 + walk(v) & MASK
        return total
    total = MAP + value.count * 7
    for key, v in value.members:
        total = total * 31 + walk(key) + walk(v) & MASK
    return total


def documents():
    nodes, count, check = argument(0, 1100000), argument(1, 12), 0
    for _ in range(count):
        check = check * 31 + walk(make_document(nodes)) & MASK
    return check


run(documents)
