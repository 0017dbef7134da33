/* What malloc says of itself, compared with what this program did: cairn/stats.h, mallinfo2 and its kin. */
#include "cairn/gc.h"
#include "cairn/malloc.h"
#include "cairn/stats.h"
#include "malloc/sizeclass.h"
#include "malloc/threads.h"
#include "os/report.h"
#include "support/child.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

static cairn_counters before, now;
static void *blocks[4000];

static void look(cairn_counters *n) { EXPECT(cairn_counters_get(n)); }

static void the_sums_are_those_of_the_classes(void)
{
	uint64_t allocations = 0, frees = 0, live = 0, bytes = 0, cached = 0;
	look(&now);
	EXPECT_EQ(now.class_count, CAIRN_CLASS_COUNT);
	for (unsigned i = 0; i < now.class_count; i++) {
		const cairn_counters_class *k = &now.classes[i];
		EXPECT_EQ(k->size_bytes, cairn_classes[i].bytes);
		EXPECT_EQ(k->frees, k->allocations - k->live_blocks);
		allocations += k->allocations;
		frees += k->frees;
		live += k->live_blocks;
		bytes += k->live_blocks * k->size_bytes;
		cached += k->cached_blocks * k->size_bytes;
	}
	EXPECT_EQ(now.allocations, allocations);
	EXPECT_EQ(now.frees, frees);
	EXPECT_EQ(now.live_blocks, live);
	EXPECT_EQ(now.live_bytes, bytes + now.large_bytes);
	EXPECT_EQ(now.cached_bytes, cached);
	EXPECT_EQ(now.classes[0].live_blocks, now.large_blocks);
	EXPECT(now.used_bytes >= now.live_bytes + now.cached_bytes + now.free_bytes + now.kept_bytes);
	EXPECT(now.open_bytes >= now.used_bytes + now.dirty_bytes && now.meta_bytes);
}

static void every_allocation_and_free_is_counted_at_once(void)
{
	uint64_t bytes = 0;
	look(&before);
	for (size_t i = 0; i < 4000; i++) {
		blocks[i] = cairn_malloc(i * 25);
		bytes += cairn_malloc_usable_size(blocks[i]);
		if (i % 100 == 99) {
			look(&now);
			EXPECT_EQ(now.allocations - before.allocations, i + 1);
			EXPECT_EQ(now.live_blocks - before.live_blocks, i + 1);
			EXPECT_EQ(now.live_bytes - before.live_bytes, bytes);
		}
	}
	for (size_t i = 0; i < 4000; i++) {
		cairn_free(blocks[i]);
		if (i % 100 == 99) {
			look(&now);
			EXPECT_EQ(now.frees - before.frees, i + 1);
			EXPECT_EQ(now.live_blocks - before.live_blocks, 4000 - 1 - i);
		}
	}
	EXPECT_EQ(now.live_bytes, before.live_bytes);
	EXPECT_EQ(now.large_bytes, before.large_bytes);
}

static void a_block_is_live_or_cached_or_free(void)
{
	enum { BYTES = 208 };
	unsigned c = cairn_class_of(BYTES);
	void *p = cairn_malloc(BYTES);
	look(&before);
	cairn_free(p);
	look(&now);
	EXPECT_EQ(now.classes[c].live_blocks, before.classes[c].live_blocks - 1);
	EXPECT_EQ(now.classes[c].cached_blocks, before.classes[c].cached_blocks + 1);
	cairn_malloc_trim(0);
	look(&now);
	EXPECT_EQ(now.classes[c].cached_blocks, 0);
	EXPECT_EQ(now.kept_bytes, 0);
}

/* Freed one after the other where a shelf has learnt to keep them. */
static void what_lies_on_shelves_is_told(void)
{
	enum { BYTES = 100000 };
	look(&before);
	for (int round = 0; round < 50; round++)
		cairn_free(cairn_malloc(BYTES));
	look(&now);
	EXPECT_EQ(now.allocations - before.allocations, 50);
	EXPECT_EQ(now.large_blocks, before.large_blocks);
	EXPECT(now.kept_bytes >= BYTES && now.kept_bytes < 8 * BYTES);
	cairn_malloc_trim(0);
}

static void blocks_of_heaps_are_counted_until_the_heap_goes(void)
{
	cairn_heap *h = cairn_heap_create();
	REQUIRE(h);
	look(&before);
	for (size_t i = 0; i < 300; i++)
		EXPECT(cairn_heap_alloc(h, i * 200));
	look(&now);
	EXPECT_EQ(now.live_blocks - before.live_blocks, 300);
	EXPECT_EQ(now.live_bytes - before.live_bytes, cairn_heap_live_bytes(h));
	cairn_heap_destroy(h);
	look(&now);
	EXPECT_EQ(now.frees - before.frees, 300);
	EXPECT_EQ(now.live_bytes, before.live_bytes);
}

enum { THREADS = 8, OF_EACH = 5000, KEPT_OF_EACH = 1000 };
static void *kept[THREADS][KEPT_OF_EACH];
static pthread_barrier_t barrier;

static void *allocate_and_wait(void *arg)
{
	size_t me = (size_t)arg;
	for (size_t i = 0; i < OF_EACH; i++) {
		void *p = cairn_malloc(1 + i % 3000);
		if (i < KEPT_OF_EACH)
			kept[me][i] = p;
		else
			cairn_free(p);
	}
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void what_all_threads_did_is_summed_exactly(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	void *own = cairn_malloc(1);
	look(&before);
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, allocate_and_wait, (void *)i) == 0);
	pthread_barrier_wait(&barrier);
	look(&now);
	/* libc itself makes a block or two a thread, by the interposed names. */
	uint64_t more = now.allocations - before.allocations - THREADS * OF_EACH;
	EXPECT(more <= 3 * THREADS);
	EXPECT_EQ(now.live_blocks - before.live_blocks, THREADS * KEPT_OF_EACH + more);
	EXPECT(now.cached_blocks > before.cached_blocks);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < THREADS * KEPT_OF_EACH; i++)
		cairn_free(kept[i / KEPT_OF_EACH][i % KEPT_OF_EACH]);
	look(&now);
	EXPECT(now.frees - before.frees >= THREADS * OF_EACH && now.live_blocks <= before.live_blocks + 2 * THREADS);
	cairn_free(own);
}

/* As a signal handler that struck in a slow path: no lock may be waited for. */
static void inside_malloc_nothing_is_told(void)
{
	cairn_cache *c = cairn_thread_enter();
	EXPECT(!cairn_counters_get(&now));
	EXPECT_EQ(now.allocations + now.open_bytes, 0);
	cairn_thread_leave(c);
	look(&now);
	EXPECT(now.open_bytes > 0);
}

static void fork_and_look(void *unused)
{
	(void)unused;
	look(&now);
	EXPECT_EQ(now.live_blocks, before.live_blocks);
	EXPECT_EQ(now.live_bytes, before.live_bytes);
	EXPECT_EQ(now.allocations, before.allocations);
}

static void a_child_goes_on_counting(void)
{
	for (size_t i = 0; i < 500; i++)
		blocks[i] = cairn_malloc(i * 300);
	look(&before);
	in_a_child(fork_and_look, NULL);
	for (size_t i = 0; i < 500; i++)
		cairn_free(blocks[i]);
}

#if CAIRN_INTERPOSE
static void mallinfo_tells_the_same(void)
{
	void *some[100];
	for (size_t i = 0; i < 100; i++)
		some[i] = cairn_malloc(i * 1000);
	look(&now);
	struct mallinfo2 m = mallinfo2();
	EXPECT_EQ(m.uordblks + m.hblkhd, now.live_bytes);
	EXPECT_EQ(m.hblkhd, now.large_bytes);
	EXPECT_EQ(m.hblks, now.large_blocks);
	EXPECT_EQ(m.smblks, now.cached_blocks);
	EXPECT_EQ(m.fsmblks, now.cached_bytes);
	EXPECT_EQ(m.ordblks, now.free_blocks);
	EXPECT_EQ(m.keepcost, now.dirty_bytes);
	EXPECT_EQ(m.arena, now.used_bytes + now.dirty_bytes - now.large_bytes);
	EXPECT_EQ(m.arena, m.uordblks + m.fordblks); /* as in glibc */
	EXPECT(m.fordblks >= m.fsmblks && m.usmblks == 0);
	for (size_t i = 0; i < 100; i++)
		cairn_free(some[i]);
}

/* What `tell` writes to a file, read back into text. */
static void text_of(int (*tell)(int, FILE *), char *text, size_t room)
{
	static char buffer[1 << 16];
	FILE *f = tmpfile();
	REQUIRE(f);
	setvbuf(f, buffer, _IOFBF, sizeof buffer);
	look(&now); /* after stdio's own requests */
	EXPECT_EQ(tell(0, f), 0);
	rewind(f);
	text[fread(text, 1, room - 1, f)] = 0;
	fclose(f);
}

/* The shape of an XML text: each element's name, its attributes' names, and of `type` the value; size elements, of
 * which there are as many as there are sizes, once in a row, and glibc's list of what it has not sorted not at all. */
static void shape_of(const char *xml, char *shape)
{
	const char *last = "", *element;
	while ((element = strchr(xml, '<'))) {
		char one[256] = "<";
		const char *end = strchr(element, '>');
		size_t n = strcspn(element + 1, " >");
		strncat(one, element + 1, n);
		for (const char *a = strchr(element, ' '); a && a < end; a = strchr(a + 1, ' ')) {
			strncat(one, a, strcspn(a, "="));
			if (!strncmp(a, " type", 5))
				strncat(one, a + 5, strcspn(a + 5, " />"));
		}
		xml = end + 1;
		strcat(one, end[-1] == '/' ? "/>\n" : ">\n");
		bool is_repeated = !strncmp(one, "<size ", 6) && !strncmp(last, "<size ", 6);
		if (strncmp(one, "<unsorted", 9) == 0 || is_repeated)
			continue;
		last = shape + strlen(shape);
		strcat(shape, one);
	}
}

static void malloc_info_has_the_shape_of_libcs(void)
{
	static char ours[1 << 16], theirs[1 << 16], our_shape[1 << 16], their_shape[1 << 16];
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *(*its_malloc)(size_t) = (void *(*)(size_t))dlsym(libc, "__libc_malloc");
	void (*its_free)(void *) = (void (*)(void *))dlsym(libc, "__libc_free");
	int (*its_info)(int, FILE *) = (int (*)(int, FILE *))dlsym(libc, "malloc_info");
	if (!libc || !its_info || !its_malloc || !its_free || its_info == malloc_info)
		SKIP("libc's own malloc is not here");
	void *p[100]; /* large enough not to stay in its cache */
	for (int i = 0; i < 100; i++)
		p[i] = its_malloc(2000);
	for (int i = 0; i < 100; i += 2)
		its_free(p[i]);
	its_malloc(5000); /* sorts them */
	text_of(malloc_info, ours, sizeof ours);
	text_of(its_info, theirs, sizeof theirs);
	shape_of(ours, our_shape);
	shape_of(theirs, their_shape);
	EXPECT(strstr(our_shape, "<size from to total count/>\n"));
	EXPECT(strlen(our_shape) > 400 && !strcmp(our_shape, their_shape));
	if (strcmp(our_shape, their_shape)) {
		NOTE("ours:\n%.400s", our_shape);
		NOTE("libc's:\n%.400s", their_shape);
	}
}

/* The number in an attribute of the last element that has it, after `type`. */
static uint64_t figure(const char *xml, const char *type, const char *attribute)
{
	const char *at = NULL;
	for (const char *s = xml; (s = strstr(s, type)); s++)
		at = s;
	at = at ? strstr(at, attribute) : NULL;
	return at ? strtoull(at + strlen(attribute), NULL, 10) : UINT64_MAX;
}

static void malloc_info_tells_the_same(void)
{
	static char xml[1 << 16];
	text_of(malloc_info, xml, sizeof xml);
	struct mallinfo2 m = { .arena = now.used_bytes + now.dirty_bytes - now.large_bytes };
	EXPECT_EQ(figure(xml, "\"fast\"", "count=\""), now.cached_blocks);
	EXPECT_EQ(figure(xml, "\"fast\"", "size=\""), now.cached_bytes);
	EXPECT_EQ(figure(xml, "\"rest\"", "count=\""), now.free_blocks);
	EXPECT_EQ(figure(xml, "\"rest\"", "size=\""),
		m.arena - (now.live_bytes - now.large_bytes) - now.cached_bytes);
	EXPECT_EQ(figure(xml, "\"mmap\"", "count=\""), now.large_blocks);
	EXPECT_EQ(figure(xml, "\"mmap\"", "size=\""), now.large_bytes);
	EXPECT_EQ(figure(xml, "\"current\"", "size=\""), m.arena);
	EXPECT_EQ(figure(xml, "aspace type=\"total\"", "size=\""), now.open_bytes);
	uint64_t total = 0;
	for (const char *s = xml; (s = strstr(s, "total=\"")); s++)
		total += strtoull(s + 7, NULL, 10);
	EXPECT_EQ(total, now.free_bytes + now.cached_bytes);
}

/* Is there a line of the text with these words and this figure, written as malloc_stats writes it? */
static bool has_line(const char *text, const char *what, uint64_t bytes)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: ");
	cairn_line_text(&l, what);
	cairn_line_bytes(&l, bytes);
	char line[256] = "";
	memcpy(line, l.text, l.used);
	return strstr(text, line);
}

static void malloc_stats_tells_the_same(void)
{
	char text[4096] = "";
	int ends[2], saved = dup(2);
	REQUIRE(pipe(ends) == 0 && saved >= 0);
	look(&now);
	dup2(ends[1], 2);
	cairn_report_init(); /* a descriptor 2 that is not what it was is not written to */
	malloc_stats();
	dup2(saved, 2);
	cairn_report_init();
	close(ends[1]);
	EXPECT(read(ends[0], text, sizeof text - 1) > 0);
	EXPECT(has_line(text, "live                    ", now.live_bytes));
	EXPECT(has_line(text, "of that, large blocks   ", now.large_bytes));
	EXPECT(has_line(text, "in thread caches        ", now.cached_bytes));
	EXPECT(has_line(text, "free, kept for reuse    ", now.dirty_bytes));
	EXPECT(has_line(text, "opened from the system  ", now.open_bytes));
	EXPECT(has_line(text, "given back so far       ", now.purged_bytes));
	EXPECT(has_line(text, "cairn's own records     ", now.meta_bytes));
	close(ends[0]);
	close(saved);
}
#endif

static bool is_of_heap(const cairn_live_block *block, void *arg)
{
	const char *start = *(char **)arg, *p = block->start;
	if (p + block->usable_bytes > start && p < start + (8 << 20))
		*(char **)arg = NULL;
	return true;
}

static void managed_heaps_are_none_of_mallocs(void)
{
	cairn_gc_heap *h = cairn_gc_open(NULL);
	cairn_gc_attach(h); /* for this libc asks how large the stack is, which takes a block of malloc's */
	cairn_gc_close(h);
	look(&before);
	h = cairn_gc_open( /* workers: for a thread libc takes a block, too */
		&(cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP, .max = 64 << 20, .workers = 1 });
	cairn_gc_mutator *m = h ? cairn_gc_attach(h) : NULL;
	char *object = m ? cairn_gc_new_bytes(m, 8 << 20) : NULL;
	REQUIRE(object != NULL);
	EXPECT(cairn_gc_external(m, object, 1 << 20) != NULL);
	look(&now);
	EXPECT_EQ(now.used_bytes, before.used_bytes);
	EXPECT(now.managed_bytes >= before.managed_bytes + (9 << 20));
	EXPECT_EQ(now.live_blocks, before.live_blocks);
	EXPECT_EQ(now.live_bytes, before.live_bytes);
	EXPECT_EQ(cairn_owner_of(object + 5000000).kind, CAIRN_OWNER_MANAGED);
	EXPECT(!cairn_owner_of(object).start);
	char *at = object;
	EXPECT_EQ(cairn_visit_live(is_of_heap, &at), CAIRN_VISIT_ALL);
	EXPECT(at == object);
	cairn_gc_close(h);
	look(&now);
	EXPECT_EQ(now.managed_bytes, before.managed_bytes);
	EXPECT_EQ(now.used_bytes, before.used_bytes);
}

int main(void)
{
	RUN(managed_heaps_are_none_of_mallocs);
	RUN(the_sums_are_those_of_the_classes);
	RUN(every_allocation_and_free_is_counted_at_once);
	RUN(a_block_is_live_or_cached_or_free);
	RUN(what_lies_on_shelves_is_told);
	RUN(blocks_of_heaps_are_counted_until_the_heap_goes);
	RUN(inside_malloc_nothing_is_told);
	RUN(a_child_goes_on_counting);
#if CAIRN_INTERPOSE
	RUN(mallinfo_tells_the_same);
	RUN(malloc_info_has_the_shape_of_libcs);
	RUN(malloc_info_tells_the_same);
	RUN(malloc_stats_tells_the_same);
#endif
	RUN(what_all_threads_did_is_summed_exactly);
	DONE();
}
