/* References that nobody declared: each kind of place has one planted, and must be told with what would declare it. */
#include "cairn/gc.h"
#include "cairn/malloc.h"
#include "gc/verify.h"
#include "lens/variables.h"
#include "support/child.h"

#include <pthread.h>
#include <sys/mman.h>

typedef struct node {
	uint64_t key;
	cairn_ref(struct node) left, right;
} node;
CAIRN_GC_TYPE(node, .refs = CAIRN_GC_REFS(node, left, right));

typedef struct forgetful { /* `next` is missing in its description */
	uint64_t key;
	struct forgetful *next;
	cairn_ref(node) to;
} forgetful;
CAIRN_GC_TYPE(forgetful, .refs = CAIRN_GC_REFS(forgetful, to));

typedef struct tailless { /* so is its trailing array */
	uint64_t key;
	struct {
		uint64_t number;
		node *to;
	} row[];
} tailless;
CAIRN_GC_TYPE(tailless, .tail_offset = 8, .tail_stride = 16);

typedef struct half { /* its trace function tells of the first only */
	cairn_ref(node) first;
	node *second;
} half;
static void half_trace(cairn_gc_visitor *v, void *object) { cairn_gc_visit(v, &((half *)object)->first); }
CAIRN_GC_TYPE(half, .trace = half_trace);

static cairn_ref(void) root;
static node *volatile undeclared_top;      /* what the search must find */
static node *volatile undeclared_table[4]; /* likewise, and with an offset */
static char *volatile undeclared_inside;
static cairn_gc_heap *heap;
static cairn_gc_mutator *mutator;
static char said[32768];

static void begin(void)
{
	heap = cairn_gc_open(&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .exact_roots = true });
	mutator = cairn_gc_attach(heap);
	root.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &root);
}

static void end(void)
{
	root.cairn_gc_word = 0;
	undeclared_top = NULL;
	undeclared_inside = NULL;
	undeclared_table[2] = NULL;
	cairn_gc_root_remove(heap, &root);
	cairn_gc_close(heap);
}

static size_t find(void)
{
	memset(said, 0, sizeof said);
	FILE *to = fmemopen(said, sizeof said - 1, "w");
	size_t found = cairn_gc_find_undeclared(mutator, to);
	fclose(to);
	return found;
}

static bool has_line(const char *a, const char *b)
{
	for (const char *line = said; *line;) {
		const char *stop = strchr(line, '\n'), *at_a = strstr(line, a), *at_b = at_a ? strstr(at_a, b) : NULL;
		if (!stop)
			break;
		if (at_b && at_b < stop)
			return true;
		line = stop + 1;
	}
	return false;
}

static bool says(const char *a, const char *b)
{
	if (has_line(a, b))
		return true;
	NOTE("not said: %s ... %s", a, b);
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n"))
		NOTE("said: %s", line);
	return false;
}

/* Where it should not be. */
static bool is_said(const char *a, const char *b)
{
	if (has_line(a, b))
		NOTE("said: %s ... %s: %.200s", a, b, strstr(said, a));
	return has_line(a, b);
}

static const char *text(const char *format, ...)
{
	static char texts[4][256];
	static unsigned which;
	va_list args;
	which = (which + 1) % 4;
	va_start(args, format);
	vsnprintf(texts[which], sizeof texts[which], format, args);
	va_end(args);
	return texts[which];
}

static unsigned long as_number(const void *p) { return (unsigned long)p; }

static node *new_node(void) { return cairn_gc_new(mutator, node); }

/* ---- Static data ---- */

static void a_static_variable_is_told_by_name(void)
{
	begin();
	undeclared_top = new_node();
	EXPECT(find() >= 1);
	EXPECT(says("static variable `undeclared_top` (", text(") holds the address of node %#lx, which nothing else "
							       "keeps: cairn_gc_root_add(h, &undeclared_top),"
							       " declared as cairn_ref(node)",
								  as_number(undeclared_top))));
	cairn_gc_root_set(mutator, &root, undeclared_top);
	find();
	EXPECT(says("static variable `undeclared_top` (",
		text(" holds the address of node %#lx: ", as_number(undeclared_top))));
	end();
}

static void a_static_array_is_told_with_the_offset(void)
{
	begin();
	undeclared_table[2] = new_node();
	find();
	EXPECT(says("static variable `undeclared_table`+16 (",
		text("cairn_gc_range_add(h, (void *)%#lx, 8)", (unsigned long)&undeclared_table[2])));
	end();
}

static void a_static_pointer_into_an_object_is_told(void)
{
	begin();
	undeclared_inside = (char *)cairn_gc_new_bytes(mutator, 100) + 70;
	find();
	EXPECT(says("static variable `undeclared_inside` (", " points 70 bytes into bytes "));
	end();
}

static void what_is_declared_is_not_told(void)
{
	static node *volatile ranged;
	begin();
	node *n = new_node();
	cairn_gc_root_set(mutator, &root, n);
	ranged = n;
	EXPECT(cairn_gc_range_add(heap, (void *)&ranged, sizeof ranged));
	cairn_gc_handle *h = cairn_gc_handle_new(mutator, n);
	EXPECT(h);
	find();
	EXPECT(!is_said("static variable", text("%#lx", as_number(n))));
	EXPECT(!is_said("mapping at", text("%#lx", as_number(n))));
	cairn_gc_handle_free(heap, h);
	cairn_gc_range_remove(heap, (void *)&ranged);
	ranged = NULL;
	end();
}

static void names_come_from_the_file(void)
{
	char name[32];
	size_t offset;
	EXPECT(!cairn_variable_at("/nowhere", 1, name, sizeof name, &offset));
	EXPECT(!cairn_variable_at("/proc/self/maps", 1, name, sizeof name, &offset));
	EXPECT(!cairn_variable_at("/proc/self/exe", 1, name, sizeof name, &offset));
}

/* ---- malloc's blocks ---- */

static void a_malloc_block_is_told(void)
{
	begin();
	void **block = cairn_malloc(64);
	void **large = cairn_malloc(3 << 20);
	memset(block, 0, 64);
	memset(large, 0, 3 << 20);
	node *n[2] = { new_node(), new_node() };
	block[2] = n[0];
	large[300000] = n[1];
	find();
	EXPECT(says(text("malloc block of 64 bytes at %#lx +16", as_number(block)),
		text("node %#lx, which nothing else keeps: cairn_gc_range_add(h, (void *)%#lx, 64), or a handle",
			as_number(n[0]), as_number(block))));
	find();
	EXPECT(says(text("bytes at %#lx +2400000", as_number(large)), text("node %#lx", as_number(n[1]))));
	cairn_gc_range_add(heap, block, 64);
	find();
	EXPECT(!is_said("malloc block of 64", text("%#lx", as_number(n[0]))));
	cairn_gc_range_remove(heap, block);
	block[2] = large[300000] = NULL;
	cairn_free(block);
	cairn_free(large);
	end();
}

/* ---- Other memory ---- */

static void a_mapping_is_told_where_it_is_the_last_holder(void)
{
	begin();
	void **mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	node *n = new_node();
	mapped[70000] = n;
	find();
	EXPECT(says(
		"mapping at 0x", text("holds the address of node %#lx, which nothing else keeps: cairn_gc_range_add("
				      "h, (void *)%#lx, 8), or a handle",
					 as_number(n), as_number(&mapped[70000]))));
	cairn_gc_root_set(mutator, &root, n);
	find();
	EXPECT(!is_said("mapping at", text("%#lx", as_number(n))));
	munmap(mapped, 1 << 20);
	end();
}

static __thread node *volatile of_a_thread;
static pthread_barrier_t barrier;

static void *hold(void *arg)
{
	of_a_thread = arg;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	of_a_thread = NULL;
	return NULL;
}

static void a_thread_that_is_not_attached_is_told(void)
{
	pthread_t thread;
	begin();
	pthread_barrier_init(&barrier, NULL, 2);
	node *n = new_node();
	REQUIRE(pthread_create(&thread, NULL, hold, n) == 0);
	pthread_barrier_wait(&barrier);
	find();
	const char *end_of_line =
		is_emulated() ? "" : ": cairn_gc_attach(h) in that thread"; /* no robust lists there */
	EXPECT(says(is_emulated() ? "mapping at" : "stack or thread-local data of a thread that is not attached",
		text("node %#lx, which nothing else keeps%s", as_number(n), end_of_line)));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	end();
}

/* ---- Fields ---- */

static void a_field_that_its_type_does_not_name_is_told(void)
{
	begin();
	for (unsigned i = 0; i < 17; i++) {
		forgetful *f = cairn_gc_new(mutator, forgetful);
		f->next = cairn_gc_new(mutator, forgetful);
		cairn_gc_set(mutator, f, to, new_node());
	}
	tailless *t = NULL;
	for (unsigned i = 0; i < 3; i++) {
		t = cairn_gc_new_array(mutator, tailless, 4);
		t->row[2].to = t->row[3].to = new_node();
	}
	for (unsigned i = 0; i < 4; i++) {
		half *h = cairn_gc_new(mutator, half);
		cairn_gc_set(mutator, h, first, new_node());
		h->second = new_node();
	}
	EXPECT(find() >= 3);
	EXPECT(says(
		"type forgetful: the word at 8 looks like a reference that .refs does not name (17 of 34 objects): ",
		"CAIRN_GC_REFS(forgetful, "));
	find();
	EXPECT(says(
		"type tailless: the trailing array's word at 16 looks like a reference that .tail_refs does not name"
		" (3 of 3 objects)",
		".tail_refs"));
	find();
	EXPECT(says("type half: the word at 8 ", "(4 of 4 objects)"));
	EXPECT(!is_said("type half: the word at 0", ""));
	end();
}

static void what_chance_explains_is_not_told(void)
{
	begin();
	for (unsigned i = 0; i < 1000; i++) {
		forgetful *f = cairn_gc_new(mutator, forgetful);
		if (i % 20 == 0)
			f->next = f; /* 5 in 100 */
	}
	for (unsigned i = 0; i < 2; i++)
		*(void **)cairn_gc_new_bytes(mutator, 100) = new_node(); /* two */
	find();
	EXPECT(!is_said("type ", " looks like"));
	EXPECT(!is_said("type ", " look like"));
	for (unsigned i = 0; i < 3; i++)
		((void **)cairn_gc_new_bytes(mutator, 100))[i] = new_node();
	find();
	EXPECT(says("type bytes: words in them look like references (5 of 5 objects)", "CAIRN_GC_TYPE"));
	end();
}

int main(void)
{
	RUN(a_static_variable_is_told_by_name);
	RUN(a_static_array_is_told_with_the_offset);
	RUN(a_static_pointer_into_an_object_is_told);
	RUN(what_is_declared_is_not_told);
	RUN(names_come_from_the_file);
	if (!IS_SANITIZED)
		RUN(a_malloc_block_is_told);
	RUN(a_mapping_is_told_where_it_is_the_last_holder);
	RUN(a_thread_that_is_not_attached_is_told);
	RUN(a_field_that_its_type_does_not_name_is_told);
	RUN(what_chance_explains_is_not_told);
	DONE();
}
