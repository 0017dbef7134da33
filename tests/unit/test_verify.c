/* The verifier: each kind of damage is planted, and must be told by the line that says it; what is sound is not. */
#include "gc/verify.h"
#include "os/report.h"
#include "support/child.h"
#include "support/gcnodes.h"

typedef struct rows { /* elements of a number and a reference */
	uint64_t key;
	struct {
		uint64_t number;
		cairn_ref(node) to;
	} row[];
} rows;
CAIRN_GC_TYPE(rows, .tail_offset = 8, .tail_stride = 16, .tail_refs = 2);

typedef struct watcher {
	cairn_ref(node) seen;
} watcher;
CAIRN_GC_TYPE(watcher, .weak = CAIRN_GC_REFS(watcher, seen));

typedef struct either { /* a reference where is_node is set: no bitmap can say it */
	uint64_t is_node;
	cairn_ref(node) to;
} either;
static void either_trace(cairn_gc_visitor *v, void *object)
{
	either *e = object;
	if (e->is_node)
		cairn_gc_visit(v, &e->to);
}
CAIRN_GC_TYPE(either, .trace = either_trace);

static void dropped_drop(void *object) { (void)object; }
typedef struct dropped {
	uint64_t key;
} dropped;
CAIRN_GC_DROP_TYPE(dropped, dropped_drop);

typedef struct loose {
	uintptr_t words[4];
} loose;
CAIRN_GC_TYPE(loose, .flags = CAIRN_GC_CONSERVATIVE);

static char said[16384];
static size_t least; /* bytes that the heap may grow to without a collection */

static void begin_with(cairn_gc_collector c)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = c, .exact_roots = true, .name = "mine", .min = least });
	mutator = cairn_gc_attach(heap);
	root.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &root);
}
static void begin(void) { begin_with(CAIRN_GC_MARKSWEEP); }

static void end(void)
{
	root.cairn_gc_word = 0;
	cairn_gc_root_remove(heap, &root);
	cairn_gc_close(heap);
}

static size_t verify(void)
{
	memset(said, 0, sizeof said);
	FILE *to = fmemopen(said, sizeof said - 1, "w");
	size_t found = cairn_gc_verify(mutator, to);
	fclose(to);
	return found;
}

/* Was a line said that holds all three, in this order? */
static bool says(const char *a, const char *b, const char *c)
{
	for (const char *line = said; *line; line = strchr(line, '\n') + 1) {
		const char *at_a = strstr(line, a), *at_b = at_a ? strstr(at_a + strlen(a), b) : NULL;
		const char *at_c = at_b ? strstr(at_b + strlen(b), c) : NULL;
		const char *stop = strchr(line, '\n');
		if (at_c && stop && at_c <= stop)
			return true;
		if (!stop)
			break;
	}
	NOTE("not said: %s ... %s ... %s", a, b, c);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		NOTE("said: %s", line);
	return false;
}

static const char *hex(const void *p)
{
	static char text[4][24];
	static unsigned which;
	which = (which + 1) % 4;
	snprintf(text[which], sizeof text[which], "%#lx", (unsigned long)p);
	return text[which];
}

static const char *with(const char *before, const void *p, const char *behind)
{
	static char text[4][96];
	static unsigned which;
	which = (which + 1) % 4;
	snprintf(text[which], sizeof text[which], "%s%#lx%s", before, (unsigned long)p, behind);
	return text[which];
}

static node *new_node(uint64_t key)
{
	node *n = cairn_gc_new(mutator, node);
	n->key = key;
	return n;
}

/* vec -> [3] -> node -> left -> node; returned is the first node. */
static node *build(void)
{
	vec *v = cairn_gc_new_array(mutator, vec, 5);
	cairn_gc_root_set(mutator, &root, v);
	node *n = new_node(1);
	v = cairn_gc_root_get(mutator, &root);
	cairn_gc_store_(mutator, v, &v->item[3].cairn_gc_word, n);
	node *l = new_node(2);
	v = cairn_gc_root_get(mutator, &root);
	n = cairn_gc_get(mutator, v, item[3]);
	cairn_gc_set(mutator, n, left, l);
	return n;
}

/* ---- Sound heaps ---- */

static void a_sound_heap_has_no_findings(void)
{
	const cairn_gc_collector all[] = { CAIRN_GC_NONE, CAIRN_GC_MARKSWEEP, CAIRN_GC_SEMISPACE,
		CAIRN_GC_MARKCOMPACT };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (!cairn_gc_plan_of(all[i]) || !cairn_gc_plan_of(all[i])->name)
			continue;
		begin_with(all[i]);
		build();
		EXPECT_EQ(verify(), 0);
		for (unsigned n = 0; n < 20000; n++) {
			new_node(n);
			if (n % 1000 == 0)
				cairn_gc_new_bytes(mutator, 40000 + 100 * n);
		}
		EXPECT_EQ(verify(), 0);
		cairn_gc_collect(mutator);
		EXPECT_EQ(verify(), 0);
		build();
		cairn_gc_collect(mutator);
		EXPECT_EQ(verify(), 0);
		end();
	}
}

static void fields_of_every_kind_are_followed(void)
{
	begin();
	vec *v = cairn_gc_new_array(mutator, vec, 3);
	cairn_gc_root_set(mutator, &root, v);
	either *e = cairn_gc_new(mutator, either);
	cairn_gc_store_(mutator, v, &v->item[0].cairn_gc_word, e);
	e->is_node = 1;
	loose *l = cairn_gc_new(mutator, loose);
	cairn_gc_store_(mutator, v, &v->item[1].cairn_gc_word, l);
	rows *r = cairn_gc_new_array(mutator, rows, 3);
	cairn_gc_store_(mutator, v, &v->item[2].cairn_gc_word, r);
	node *n[3] = { new_node(0), new_node(1), new_node(2) };
	cairn_gc_set(mutator, e, to, n[0]);
	l->words[3] = (uintptr_t)n[1] + sizeof(node); /* to its end */
	cairn_gc_store_(mutator, r, &r->row[2].to.cairn_gc_word, n[2]);
	for (unsigned i = 0; i < 3; i++)
		n[i]->right.cairn_gc_word = (uintptr_t)&root; /* damage that is seen where the node is reached */
	EXPECT_EQ(verify(), 3);
	EXPECT(says("path: ", with(" -> either ", e, " +8"), with(" -> node ", n[0], "")));
	verify();
	EXPECT(says("path: ", with(" -> loose ", l, " +24"), with(" -> node ", n[1], "")));
	verify();
	EXPECT(says("path: ", with(" -> rows ", r, " [2]+8"), with(" -> node ", n[2], "")));
	end();
}

static void what_was_listed_and_freed_is_not_told(void)
{
	begin();
	for (unsigned i = 0; i < 20; i++) {
		dropped *d = cairn_gc_new(mutator, dropped);
		new_node(i);
		if (i % 2)
			cairn_gc_free(mutator, d);
	}
	EXPECT_EQ(verify(), 0);
	cairn_gc_collect(mutator);
	EXPECT_EQ(verify(), 0);
	end();
}

static void what_is_not_reachable_is_not_told(void)
{
	begin();
	node *n = build();
	n->left.cairn_gc_word = 0x1230;
	cairn_gc_root_set(mutator, &root, NULL);
	EXPECT_EQ(verify(), 0);
	end();
}

/* ---- Broken edges ---- */

static void an_edge_to_a_freed_object_is_told_with_the_path_to_it(void)
{
	begin();
	node *n = build();
	vec *v = cairn_gc_root_get(mutator, &root);
	node *l = cairn_gc_get(mutator, n, left);
	new_node(3); /* so that it is not the newest */
	cairn_gc_free(mutator, l);
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("heap verify: node ", n, " +8 -> "), hex(l), ": not an object (freed by cairn_gc_free)"));
	verify();
	EXPECT(says("heap verify: path: ", with(" -> vec ", v, " [3]"), with(" -> node ", n, "")));
	end();
}

static void an_edge_to_a_dead_object_is_told(void)
{
	begin();
	node *n = build();
	node *dead = new_node(9);
	new_node(10);
	cairn_gc_collect(mutator);
	n->right.cairn_gc_word = (uintptr_t)dead;
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("node ", n, " +16 -> "), hex(dead), ": not an object (dead"));
	end();
}

static void an_edge_into_an_object_is_told(void)
{
	begin();
	node *n = build();
	n->left.cairn_gc_word += 8;
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("node ", n, " +8 -> "), ": not an object (inside node ", ")"));
	char *large = cairn_gc_new_bytes(mutator, 3 << 20);
	n->left.cairn_gc_word = (uintptr_t)large + (5 << 19);
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("node ", n, " +8 -> "), ": not an object (inside bytes ", hex(large)));
	end();
}

static void an_edge_out_of_the_heap_is_told(void)
{
	begin();
	node *n = build();
	n->left.cairn_gc_word = (uintptr_t)&root;
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("node ", n, " +8 -> "), hex(&root), ": not an object (of no managed heap)"));
	cairn_gc_heap *other = cairn_gc_open(
		&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .name = "other", .exact_roots = true });
	cairn_gc_mutator *m = cairn_gc_attach(other);
	n->left.cairn_gc_word = (uintptr_t)cairn_gc_new(m, node);
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("node ", n, " +8 -> "), ": not an object (of the heap ", "other)"));
	cairn_gc_close(other);
	end();
}

static void a_broken_weak_field_is_told(void)
{
	begin();
	watcher *w = cairn_gc_new(mutator, watcher);
	cairn_gc_root_set(mutator, &root, w);
	node *n = new_node(1);
	cairn_gc_set(mutator, w, seen, n);
	EXPECT_EQ(verify(), 0);
	w->seen.cairn_gc_word = (uintptr_t)n + 8;
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("watcher ", w, " +0 (weak) -> "), "inside node ", hex(n)));
	end();
}

static void a_broken_root_is_told(void)
{
	begin();
	node *n = build();
	root.cairn_gc_word = (uintptr_t)n + 16;
	EXPECT_EQ(verify(), 1);
	EXPECT(says("heap verify: ", " -> ", ": not an object (inside node "));
	end();
}

static void the_path_down_a_deep_list_is_cut_in_the_middle(void)
{
	begin();
	node *n = build();
	for (unsigned i = 0; i < 100000; i++) {
		node *next = new_node(i);
		cairn_gc_set(mutator, n, left, next);
		n = next;
	}
	n->right.cairn_gc_word = 8;
	EXPECT_EQ(verify(), 1);
	EXPECT(says("path: ", " -> 99996 more -> node ", with(" -> node ", n, "")));
	end();
}

/* The block of a dead object is swept when somebody wants room in it; until then its bytes say that it lived. */
static void a_stale_word_that_points_at_the_dead_is_no_finding(void)
{
	static uintptr_t stale[2];
	begin();
	cairn_gc_range_add(heap, stale, sizeof stale);
	node *n = build(), *dead = new_node(9);
	cairn_gc_set(mutator, n, right, dead);
	cairn_gc_collect(mutator);
	cairn_gc_set(mutator, n, right, NULL);
	cairn_gc_collect(mutator);
	stale[0] = (uintptr_t)dead;
	EXPECT_EQ(verify(), 0);
	node *freed = new_node(3);
	new_node(4);
	cairn_gc_free(mutator, freed);
	stale[1] = (uintptr_t)freed + 8;
	EXPECT_EQ(verify(), 0);
	cairn_gc_range_remove(heap, stale);
	end();
}

static void a_path_begins_with_the_name_of_its_root(void)
{
	static node *ranged;
	begin();
	node *n = new_node(1);
	n->left.cairn_gc_word = 8; /* damage, to be told the path to */
	cairn_gc_handle *h = cairn_gc_handle_new(mutator, n);
	EXPECT_EQ(verify(), 1);
	EXPECT(says("heap verify: path: handle 0x", with(" -> node ", n, ""), ""));
	cairn_gc_handle_free(heap, h);
	EXPECT_EQ(verify(), 0);
	cairn_gc_pin(mutator, n);
	EXPECT_EQ(verify(), 1);
	EXPECT(says("heap verify: path: a pin", with(" -> node ", n, ""), ""));
	cairn_gc_unpin(mutator, n);
	ranged = n;
	cairn_gc_range_add(heap, &ranged, sizeof ranged);
	EXPECT_EQ(verify(), 1);
	EXPECT(says(with("heap verify: path: range ", &ranged, ""), with(" -> node ", n, ""), ""));
	cairn_gc_range_remove(heap, &ranged);
	end();
}

static void a_path_from_a_stack_names_the_thread(void)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP });
	mutator = cairn_gc_attach(heap);
	node *volatile n = new_node(1);
	n->left.cairn_gc_word = 8;
	EXPECT_EQ(verify(), 1);
	char thread[64];
	snprintf(thread, sizeof thread, "thread %d", (int)getpid());
	EXPECT(says("heap verify: path: ", thread, with(" -> node ", n, "")));
	n = NULL;
	cairn_gc_close(heap);
}

/* ---- Broken cells ---- */

static void a_header_that_cannot_be_is_told(void)
{
	const struct {
		uint64_t header;
		const char *line;
	} bad[] = {
		{ (uint64_t)sizeof(node) << CAIRN_GC_SIZE_SHIFT | 0xfffff00 | 1, "its header names no type" },
		{ (uint64_t)1 << 40 | 0x101, "leads out of its place" },
		{ node_cairn_gc_type.header | 0x40, "bits that mean nothing" },
		{ (node_cairn_gc_type.header & 0xfffffff) | (uint64_t)8 << CAIRN_GC_SIZE_SHIFT,
			"is less than its type's" },
		{ 0x7f0000001230, "it has moved, and no collection is at work" },
	};
	begin();
	node *n = build();
	node *l = cairn_gc_get(mutator, n, left);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t was = *cairn_gc_header_at(l);
		*cairn_gc_header_at(l) = bad[i].header;
		EXPECT(verify() >= 1);
		EXPECT(says("heap verify: the object at ", hex(l), bad[i].line));
		*cairn_gc_header_at(l) = was;
	}
	EXPECT_EQ(verify(), 0);
	end();
}

/* Validators of debug builds abort before the verifier has its say. */
static void bytes_about_grains_that_contradict_a_header_are_told(void)
{
	begin();
	node *n = build();
	cairn_gc_collect(mutator);
	uint8_t *last = cairn_gc_byte_of(n) + cairn_gc_header_cell(cairn_gc_header_of(n)) / CAIRN_GC_GRAIN - 1;
	*last &= (uint8_t)~CAIRN_GC_END;
	EXPECT(verify() >= 1);
	EXPECT(says("heap verify: the object at ", hex(n), "does not say END"));
	*last |= CAIRN_GC_END;
	*cairn_gc_byte_of(n) |= CAIRN_GC_END;
	EXPECT(verify() >= 1);
	EXPECT(says("heap verify: the object at ", hex(n), "that it ends, or another begins, within it"));
	*cairn_gc_byte_of(n) &= (uint8_t)~CAIRN_GC_END;
	EXPECT_EQ(verify(), 0);
	end();
}

/* ---- After a collection ---- */

static int report_pipe[2];

static void report_to_pipe(void)
{
	dup2(report_pipe[1], 2);
	cairn_report_init();
}

static void call_verify_stopped(cairn_gc_heap *h, void *arg) { cairn_gc_verify_stopped(h, *(bool *)arg); }

static void verify_as_after_a_collection(void *arg)
{
	bool is_after = true;
	(void)arg;
	report_to_pipe();
	begin();
	build();
	cairn_gc_in_a_stop(mutator, call_verify_stopped, &is_after);
}

static void verify_as_before_one(void *arg)
{
	bool is_after = false;
	(void)arg;
	report_to_pipe();
	begin();
	build();
	cairn_gc_in_a_stop(mutator, call_verify_stopped, &is_after);
	root.cairn_gc_word += 8;
	cairn_gc_in_a_stop(mutator, call_verify_stopped, &is_after);
}

static void read_what_was_said(void)
{
	memset(said, 0, sizeof said);
	close(report_pipe[1]);
	for (size_t n = 0; n < sizeof said - 1;) {
		ssize_t got = read(report_pipe[0], said + n, sizeof said - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(report_pipe[0]);
}

static void what_a_collection_has_not_marked_aborts_under_zeal(void)
{
	REQUIRE(pipe(report_pipe) == 0);
	int status = child_status(verify_as_after_a_collection, NULL);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	read_what_was_said();
	EXPECT(says("cairn: heap verify: node ", ": reachable, and the collection has not marked it", ""));
	REQUIRE(pipe(report_pipe) == 0);
	status = child_status(verify_as_before_one, NULL);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	read_what_was_said();
	EXPECT(says("cairn: heap verify: before collection ", "0", ": aborted"));
}

/* ---- Looking ---- */

static void count_nodes(void *object, void *arg)
{
	if (!strcmp(cairn_gc_type_name(object), "node"))
		++*(size_t *)arg;
}

static void each_object_is_visited_once_and_is_one(void)
{
	size_t nodes = 0;
	begin();
	node *n = build();
	for (unsigned i = 0; i < 5000; i++)
		new_node(i);
	node *freed = new_node(1);
	new_node(2);
	cairn_gc_free(mutator, freed);
	cairn_gc_each(mutator, count_nodes, &nodes);
	EXPECT_EQ(nodes, 5003);
	EXPECT(cairn_gc_is_object(mutator, n));
	EXPECT(!cairn_gc_is_object(mutator, freed));
	EXPECT(!cairn_gc_is_object(mutator, (char *)n + 8));
	EXPECT(!cairn_gc_is_object(mutator, (char *)n + 16));
	EXPECT(!cairn_gc_is_object(mutator, &nodes));
	EXPECT(!cairn_gc_is_object(mutator, NULL));
	EXPECT(!cairn_gc_is_object(mutator, cairn_gc_slab_of(n)));
	void *large = cairn_gc_new_bytes(mutator, 5 << 20);
	EXPECT(cairn_gc_is_object(mutator, large));
	EXPECT(!cairn_gc_is_object(mutator, (char *)large + (4 << 20)));
	end();
}

/* The survey against a table of what was allocated: at starts, inside, at ends, between. */
static void a_word_is_found_to_lie_in_its_object(void)
{
	enum { COUNT = 400 };
	static char *objects[COUNT];
	cairn_gc_findings f;
	cairn_gc_survey s;
	least = (size_t)256 << 20;
	begin();
	least = 0;
	uint64_t random = test_seed();
	for (unsigned i = 0; i < COUNT; i++)
		objects[i] = cairn_gc_new_bytes(mutator, test_random(&random) % (i % 50 ? 2000 : 3 << 20));
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	REQUIRE(cairn_gc_findings_begin(&f) && cairn_gc_survey_begin(&s, heap, &f));
	EXPECT_EQ(s.objects, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		uintptr_t p = (uintptr_t)objects[i];
		size_t size = cairn_gc_size(objects[i]);
		EXPECT(cairn_gc_survey_is_start(&s, p));
		EXPECT(!size || !cairn_gc_survey_is_start(&s, p + 8)); /* behind one of no bytes the next begins */
		EXPECT(cairn_gc_survey_at(&s, p, false) == objects[i]);
		EXPECT(cairn_gc_survey_at(&s, p, true) == objects[i]);
		for (unsigned k = 0; size && k < 8; k++)
			EXPECT(cairn_gc_survey_at(&s, p + test_random(&random) % size, k & 1) == objects[i]);
		EXPECT(cairn_gc_survey_at(&s, p + size, true) == objects[i]);
		EXPECT(!size || cairn_gc_survey_at(&s, p + size, false) != objects[i]);
		EXPECT(cairn_gc_survey_at(&s, p - 8, false) != objects[i]);
	}
	cairn_gc_survey_reach(&s);
	EXPECT(cairn_gc_survey_validate(&s));
	cairn_gc_survey_end(&s);
	cairn_gc_findings_end(&f);
	end();
}

int main(void)
{
	RUN(a_sound_heap_has_no_findings);
	RUN(fields_of_every_kind_are_followed);
	RUN(what_was_listed_and_freed_is_not_told);
	RUN(what_is_not_reachable_is_not_told);
	RUN(an_edge_to_a_freed_object_is_told_with_the_path_to_it);
	RUN(an_edge_to_a_dead_object_is_told);
	RUN(an_edge_into_an_object_is_told);
	RUN(an_edge_out_of_the_heap_is_told);
	RUN(a_broken_weak_field_is_told);
	RUN(a_broken_root_is_told);
	RUN(the_path_down_a_deep_list_is_cut_in_the_middle);
	RUN(a_stale_word_that_points_at_the_dead_is_no_finding);
	RUN(a_path_begins_with_the_name_of_its_root);
	RUN(a_path_from_a_stack_names_the_thread);
	RUN(a_header_that_cannot_be_is_told);
	if (!CAIRN_DEBUG)
		RUN(bytes_about_grains_that_contradict_a_header_are_told);
	RUN(what_a_collection_has_not_marked_aborts_under_zeal);
	RUN(each_object_is_visited_once_and_is_one);
	RUN(a_word_is_found_to_lie_in_its_object);
	DONE();
}
