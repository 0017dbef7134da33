/* documents NODES [COUNT] - trees as JSON has them, of NODES values each, made and dropped one after the other, COUNT
 * (12) of them; with malloc the one before is freed when the next is made, under a collector it is garbage before.
 * Texts, numbers, lists that grow by being made anew, and maps from text to value; each document is walked once. */
#include "memory.h"

typedef enum kind { TEXT, NUMBER, LIST, MAP } kind;

/* What each begins with. A reference to a value is to one of the four. */
typedef struct value {
	kind kind;
	uint32_t count;
} value;

typedef struct text {
	value head;
	char of[];
} text;
MEMORY_LEAF(text, of);

typedef struct number {
	value head;
	double of[];
} number;
MEMORY_LEAF(number, of);

typedef struct item {
	MEMORY_REF(value) value;
} item;
typedef struct list {
	value head;
	uint32_t room;
	item of[];
} list;
MEMORY_TAIL(list, of, 1);

typedef struct member {
	MEMORY_REF(text) key;
	MEMORY_REF(value) value;
} member;
typedef struct map {
	value head;
	member of[];
} map;
MEMORY_TAIL(map, of, 3);

typedef struct maker {
	memory *m;
	uint64_t seed;
	size_t left; /* values that the document may still have */
} maker;

static text *make_text(maker *k, size_t least, size_t most)
{
	size_t count = bench_between(&k->seed, least, most);
	text *t = memory_new_array(k->m, text, of, count);
	t->head = (value){ TEXT, (uint32_t)count };
	memset(t->of, 'a' + (int)bench_below(&k->seed, 26), count);
	return t;
}

static number *make_number(maker *k)
{
	number *n = memory_new_array(k->m, number, of, 1);
	n->head = (value){ NUMBER, 1 };
	n->of[0] = (double)bench_below(&k->seed, 1000000);
	return n;
}

static list *new_list(maker *k, uint32_t room)
{
	list *l = memory_new_array(k->m, list, of, room);
	l->head = (value){ LIST, 0 };
	l->room = room;
	for (uint32_t i = 0; i < room; i++)
		memory_null(k->m, l, of[i].value);
	return l;
}

/* Returns l, or the longer one that took its place. */
static list *append(maker *k, list *l, value *v)
{
	if (l->head.count == l->room) {
		list *longer = new_list(k, 2 * l->room);
		for (uint32_t i = 0; i < l->room; i++)
			memory_set(k->m, longer, of[i].value, memory_get(k->m, l, of[i].value));
		longer->head.count = l->head.count;
		memory_free(k->m, l);
		l = longer;
	}
	memory_set(k->m, l, of[l->head.count].value, v);
	l->head.count++;
	return l;
}

static value *make_value(maker *k, unsigned depth);

static list *make_list(maker *k, unsigned depth)
{
	size_t count = bench_between(&k->seed, 2, 24);
	list *l = new_list(k, 4);
	for (size_t i = 0; i < count && k->left; i++)
		l = append(k, l, make_value(k, depth + 1));
	return l;
}

static map *make_map(maker *k, unsigned depth)
{
	uint32_t count = (uint32_t)bench_between(&k->seed, 2, 12);
	map *o = memory_new_array(k->m, map, of, count);
	o->head = (value){ MAP, count };
	for (uint32_t i = 0; i < count; i++) {
		memory_null(k->m, o, of[i].key);
		memory_null(k->m, o, of[i].value);
	}
	for (uint32_t i = 0; i < count && k->left; i++) {
		memory_set(k->m, o, of[i].key, make_text(k, 3, 20));
		memory_set(k->m, o, of[i].value, make_value(k, depth + 1));
	}
	return o;
}

static value *make_value(maker *k, unsigned depth)
{
	k->left -= k->left > 0;
	uint64_t chance = bench_below(&k->seed, 100);
	if (depth < 12 && (depth < 4 || chance < 24))
		return chance & 1 ? &make_list(k, depth)->head : &make_map(k, depth)->head;
	return chance < 60 ? &make_text(k, 4, 100)->head : &make_number(k)->head;
}

/* The whole: a list of values until there are enough. */
static list *make_document(maker *k, size_t nodes)
{
	list *l = new_list(k, 16);
	for (k->left = nodes; k->left;)
		l = append(k, l, make_value(k, 1));
	return l;
}

static uint64_t walk(memory *m, value *v)
{
	if (!v)
		return 0;
	uint64_t sum = v->kind + v->count * 7;
	switch (v->kind) {
	case TEXT: return sum + (unsigned char)((text *)v)->of[v->count - 1];
	case NUMBER: return sum + (uint64_t)((number *)v)->of[0];
	case LIST:
		for (uint32_t i = 0; i < v->count; i++)
			sum = sum * 31 + walk(m, memory_get(m, (list *)v, of[i].value));
		return sum;
	case MAP:
		for (uint32_t i = 0; i < v->count; i++)
			if (memory_get(m, (map *)v, of[i].key))
				sum = sum * 31 + walk(m, &memory_get(m, (map *)v, of[i].key)->head) +
				      walk(m, memory_get(m, (map *)v, of[i].value));
	}
	return sum;
}

static void drop(memory *m, value *v)
{
	if (v && v->kind == LIST)
		for (uint32_t i = 0; i < v->count; i++)
			drop(m, memory_get(m, (list *)v, of[i].value));
	if (v && v->kind == MAP)
		for (uint32_t i = 0; i < v->count; i++) {
			drop(m, (value *)memory_get(m, (map *)v, of[i].key));
			drop(m, memory_get(m, (map *)v, of[i].value));
		}
	memory_free(m, v);
}

int main(int argc, char **argv)
{
	size_t nodes = bench_argument(argc, argv, 1, 1100000), count = bench_argument(argc, argv, 2, 12);
	maker k = { .m = memory_open(), .seed = bench_seed(7) };
	list *before = NULL;
	uint64_t check = 0;
	bench_start();
	for (size_t i = 0; i < count; i++) {
		list *now = make_document(&k, nodes);
		check = check * 31 + walk(k.m, &now->head);
		if (MEMORY_FREES && before)
			drop(k.m, &before->head);
		before = now;
	}
	if (MEMORY_FREES && before)
		drop(k.m, &before->head);
	bench_stop();
	memory_close(k.m);
	return bench_done(check);
}
