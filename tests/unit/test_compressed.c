/* Compressed references: what fits into 4 bytes, the window that they reach over and its ends, and what is refused. The
 * oracle and the users' programs are built with them as well (tests/model/gcgraph-compressed, tests/gc). */
#define CAIRN_GC_COMPRESSED
#include "gc/managed.h"
#include "page/pageheap.h"
#include "page/window.h"
#include "support/child.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct node {
	uint64_t id;
	cairn_ref(struct node) left, right;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right));
typedef cairn_ref(node) node_ref;

typedef struct one {
	node_ref only;
} one;
CAIRN_GC_TYPE(one, .refs = CAIRN_GC_REFS(one, only));

typedef struct guess { /* every word may be anything, also a slot in either half */
	uint64_t id;
	node_ref low, high;
	uintptr_t plain;
} guess;
CAIRN_GC_TYPE(guess, .flags = CAIRN_GC_CONSERVATIVE);

typedef struct rows {
	size_t n;
	struct row {
		cairn_ref(node) to;
		uint32_t number;
	} at[];
} rows;
CAIRN_GC_TYPE(rows, .tail_offset = offsetof(rows, at), .tail_stride = sizeof(struct row),
	.tail_refs = CAIRN_GC_REFS(struct row, to));

typedef struct slots {
	uint64_t id;
	node_ref at[];
} slots;
CAIRN_GC_TYPE(slots, .tail_offset = offsetof(slots, at), .tail_stride = sizeof(node_ref),
	.tail_refs = CAIRN_GC_TAIL_REF);

typedef struct watch {
	cairn_ref(node) strong, weak;
} watch;
CAIRN_GC_TYPE(watch, .refs = CAIRN_GC_REFS(watch, strong), .weak = CAIRN_GC_REFS(watch, weak));

/* What other code calls, which is compiled for addresses. */
cairn_gc_heap *plain_open(const cairn_gc_config *config) __asm__("cairn_gc_open");
cairn_gc_mutator *plain_attach(cairn_gc_heap *h) __asm__("cairn_gc_attach");
void plain_register(cairn_gc_type *t) __asm__("cairn_gc_register");

typedef struct wide { /* as such code lays it out */
	uint64_t id;
	node *to;
} wide;
enum { wide_cairn_gc_is_listed = 0 };
static cairn_gc_type wide_cairn_gc_type = { .name = "wide", .size = sizeof(wide), .refs = 2 };

#define EACH_COLLECTOR(c) for (cairn_gc_collector c = CAIRN_GC_MARKSWEEP; c <= CAIRN_GC_MARKCOMPACT; c++)
#define WINDOW            ((size_t)32 << 30)

typedef struct place {
	cairn_gc_heap *h;
	cairn_gc_mutator *m;
} place;

static place exact_open(cairn_gc_collector c, const char *zeal)
{
	place p = { .h = cairn_gc_open(&(cairn_gc_config){
			    .collector = c, .exact_roots = true, .max = 256 << 20, .zeal = zeal, .name = "small" }) };
	p.m = p.h ? cairn_gc_attach(p.h) : NULL;
	return p;
}

static void place_close(place p)
{
	cairn_gc_detach(p.m);
	cairn_gc_close(p.h);
}

/* ---- What fits ---- */

static void references_take_4_bytes_and_objects_what_is_left(void)
{
	place p = exact_open(CAIRN_GC_MARKSWEEP, NULL);
	REQUIRE(p.m);
	EXPECT_EQ(sizeof(node), 16);
	EXPECT_EQ(sizeof(one), 4);
	EXPECT_EQ(_Alignof(one), 4);
	node *a = cairn_gc_new(p.m, node), *b = cairn_gc_new(p.m, node);
	EXPECT_EQ((uintptr_t)b - (uintptr_t)a, 24);
	one *c = cairn_gc_new(p.m, one), *d = cairn_gc_new(p.m, one);
	EXPECT_EQ((uintptr_t)d - (uintptr_t)c, 16);
	EXPECT_EQ(cairn_gc_window % WINDOW, 0);
	EXPECT((uintptr_t)a - cairn_gc_window < WINDOW);
	place_close(p);
}

static void every_way_to_a_field_says_the_same(void)
{
	EACH_COLLECTOR (c) {
		place p = exact_open(c, "shadow,move");
		static node_ref roots[3];
		REQUIRE(p.m && cairn_gc_roots_add(p.h, roots, 3));
		for (int i = 0; i < 3; i++) {
			cairn_gc_root_set(p.m, &roots[i], cairn_gc_new(p.m, node));
			cairn_gc_root_get(p.m, &roots[i])->id = (uint64_t)i;
		}
		cairn_gc_handle *handle = cairn_gc_handle_new(p.m, cairn_gc_root_get(p.m, &roots[2]));
		for (int round = 0; round < 3; round++) {
			node *a = cairn_gc_root_get(p.m, &roots[0]), *b = cairn_gc_root_get(p.m, &roots[1]);
			cairn_gc_set(p.m, a, left, b);
			EXPECT(cairn_gc_get(p.m, a, left) == b && !cairn_gc_get(p.m, a, right));
			EXPECT(!cairn_gc_cas(p.m, a, left, NULL, a) && cairn_gc_cas(p.m, a, left, b, a));
			EXPECT(cairn_gc_swap(p.m, a, right, b) == NULL && cairn_gc_swap(p.m, a, right, NULL) == b);
			cairn_gc_copy(p.m, b, &b->left, &a->left, 2);
			EXPECT(cairn_gc_get(p.m, b, left) == a && !cairn_gc_get(p.m, b, right));
			cairn_gc_copy(p.m, b, &b->right, &b->left, 1); /* neither touches what lies beside it */
			EXPECT(cairn_gc_get(p.m, b, left) == a && cairn_gc_get(p.m, b, right) == a && b->id == 1);
			cairn_gc_set(p.m, b, left, NULL);
			cairn_gc_set(p.m, b, right, NULL);
			cairn_gc_collect(p.m);
			node *held = cairn_gc_handle_get(p.m, handle);
			EXPECT(held == cairn_gc_root_get(p.m, &roots[2]) && held->id == 2);
			EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
		}
		cairn_gc_handle_free(p.h, handle);
		cairn_gc_roots_remove(p.h, roots);
		place_close(p);
	}
}

static void a_field_that_was_cut_off_and_came_back_is_empty_and_was_not_stored(void)
{
	place p = exact_open(CAIRN_GC_GENERATIONAL, "shadow");
	static node_ref roots[2];
	REQUIRE(p.m && cairn_gc_roots_add(p.h, roots, 2));
	slots *s = cairn_gc_new_array(p.m, slots, 4);
	cairn_gc_root_set(p.m, &roots[0], (node *)s);
	for (size_t i = 0; i < 4; i++)
		cairn_gc_set(p.m, s, at[i], cairn_gc_new(p.m, node));
	for (size_t n = 3; n; n--) { /* 3 and 1: to the middle of a word */
		REQUIRE(cairn_gc_resize(p.m, s, offsetof(slots, at) + n * sizeof s->at[0]));
		if (cairn_gc_resize(p.m, s, offsetof(slots, at) + (n + 1) * sizeof s->at[0])) {
			EXPECT(!cairn_gc_get(p.m, s, at[n]));
			REQUIRE(cairn_gc_resize(p.m, s, offsetof(slots, at) + n * sizeof s->at[0]));
		}
	}
	EXPECT(cairn_gc_resize(p.m, s, offsetof(slots, at) + 2 * sizeof s->at[0]));
	cairn_gc_collect(p.m); /* would abort: a store that went past the barrier */
	s = (slots *)cairn_gc_root_get(p.m, &roots[0]);
	EXPECT(cairn_gc_length(s) == 2 && cairn_gc_get(p.m, s, at[0]) && !cairn_gc_get(p.m, s, at[1]));
	cairn_gc_roots_remove(p.h, roots);
	place_close(p);
}

static void a_weak_field_of_4_bytes_is_cleared_alone(void)
{
	EACH_COLLECTOR (c) {
		place p = exact_open(c, "move");
		static cairn_ref(watch) root;
		REQUIRE(p.m && cairn_gc_root_add(p.h, &root));
		cairn_gc_root_set(p.m, &root, cairn_gc_new(p.m, watch));
		node *kept = cairn_gc_new(p.m, node);
		cairn_gc_set(p.m, cairn_gc_root_get(p.m, &root), strong, kept);
		cairn_gc_set(p.m, cairn_gc_root_get(p.m, &root), weak, kept);
		cairn_gc_collect(p.m);
		watch *w = cairn_gc_root_get(p.m, &root);
		node *there = cairn_gc_get(p.m, w, strong);
		EXPECT(there && cairn_gc_get_weak(p.m, w, weak) == there);
		cairn_gc_set(p.m, w, weak, cairn_gc_new(p.m, node));
		cairn_gc_collect(p.m);
		w = cairn_gc_root_get(p.m, &root);
		EXPECT(!cairn_gc_get_weak(p.m, w, weak) && cairn_gc_get(p.m, w, strong));
		cairn_gc_root_remove(p.h, &root);
		place_close(p);
	}
}

/* By a slot in either half of a word, or by an address. */
static void words_of_a_conservative_object_keep_and_pin(void)
{
	EACH_COLLECTOR (c) {
		place p = exact_open(c, "move,verify");
		static cairn_ref(guess) root;
		REQUIRE(p.m && cairn_gc_root_add(p.h, &root));
		cairn_gc_root_set(p.m, &root, cairn_gc_new(p.m, guess));
		node *n[3];
		for (uint64_t i = 0; i < 3; i++) {
			n[i] = cairn_gc_new(p.m, node);
			n[i]->id = i + 7;
		}
		guess *g = cairn_gc_root_get(p.m, &root);
		cairn_gc_set(p.m, g, low, n[0]);
		cairn_gc_set(p.m, g, high, n[1]);
		g->plain = (uintptr_t)n[2] + 8; /* into it */
		cairn_gc_collect(p.m);
		g = cairn_gc_root_get(p.m, &root);
		EXPECT(cairn_gc_get(p.m, g, low) == n[0] && cairn_gc_get(p.m, g, high) == n[1]);
		for (uint64_t i = 0; i < 3; i++)
			EXPECT(cairn_gc_is_object(p.m, n[i]) && n[i]->id == i + 7);
		cairn_gc_root_remove(p.h, &root);
		place_close(p);
	}
}

/* A reference in each 8 bytes, and a number that looks like one beside it. */
static void elements_of_8_bytes_may_hold_one_reference(void)
{
	EACH_COLLECTOR (c) {
		place p = exact_open(c, "move,verify");
		static cairn_ref(rows) root;
		REQUIRE(p.m && cairn_gc_root_add(p.h, &root));
		cairn_gc_root_set(p.m, &root, cairn_gc_new_array(p.m, rows, 1000));
		for (uint32_t i = 0; i < 1000; i++) {
			node *n = cairn_gc_new(p.m, node);
			n->id = i;
			rows *r = cairn_gc_root_get(p.m, &root);
			cairn_gc_set(p.m, r, at[i].to, n);
			r->at[i].number = cairn_gc_slot_compress((uintptr_t)n) + 1;
		}
		cairn_gc_collect(p.m);
		rows *r = cairn_gc_root_get(p.m, &root);
		for (uint32_t i = 0; i < 1000; i++)
			EXPECT_EQ(cairn_gc_get(p.m, r, at[i].to)->id, i);
		static cairn_gc_stats s;
		cairn_gc_stats_get(p.h, &s);
		EXPECT_EQ(s.live_objects, 1001);
		cairn_gc_root_remove(p.h, &root);
		place_close(p);
	}
}

typedef struct forgetful { /* whose bitmap names nothing */
	uint64_t id;
	uint32_t number;
	node_ref forgotten;
	node *plain;
} forgetful;
CAIRN_GC_TYPE(forgetful);

/* Numbers that lie in the window as references would are not told. */
static void a_slot_that_no_bitmap_names_is_found(void)
{
	place p = exact_open(CAIRN_GC_MARKSWEEP, NULL);
	static node_ref kept[64];
	static cairn_ref(forgetful) holders[64];
	REQUIRE(p.m && cairn_gc_roots_add(p.h, kept, 64) && cairn_gc_roots_add(p.h, holders, 64));
	for (uint32_t i = 0; i < 64; i++) {
		node *n = cairn_gc_new(p.m, node);
		cairn_gc_root_set(p.m, &kept[i], n);
		forgetful *f = cairn_gc_new(p.m, forgetful);
		cairn_gc_root_set(p.m, &holders[i], f);
		cairn_gc_set(p.m, f, forgotten, n);
		f->number = cairn_gc_slot_compress((uintptr_t)n) + i % 2;
		f->plain = n;
	}
	char said[16384] = "";
	FILE *to = fmemopen(said, sizeof said, "w");
	cairn_gc_find_undeclared(p.m, to);
	fclose(to);
	EXPECT(strstr(said, "type forgetful: the word at 12 looks like a reference that .refs does not name (64"));
	EXPECT(strstr(said, "type forgetful: the word at 16 looks like a reference"));
	EXPECT(!strstr(said, "the word at 8 ") && !strstr(said, "the word at 20 ") && !strstr(said, "type node"));
	if (test_case_failures)
		NOTE("said: %s", said);
	cairn_gc_roots_remove(p.h, kept);
	cairn_gc_roots_remove(p.h, holders);
	place_close(p);
}

/* ---- The window ---- */

static uint64_t sum_of(cairn_gc_mutator *m, node *n) /* of a list */
{
	uint64_t sum = 0;
	for (; n; n = cairn_gc_get(m, n, left))
		sum += n->id;
	return sum;
}

/* All but its last 2 MiB are taken before the heap's first slab is. */
static void at_the_windows_end(void *arg)
{
	cairn_gc_collector c = *(cairn_gc_collector *)arg;
	place p = exact_open(c, NULL);
	static node_ref top;
	REQUIRE(p.m && cairn_gc_root_add(p.h, &top));
	size_t granules = (1 << 30) / CAIRN_GRANULE_BYTES;
	bool is_zero;
	cairn_pageheap_alloc_private(CAIRN_CHUNK_GRANULES, CAIRN_SPAN_MANAGED_EXTERNAL, &is_zero);
	for (; granules >= CAIRN_CHUNK_GRANULES; granules /= 2)
		while (cairn_pageheap_alloc_private(granules, CAIRN_SPAN_MANAGED_EXTERNAL, &is_zero))
			continue;
	EXPECT(!cairn_gc_try_new(p.m, node)); /* nothing is left */
	char *end = (char *)cairn_gc_window + WINDOW;
	cairn_span *last = cairn_window_span((uintptr_t)end - CAIRN_CHUNK_BYTES);
	REQUIRE(last && last->base == end - CAIRN_CHUNK_BYTES);
	cairn_pageheap_free(last, CAIRN_CHUNK_GRANULES, 0);
	uintptr_t highest = 0;
	uint64_t sum = 0;
	for (node *n; (n = cairn_gc_try_new(p.m, node)); highest = (uintptr_t)n > highest ? (uintptr_t)n : highest) {
		cairn_gc_set(p.m, n, left, cairn_gc_root_get(p.m, &top));
		cairn_gc_root_set(p.m, &top, n);
		sum += n->id = (uintptr_t)n;
	}
	EXPECT(highest + sizeof(node) <= (uintptr_t)end && highest + 64 > (uintptr_t)end);
	cairn_gc_collect(p.m);
	EXPECT_EQ(sum_of(p.m, cairn_gc_root_get(p.m, &top)), sum);
	EXPECT_EQ(cairn_gc_verify(p.m, stderr), 0);
	cairn_pageheap_validate();
}

static void objects_reach_to_the_windows_last_bytes(void)
{
	EACH_COLLECTOR (c)
		in_a_child(at_the_windows_end, &c);
}

/* The first slab's record lies at its first byte, so that no object's slot is 0. */
static void at_the_windows_start(void *arg)
{
	(void)arg;
	place p = exact_open(CAIRN_GC_MARKSWEEP, NULL);
	REQUIRE(p.m);
	node *first = cairn_gc_new(p.m, node);
	size_t records = (size_t)CAIRN_GC_FIRST_BLOCK << CAIRN_GC_BLOCK_SHIFT;
	EXPECT_EQ((uintptr_t)first, cairn_gc_window + records + 8);
	cairn_gc_set(p.m, first, left, first);
	EXPECT_EQ(first->left.cairn_gc_word, records / 8 + 1);
	EXPECT(cairn_gc_get(p.m, first, left) == first);
	char *large = cairn_gc_new_bytes(p.m, 9 << 20); /* over several chunks */
	memset(large, 1, 9 << 20);
	cairn_gc_collect(p.m);
	EXPECT(cairn_gc_slab_of(large) != cairn_gc_slab_of(first));
	place_close(p);
	cairn_pageheap_validate();
}

static void the_first_object_lies_behind_the_windows_first_record(void)
{
	in_a_child(at_the_windows_start, NULL);
}

static void heaps_share_the_window_and_malloc_does_not(void *arg)
{
	(void)arg;
	place p[4];
	for (int i = 0; i < 4; i++) {
		p[i] = exact_open(CAIRN_GC_SEMISPACE, NULL);
		REQUIRE(p[i].m && p[i].m->base == cairn_gc_window);
		for (int n = 0; n < 300000; n++)
			cairn_gc_new(p[i].m, node);
		EXPECT((uintptr_t)cairn_gc_new(p[i].m, node) - cairn_gc_window < WINDOW);
	}
	for (int i = 0; i < 4; i++)
		place_close(p[i]); /* whose chunks are free in the window, and nobody else's to take */
	bool is_zero;
	for (size_t granules = 8; granules <= 4 * CAIRN_CHUNK_GRANULES; granules *= 4)
		for (int i = 0; i < 8; i++) {
			cairn_span *s = cairn_pageheap_alloc(granules, 1, CAIRN_SPAN_MANAGED_EXTERNAL, &is_zero);
			REQUIRE(s);
			EXPECT((uintptr_t)s->base - cairn_gc_window >= WINDOW);
		}
	cairn_pageheap_validate();
	cairn_gc_heap *plain = plain_open(NULL);
	cairn_gc_mutator *m = plain ? plain_attach(plain) : NULL;
	REQUIRE(m && !m->base);
	EXPECT((uintptr_t)cairn_gc_new_bytes(m, 100) - cairn_gc_window >= WINDOW);
	cairn_gc_detach(m);
	cairn_gc_close(plain);
}

static void heaps_of_both_kinds_live_beside_each_other(void)
{
	in_a_child(heaps_share_the_window_and_malloc_does_not, NULL);
}

/* ---- What is refused: in a program that was started for it, whose standard error is read ---- */

static void ends(bool is_right) { _exit(is_right ? 0 : 1); }

static void opens_under_a_limit(void)
{
	struct rlimit limit = { (rlim_t)4 << 30, (rlim_t)4 << 30 };
	setrlimit(RLIMIT_AS, &limit);
	cairn_gc_heap *h = cairn_gc_open(NULL);
	int why = errno;
	cairn_gc_heap *plain = plain_open(NULL);
	ends(!h && why == ENOMEM && plain);
}
static void opens_with_a_large_max(void)
{
	cairn_gc_heap *least = cairn_gc_open(&(cairn_gc_config){ .max = WINDOW });
	cairn_gc_heap *h = least ? cairn_gc_open(&(cairn_gc_config){ .max = WINDOW + 1 }) : NULL;
	ends(least && !h && errno == EINVAL);
}
static void attaches_to_addresses(void) { cairn_gc_attach(plain_open(NULL)); }
static void attaches_addresses(void) { plain_attach(cairn_gc_open(NULL)); }
static void makes_what_is_compressed(void) { cairn_gc_new(plain_attach(plain_open(NULL)), node); }
static void makes_what_is_not(void)
{
	plain_register(&wide_cairn_gc_type);
	cairn_gc_new(cairn_gc_attach(cairn_gc_open(NULL)), wide);
}
static void keeps_the_stride(void)
{
	cairn_gc_type t = {
		.name = "t", .size = 8, .tail_offset = 8, .tail_stride = 8, .tail_refs = CAIRN_GC_TAIL_REF
	};
	cairn_gc_register(&t);
}
static void breaks_a_field(void)
{
	place p = exact_open(CAIRN_GC_MARKSWEEP, NULL);
	static node_ref top;
	cairn_gc_root_add(p.h, &top);
	cairn_gc_root_set(p.m, &top, cairn_gc_new(p.m, node));
	cairn_gc_root_get(p.m, &top)->right.cairn_gc_word = 4;
	ends(cairn_gc_verify(p.m, stderr) == 1);
}

static const struct {
	void (*call)(void);
	bool aborts;
	const char *line; /* a part of it */
} ways[] = {
	{ opens_with_a_large_max, false, "compressed references reach over 32 GiB" },
	{ attaches_to_addresses, true, "is compiled with CAIRN_GC_COMPRESSED, and what opened the heap was not" },
	{ attaches_addresses, true, "the heap's references are compressed" },
	{ makes_what_is_compressed, true, "type node has compressed references, those of heap \"heap\" are not" },
	{ makes_what_is_not, true, "type wide has references of 8 bytes, those of heap \"heap\" are compressed" },
	{ keeps_the_stride, true, ".tail_stride = sizeof(cairn_gc_slot)" },
	{ breaks_a_field, false, "+12 -> " },
	{ opens_under_a_limit, false, "ulimit -v" },
};
enum { WAYS = sizeof ways / sizeof *ways - !CAN_LIMIT };

static void starts_itself(void *arg)
{
	const int *way = arg;
	char number[16];
	snprintf(number, sizeof number, "%d", way[1]);
	dup2(way[0], 2);
	execl("/proc/self/exe", "compressed", number, NULL);
}

static void what_does_not_fit_is_refused_by_name(void)
{
	if (is_emulated())
		SKIP("no program can execute itself under an emulator");
	for (int i = 0; i < WAYS; i++) {
		int to[2];
		char said[4096];
		REQUIRE(pipe(to) == 0);
		int status = child_status(starts_itself, (int[]){ to[1], i });
		close(to[1]);
		ssize_t n = read(to[0], said, sizeof said - 1);
		said[n > 0 ? n : 0] = 0;
		close(to[0]);
		bool is_right = ways[i].aborts ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : status == 0;
		if (!is_right || !strstr(said, ways[i].line))
			NOTE("wanted \"%s\", status %d, said: %s", ways[i].line, status, said);
		EXPECT(is_right && strstr(said, ways[i].line));
	}
}

int main(int count, char **words)
{
	if (count > 1) {
		ways[strtoul(words[1], NULL, 10)].call();
		return 2; /* nothing was refused */
	}
	RUN(the_first_object_lies_behind_the_windows_first_record);
	RUN(objects_reach_to_the_windows_last_bytes);
	RUN(heaps_of_both_kinds_live_beside_each_other);
	RUN(references_take_4_bytes_and_objects_what_is_left);
	RUN(every_way_to_a_field_says_the_same);
	RUN(a_field_that_was_cut_off_and_came_back_is_empty_and_was_not_stored);
	RUN(a_weak_field_of_4_bytes_is_cleared_alone);
	RUN(words_of_a_conservative_object_keep_and_pin);
	RUN(elements_of_8_bytes_may_hold_one_reference);
	RUN(a_slot_that_no_bitmap_names_is_found);
	RUN(what_does_not_fit_is_refused_by_name);
	DONE();
}
