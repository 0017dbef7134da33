/* Where this process's own resident bytes are, against what this program did: lens/snapshot.c and what it stands on. */
#include "cairn/malloc.h"
#include "cairn/stats.h"
#include "lens/heapwalk.h"
#include "lens/places.h"
#include "malloc/outside.h"
#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static cairn_snapshot before, after; /* static: they are large */

static cairn_snapshot_class *class_of(cairn_snapshot *s, size_t bytes)
{
	unsigned i = bytes <= CAIRN_SMALL_MAX ? cairn_class_of(bytes) : 0;
	return &s->classes[i];
}

static uint64_t kind_bytes(const cairn_snapshot *s, cairn_snapshot_kind kind)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->line_count; i++)
		sum += s->lines[i].kind == kind ? s->lines[i].bytes : 0;
	return sum;
}

static bool take(cairn_snapshot *s)
{
	int error = cairn_snapshot_take(s, 0);
	EXPECT_EQ(error, 0);
	EXPECT(cairn_snapshot_validate(s));
	EXPECT(s->is_served);
	return !error && s->is_served;
}

/* H1 */
static void the_note_leads_to_the_constant(void)
{
	cairn_peer p;
	cairn_places l;
	EXPECT_EQ(cairn_peer_open(&p, 0), 0);
	EXPECT_EQ(cairn_places_read(&l, &p, false), 0);
	cairn_places_look_at_files(&l);
	EXPECT_EQ(l.heapmap, (uint64_t)(uintptr_t)&cairn_heapmap_here);
	cairn_places_free(&l);
	cairn_peer_close(&p);
}

/* K1 */
static void each_resident_byte_of_the_heap_is_in_one_figure(void)
{
	static void *blocks[3000];
	static cairn_heapwalk h; /* static: it is large */
	cairn_peer p;
	cairn_places l;
	for (unsigned i = 0; i < 3000; i++)
		memset(blocks[i] = cairn_malloc(1 + i * 20), 1, 1 + i * 20);
	for (unsigned i = 0; i < 3000; i += 3)
		cairn_free(blocks[i]);
	EXPECT_EQ(cairn_peer_open(&p, 0), 0);
	EXPECT_EQ(cairn_heapwalk_open(&h, &p, (uint64_t)(uintptr_t)&cairn_heapmap_here), CAIRN_HEAPWALK_OPENED);
	EXPECT_EQ(cairn_places_read(&l, &p, false), 0);
	cairn_heapwalk_read_threads(&h, true);
	cairn_heapwalk_label(&h, &l);
	EXPECT(cairn_heapwalk_walk(&h));
	EXPECT(cairn_heapwalk_validate(&h));
	EXPECT(h.resident_bytes > 3000u * 20 * 1000); /* what lives, two thirds of the blocks, is as much */
	EXPECT_EQ(h.unknown_bytes, 0);
	cairn_heapwalk_free(&h);
	cairn_places_free(&l);
	cairn_peer_close(&p);
	for (unsigned i = 0; i < 3000; i++)
		if (i % 3)
			cairn_free(blocks[i]);
}

static void live_blocks_are_counted_one_by_one(void)
{
	enum { N = 20000, SIZE = 1000 };
	static void *blocks[N];
	if (!take(&before))
		return;
	for (unsigned i = 0; i < N; i++)
		memset(blocks[i] = cairn_malloc(SIZE), 1, SIZE);
	take(&after);
	EXPECT_EQ(class_of(&after, SIZE)->live_blocks - class_of(&before, SIZE)->live_blocks, N);
	uint64_t bytes = class_of(&after, SIZE)->live_bytes - class_of(&before, SIZE)->live_bytes;
	EXPECT_EQ(bytes, (uint64_t)N * cairn_malloc_usable_size(blocks[0]));
	for (unsigned i = 0; i < N; i += 2)
		cairn_free(blocks[i]);
	take(&after);
	EXPECT_EQ(class_of(&after, SIZE)->live_blocks - class_of(&before, SIZE)->live_blocks, N / 2);
	uint64_t free = class_of(&after, SIZE)->hole_bytes + class_of(&after, SIZE)->cached_bytes;
	EXPECT(free >= bytes / 2 - (256 << 10) && free <= bytes / 2 + (256 << 10));
	for (unsigned i = 1; i < N; i += 2)
		cairn_free(blocks[i]);
}

static void memory_that_was_never_written_is_untouched_and_not_resident(void)
{
	enum { BYTES = 256 << 20 };
	take(&before);
	char *p = cairn_malloc(BYTES);
	memset(p, 1, 1 << 20);
	take(&after);
	uint64_t untouched = class_of(&after, BYTES)->untouched_bytes - class_of(&before, BYTES)->untouched_bytes;
	EXPECT(untouched <= BYTES - (1 << 20) && untouched >= BYTES - (4 << 20)); /* the first may be a huge page */
	EXPECT(after.rss_bytes < before.rss_bytes + (8 << 20));
	EXPECT_EQ(class_of(&after, BYTES)->live_blocks - class_of(&before, BYTES)->live_blocks, 1);
	cairn_free(p);
}

static void a_heap_of_its_own_is_live_too(void)
{
	take(&before);
	cairn_heap *h = cairn_heap_create();
	for (unsigned i = 0; i < 1000; i++)
		memset(cairn_heap_alloc(h, 2000), 1, 2000);
	take(&after);
	EXPECT_EQ(class_of(&after, 2000)->live_blocks - class_of(&before, 2000)->live_blocks, 1000);
	cairn_heap_destroy(h);
	take(&after);
	EXPECT_EQ(class_of(&after, 2000)->live_blocks, class_of(&before, 2000)->live_blocks);
}

static void *wait_deep(void *arg)
{
	char deep[512 << 10];
	memset(deep, 1, sizeof deep);
	__asm__ volatile("" : : "r"(deep) : "memory"); /* somebody may look there */
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return NULL;
}

static void stacks_of_threads_are_found(void)
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	if (is_emulated() || IS_SANITIZED) { /* which have threads and stacks of their own */
		SKIP("the stacks are not as the program made them");
		return;
	}
	take(&before);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_deep, &barrier);
	pthread_barrier_wait(&barrier);
	take(&after);
	uint64_t stacks = kind_bytes(&after, CAIRN_SNAPSHOT_STACKS) - kind_bytes(&before, CAIRN_SNAPSHOT_STACKS);
	EXPECT(stacks >= THREADS * (512u << 10) && stacks <= THREADS * (640u << 10));
	EXPECT_EQ(after.thread_count, before.thread_count + THREADS);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	take(&after);
	EXPECT_EQ(after.thread_count, before.thread_count);
	pthread_barrier_destroy(&barrier);
}

static void a_light_look_says_the_same_of_the_heap(void)
{
	take(&before);
	EXPECT_EQ(cairn_snapshot_take_light(&after, 0), 0);
	EXPECT(cairn_snapshot_validate(&after));
	EXPECT_EQ(after.live_blocks, before.live_blocks);
	EXPECT_EQ(after.heap_bytes, before.heap_bytes);
	uint64_t more = after.rss_bytes > before.rss_bytes ? after.rss_bytes - before.rss_bytes
							   : before.rss_bytes - after.rss_bytes;
	EXPECT(more <= 512 << 10); /* the first look touched pages of its own */
}

static void a_glance_counts_allocations(void)
{
	EXPECT_EQ(cairn_snapshot_glance(&before, 0), 0);
	for (unsigned i = 0; i < 1000; i++)
		cairn_free(cairn_malloc(100));
	EXPECT_EQ(cairn_snapshot_glance(&after, 0), 0);
	EXPECT_EQ(class_of(&after, 100)->allocations - class_of(&before, 100)->allocations, 1000);
	EXPECT(after.allocations >= before.allocations + 1000);
}

static bool is_mapped(const void *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	EXPECT_EQ(pread(fd, &entry, sizeof entry, (off_t)((uintptr_t)at / 4096 * sizeof entry)), sizeof entry);
	close(fd);
	return entry >> 63;
}

/* A page that is read comes in, and who handles its own faults would be asked for it. */
static void a_look_brings_no_page_in(void)
{
	char path[] = "/tmp/cairn-untouched-XXXXXX";
	if (is_emulated()) {
		SKIP("no page map of its own");
		return;
	}
	int file = mkstemp(path), anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	EXPECT_EQ(ftruncate(file, 4096), 0);
	char *of_file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	char *guarded = mmap(NULL, 3 * 4096, PROT_NONE, anonymous, -1, 0);
	EXPECT_EQ(mprotect(guarded + 4096, 2 * 4096, PROT_READ | PROT_WRITE), 0);
	guarded[4096] = 1;
	take(&after);
	EXPECT(!is_mapped(of_file));
	EXPECT(is_mapped(guarded + 4096));
	EXPECT(!is_mapped(guarded + 2 * 4096));
	munmap(guarded, 3 * 4096);
	munmap(of_file, 4096);
	close(file);
	unlink(path);
}

/* Which stand before the figures, in a line of 20,000 bytes. */
static void take_with_many_groups(void *unused)
{
	static gid_t groups[3000];
	(void)unused;
	for (unsigned i = 0; i < 3000; i++)
		groups[i] = 100000 + i;
	if (!setgroups(3000, groups))
		take(&after);
	EXPECT(after.peak_rss_bytes >= 1 << 20);
}

static void a_process_of_many_groups_has_its_peak(void)
{
	if (geteuid()) {
		SKIP("not root");
		return;
	}
	in_a_child(take_with_many_groups, NULL);
}

static void pages_of_the_reserved_pool_are_not_resident(void)
{
	enum { BYTES = 2 << 20 };
	EXPECT_EQ(cairn_snapshot_glance(&before, 0), 0);
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		SKIP("no huge pages are reserved here");
		return;
	}
	*p = 1;
	EXPECT_EQ(cairn_snapshot_glance(&after, 0), 0);
	EXPECT(after.rss_bytes < before.rss_bytes + BYTES / 2);
	EXPECT_EQ(cairn_snapshot_take_light(&after, 0), 0);
	EXPECT(cairn_snapshot_validate(&after) && after.rss_bytes < before.rss_bytes + BYTES / 2);
	munmap(p, BYTES);
}

static void *wait_for_the_end(void *unused)
{
	pause();
	return unused;
}

/* Its memory is the other threads' still. */
static void a_process_whose_first_thread_has_ended_is_read_through_another(void)
{
	pthread_t other;
	if (is_emulated() || IS_SANITIZED) {
		SKIP("the first thread cannot end alone");
		return;
	}
	pid_t child = fork();
	if (!child) {
		memset(cairn_malloc(8 << 20), 1, 8 << 20);
		pthread_create(&other, NULL, wait_for_the_end, NULL);
		pthread_exit(NULL);
	}
	for (after.state = 0; after.state != 'Z'; usleep(1000))
		EXPECT_EQ(cairn_snapshot_take(&after, (uint32_t)child), 0);
	EXPECT(cairn_snapshot_validate(&after));
	EXPECT(after.is_served && kind_bytes(&after, CAIRN_SNAPSHOT_LIVE) >= 8 << 20);
	EXPECT_EQ(after.unknown[0], 0);
	kill(child, SIGKILL);
	waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT);
	EXPECT_EQ(cairn_snapshot_take(&after, (uint32_t)child), 0);
	EXPECT_EQ(after.rss_bytes, 0);
	EXPECT(strstr(after.unknown, "it has no memory"));
	waitpid(child, NULL, 0);
}

static void who_is_not_there_is_said(void)
{
	EXPECT_EQ(cairn_snapshot_take(&after, 0x7ffffff0), ESRCH);
	EXPECT_EQ(cairn_snapshot_glance(&after, 0x7ffffff0), ESRCH);
	EXPECT(!cairn_snapshot_is_served(0x7ffffff0));
}

static void explain_the_child(void *unused)
{
	(void)unused;
	EXPECT(cairn_snapshot_is_served((uint32_t)getpid()));
	if (!take(&after))
		return;
	EXPECT_EQ(after.pid, (uint32_t)getpid());
	if (after.pss_bytes == CAIRN_ACCOUNT_UNKNOWN) /* asking a sanitizer's shadow for it would hold the child up */
		EXPECT(after.rss_bytes > 256 << 20);
	else
		EXPECT(after.pss_bytes < after.rss_bytes); /* what the parent has as well */
}

static void a_child_after_fork_explains_itself(void) { in_a_child(explain_the_child, NULL); }

/* ---- labels ---- */

enum { PAGES = 64, LABELS = 24 };

static cairn_label naive_at(const cairn_label *labels, unsigned n, uint64_t at)
{
	cairn_label best = { .rank = 0 };
	for (unsigned i = 0; i < n; i++)
		if (labels[i].start <= at && at < labels[i].end && labels[i].rank > best.rank)
			best = labels[i];
	return best;
}

static void compare_labels(const cairn_places *l, const cairn_label *labels, unsigned n)
{
	const cairn_label *pieces = l->labels.items;
	for (uint64_t at = 0; at < PAGES; at++) {
		cairn_label want = naive_at(labels, n, at), got = { .rank = 0 };
		for (size_t i = 0; i < l->labels.count; i++)
			if (pieces[i].start <= at && at < pieces[i].end)
				got = pieces[i];
		EXPECT_EQ(!got.rank, !want.rank);
		EXPECT_EQ(got.place, want.place);
	}
}

/* L1, and that at each address the highest rank wins. */
static void the_highest_label_wins_everywhere(void)
{
	uint64_t state = test_seed();
	for (unsigned round = 0; round < 500; round++) {
		cairn_label labels[LABELS];
		cairn_places l;
		memset(&l, 0, sizeof l);
		unsigned n = 1 + (unsigned)(test_random(&state) % LABELS);
		for (unsigned i = 0; i < n; i++) {
			uint64_t start = test_random(&state) % PAGES;
			uint64_t end = start + 1 + test_random(&state) % (PAGES - start);
			labels[i] = (cairn_label){ start, end, test_random(&state) % 1000 * 32 + i + 1, 1 + i, 0 };
			cairn_places_label(&l, start, end, labels[i].rank, labels[i].place, 0);
		}
		cairn_places_count(&l);
		EXPECT(cairn_places_validate(&l)); /* L1 */
		compare_labels(&l, labels, n);
		cairn_places_free(&l);
	}
}

static void rooms_grow_and_sort(void)
{
	typedef struct item { uint64_t key, check; } item;
	cairn_peer_room r = { 0 };
	uint64_t state = test_seed();
	for (unsigned i = 0; i < 30000; i++) {
		item *it = cairn_peer_room_add(&r, sizeof *it);
		it->key = test_random(&state) % 5000;
		it->check = ~it->key;
	}
	cairn_peer_room_sort(&r);
	const item *items = r.items;
	EXPECT_EQ(r.count, 30000);
	for (size_t i = 0; i < r.count; i++)
		EXPECT(items[i].check == ~items[i].key && (!i || items[i - 1].key <= items[i].key));
	cairn_peer_room_free(&r);
	uint64_t sum = 0, *numbers;
	for (unsigned i = 0; i < 30000; i++) { /* numbers alone are sorted another way */
		uint64_t *n = cairn_peer_room_add(&r, sizeof *n);
		*n = test_random(&state) >> test_random(&state) % 64;
		sum += *n;
	}
	cairn_peer_room_sort(&r);
	numbers = r.items;
	for (size_t i = 0; i < r.count; i++) {
		EXPECT(!i || numbers[i - 1] <= numbers[i]);
		sum -= numbers[i];
	}
	EXPECT_EQ(sum, 0);
	cairn_peer_room_free(&r);
}

int main(void)
{
	RUN(the_note_leads_to_the_constant);
	RUN(each_resident_byte_of_the_heap_is_in_one_figure);
	RUN(live_blocks_are_counted_one_by_one);
	RUN(memory_that_was_never_written_is_untouched_and_not_resident);
	RUN(a_heap_of_its_own_is_live_too);
	RUN(stacks_of_threads_are_found);
	RUN(a_light_look_says_the_same_of_the_heap);
	RUN(a_glance_counts_allocations);
	RUN(a_look_brings_no_page_in);
	RUN(a_process_of_many_groups_has_its_peak);
	RUN(pages_of_the_reserved_pool_are_not_resident);
	RUN(a_process_whose_first_thread_has_ended_is_read_through_another);
	RUN(who_is_not_there_is_said);
	RUN(a_child_after_fork_explains_itself);
	RUN(the_highest_label_wins_everywhere);
	RUN(rooms_grow_and_sort);
	DONE();
}
