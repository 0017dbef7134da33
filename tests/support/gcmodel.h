/* support/gcmodel.h - what tests/model/gcgraph.c believes of a managed heap: records in ordinary memory, one for
 * each object that is reachable, by the ids that the objects carry.
 *
 * Edges are ids. A record goes when nothing reaches it; neither it nor its id is used again. What is guarded is
 * kept when nothing reaches it, *in limbo*, until its guardian gives it back. Nothing here knows an address but
 * those of pinned objects. One model for each mutator; no sharing. */
#ifndef CAIRN_SUPPORT_GCMODEL_H
#define CAIRN_SUPPORT_GCMODEL_H

#include "support/gckinds.h"

enum { EXACT = 16, STACK = 12, HANDLES = 6, PINS = 4, RANGE = 8, SLOTS = EXACT + STACK + HANDLES + PINS + RANGE };
enum { RECORDS = 1 << 14 };

typedef struct record {
	uint64_t id; /* 0: none */
	kind kind;
	uint32_t n, token; /* n: of elements or bytes */
	uint64_t *edges;   /* owned */
	uint64_t weakly;   /* id of the object in the weak field */
	uint64_t value;    /* of the table's entry whose key it is */
	uint64_t hash;     /* 0: never asked */
	size_t size, external;
	uint32_t offsets[4];      /* WORDS: how far behind the object's start each word points */
	uintptr_t address;        /* FIXED, ALIGNED: where it must be */
	uint32_t guards, cleanup; /* times it is under guard; cleanup: a token */
	uint32_t reached, seen;   /* the number of the walk that reached it, in the model and in the heap */
} record;

typedef struct model {
	record all[RECORDS];
	uint32_t used, walk, live;
	uint64_t owner;         /* in the high bits of ids */
	uint64_t slots[SLOTS];  /* roots, by what they are in turn */
	uint32_t offset[SLOTS]; /* of ambiguous ones: how far into the object they point */
	uint64_t queue[RECORDS];
} model;

static inline void model_init(model *g, uint64_t owner)
{
	memset(g, 0, sizeof *g);
	g->owner = owner;
}

static inline record *record_of(model *g, uint64_t id)
{
	record *r = &g->all[id & (RECORDS - 1)];
	return id && r->id == id ? r : NULL;
}

static inline record *record_new(model *g, kind k, uint32_t n)
{
	if (g->used == RECORDS - 1)
		return NULL;
	uint32_t index = ++g->used;
	record *r = &g->all[index];
	*r = (record){ .id = g->owner << 56 | index, .kind = k, .n = n, .size = size_of(k, n) };
	if (edges_of(k, n))
		r->edges = calloc(edges_of(k, n), sizeof *r->edges);
	g->live++;
	return r;
}

static inline void record_free(model *g, record *r)
{
	free(r->edges);
	g->live--;
	*r = (record){ 0 };
}

/* ---- What is reachable ---- */

static inline void model_reach(model *g, uint64_t id, uint32_t *count)
{
	record *r = record_of(g, id);
	if (!r || r->reached == g->walk)
		return;
	r->reached = g->walk;
	g->queue[(*count)++] = id;
}

static inline void model_drain(model *g, uint32_t *at, uint32_t *count)
{
	while (*at < *count) {
		record *r = record_of(g, g->queue[(*at)++]);
		for (uint32_t i = 0; i < edges_of(r->kind, r->n); i++)
			model_reach(g, r->edges[i], count);
		model_reach(g, r->value, count); /* the table is a root: an entry is an edge from its key */
	}
}

/* Records that no slot reaches go, but for those in limbo and what they reach. How many slots reach. */
static inline uint32_t model_collect(model *g)
{
	uint32_t at = 0, count = 0, reachable;
	g->walk++;
	for (int i = 0; i < SLOTS; i++)
		model_reach(g, g->slots[i], &count);
	model_drain(g, &at, &count);
	reachable = count;
	for (uint32_t i = 0; i <= g->used; i++)
		if (g->all[i].id && g->all[i].guards)
			model_reach(g, g->all[i].id, &count);
	model_drain(g, &at, &count);
	for (uint32_t i = 0; i <= g->used; i++)
		if (g->all[i].id && g->all[i].reached != g->walk)
			record_free(g, &g->all[i]);
	return reachable;
}

static inline bool model_reaches(model *g, uint64_t id)
{
	uint32_t at = 0, count = 0;
	g->walk++;
	for (int i = 0; i < SLOTS; i++)
		model_reach(g, g->slots[i], &count);
	model_drain(g, &at, &count);
	record *r = record_of(g, id);
	return r && r->reached == g->walk;
}

/* ---- The canonical hash: the same function of a model and of the heap that it describes ---- */

static inline uint64_t mixed(uint64_t hash, uint64_t with)
{
	hash ^= with;
	return test_random(&hash);
}

/* Of what does not refer: an id, what it is and how large. */
static inline uint64_t mixed_object(uint64_t hash, uint64_t id, uint32_t k, size_t size, size_t external)
{
	return mixed(mixed(mixed(mixed(hash, id), k), size), external);
}

static inline uint64_t model_hash(model *g)
{
	uint32_t count = 0;
	uint64_t hash = g->owner;
	g->walk++;
	for (int i = 0; i < SLOTS; i++) {
		hash = mixed(hash, g->slots[i]);
		model_reach(g, g->slots[i], &count);
	}
	for (uint32_t at = 0; at < count; at++) {
		record *r = record_of(g, g->queue[at]);
		hash = mixed_object(hash, r->id, r->kind, r->size, r->external);
		for (uint32_t i = 0; i < edges_of(r->kind, r->n); i++) {
			hash = mixed(hash, r->edges[i]);
			model_reach(g, r->edges[i], &count);
		}
		hash = mixed(hash, r->value);
		model_reach(g, r->value, &count);
	}
	return hash;
}

#endif
