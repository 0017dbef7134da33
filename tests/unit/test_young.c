/* What a store into the old writes down, at odd moments: a large object that became shorter, a part of the list that
 * was not to be had, a fork. Cases cite gc/young.h. */
#include "support/child.h"
#include "support/gcyoung.h"

#include <pthread.h>
#include <sys/syscall.h>

enum { LARGE = 100000 };

static slots *old_array(size_t slot, size_t length)
{
	hold(slot, cairn_gc_new_array(m, slots, length));
	collect_the_young();
	return held_at(slot);
}

static void shrink(void *unused)
{
	(void)unused;
	test_case_failures = 0;
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	for (size_t i = 0; i < LARGE; i += 1000)
		cairn_gc_set(m, large, item[i], new_box(i));
	EXPECT(cairn_gc_resize(m, large, sizeof(slots) + (LARGE / 2) * 8));
	collect_the_young();
	for (size_t i = 0; i < LARGE / 2; i += 1000)
		EXPECT_EQ(((box *)cairn_gc_get(m, large, item[i]))->id, i);
	cairn_gc_set(m, large, item[LARGE / 2 - 1], new_box(1));
	collect_the_young();
	dead_close();
	_exit(test_case_failures != 0);
}

static void a_large_object_may_be_shrunk_while_its_cards_are_set(void) { in_a_child(shrink, NULL); }

/* GYO2 */
static void no_store_is_told_before_a_collection_of_all(void)
{
	begin((cairn_gc_config){ 0 });
	hold(0, new_box(0));
	collect_the_young();
	heap->young.always_tells = false;
	heap->young.wants_all = true;
	cairn_gc_young_set_barriers(heap);
	box *old = held_at(0);
	EXPECT(m->barrier == CAIRN_GC_BARRIER_NONE && heap->young.is_short && is_watched(old));
	cairn_gc_set(m, old, strong, new_box(1));
	EXPECT(!heap->young.stored && is_watched(old));
	EXPECT_EQ(cairn_gc_verify(m, stderr), 0);
	heap->young.always_tells = true;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(!heap->young.is_minor && !heap->young.is_short && m->barrier == CAIRN_GC_BARRIER_WATCHED);
	heap->young.wants_all = false;
	old = held_at(0);
	box *kept = cairn_gc_get(m, old, strong);
	EXPECT(kept->id == 1 && is_watched(kept) && !is_young(kept));
	cairn_gc_set(m, kept, strong, new_box(2));
	EXPECT(heap->young.stored != NULL);
	collect_the_young();
	old = held_at(0);
	EXPECT_EQ(((box *)cairn_gc_get(m, (box *)cairn_gc_get(m, old, strong), strong))->id, 2);
	dead_close();
}

static void a_goal_or_a_shadow_has_every_store_told(void)
{
	static const cairn_gc_config told[] = { { .pause_goal_ms = 10 }, { .zeal = "shadow,seed=1" } };
	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		begin(told[i]);
		heap->young.always_tells = false;
		for (int next = 0; next < 4; next++, heap->collection++) {
			heap->young.wants_all = true;
			cairn_gc_young_set_barriers(heap);
			EXPECT(m->barrier == cairn_gc_barrier(heap) && !heap->young.is_short);
			EXPECT(m->barrier == (i ? CAIRN_GC_BARRIER_CALL : CAIRN_GC_BARRIER_WATCHED));
		}
		dead_close();
	}
}

/* GYO3: the card is set, but not written down; the next collection is of all, and so it is clear after that. */
static void unlisted(void *unused)
{
	(void)unused;
	test_case_failures = 0;
	begin((cairn_gc_config){ 0 });
	slots *large = old_array(0, LARGE);
	cairn_gc_set(m, large, item[0], new_box(0)); /* it has cards from here on */
	collect_the_young();
	EXPECT(!heap->young.stored);
	box *b = new_box(1);
	size_t most = heap->sizing.most;
	heap->sizing.most = cairn_gc_held(heap); /* there is no room for a part of the list */
	cairn_gc_set(m, large, item[LARGE - 1], b);
	heap->sizing.most = most;
	EXPECT(heap->young.is_short);
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(!heap->young.is_minor && !heap->young.is_short);
	heap->young.wants_all = false;
	EXPECT_EQ(((box *)cairn_gc_get(m, large, item[LARGE - 1]))->id, 1);
	cairn_gc_set(m, large, item[LARGE - 1], new_box(2));
	EXPECT(heap->young.stored); /* told, once more */
	heap->young.wants_all = false;
	cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	EXPECT(heap->young.is_minor);
	heap->young.wants_all = false;
	b = cairn_gc_get(m, large, item[LARGE - 1]);
	EXPECT(!cairn_gc_block_of(b)->is_young && cairn_gc_block_of(b)->kind == CAIRN_GC_BLOCK_CELLS);
	EXPECT_EQ(b->id, 2);
	_exit(test_case_failures != 0);
}

static void a_card_that_could_not_be_written_down_is_told_later(void) { in_a_child(unlisted, NULL); }

/* ---- Fork ---- */

/* Of a child whose parent has other threads: TSan's own end of it would miss them. */
static void leave(int status) { syscall(SYS_exit_group, status); }

static bool is_held, is_over; /* sync: atomic */

static void *hold_the_lock(void *unused)
{
	cairn_lock_take(&heap->young.lock, CAIRN_RANK_GC_PARTS);
	__atomic_store_n(&is_held, true, __ATOMIC_SEQ_CST);
	struct timespec short_time = { .tv_nsec = 200 * 1000 * 1000 };
	nanosleep(&short_time, NULL);
	cairn_lock_drop(&heap->young.lock, CAIRN_RANK_GC_PARTS);
	return unused;
}

static void a_child_of_fork_may_store(void)
{
	pthread_t t;
	begin((cairn_gc_config){ 0 });
	hold(0, new_box(0));
	collect_the_young();
	pthread_create(&t, NULL, hold_the_lock, NULL);
	while (!__atomic_load_n(&is_held, __ATOMIC_SEQ_CST))
		;
	pid_t child = fork();
	if (!child) {
		alarm(5);
		cairn_gc_set(m, (box *)held_at(0), strong, new_box(1));
		cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
		leave(((box *)cairn_gc_get(m, (box *)held_at(0), strong))->id != 1);
	}
	int status = -1;
	waitpid(child, &status, 0);
	EXPECT_EQ(status, 0);
	CAIRN_GC_BLOCKING(m) { pthread_join(t, NULL); }
	dead_close();
}

static void *store_and_store(void *unused)
{
	cairn_gc_mutator *own = cairn_gc_attach(heap);
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
		slots *s = cairn_gc_root_get(own, &held);
		for (size_t i = 1; i < SLOTS; i++) {
			box *b = cairn_gc_get(own, s, item[i]);
			if (b)
				cairn_gc_set(own, b, strong, cairn_gc_new(own, box));
			s = cairn_gc_root_get(own, &held);
		}
	}
	cairn_gc_detach(own);
	return unused;
}

/* What a thread that is not in the child was about to write down. */
static void a_child_of_fork_finds_what_others_were_storing(void)
{
	pthread_t t;
	unsigned failed = 0;
	begin((cairn_gc_config){ .min = (size_t)64 << 20, .pause_goal_ms = 10000 }); /* of the young, whatever pays */
	for (size_t i = 0; i < SLOTS; i++)
		hold(i, new_box(i));
	collect_the_young();
	pthread_create(&t, NULL, store_and_store, NULL);
	for (unsigned round = 0; round < (IS_SANITIZED ? 40 : 100) && !failed; round++) {
		pid_t child = fork();
		if (!child) {
			alarm(5);
			for (size_t i = 0; i < SLOTS; i++)
				cairn_gc_set(m, (box *)held_at(i), strong, new_box(1000 + i));
			bool bad = cairn_gc_verify(m, stderr) != 0; /* GYO1, GYO2 */
			cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
			for (size_t i = 0; i < SLOTS; i++)
				bad |= ((box *)cairn_gc_get(m, (box *)held_at(i), strong))->id != 1000 + i;
			leave(bad);
		}
		int status = -1;
		waitpid(child, &status, 0);
		failed += status != 0;
		cairn_gc_safepoint(cairn_gc_thread_of(m));
		if (round % 4 == 0) /* all are WATCHED again */
			cairn_gc_collect_now(m, CAIRN_GC_CAUSE_FULL);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
	EXPECT_EQ(failed, 0);
	CAIRN_GC_BLOCKING(m) { pthread_join(t, NULL); }
	dead_close();
}

int main(void)
{
	RUN(no_store_is_told_before_a_collection_of_all);
	RUN(a_goal_or_a_shadow_has_every_store_told);
	RUN(a_large_object_may_be_shrunk_while_its_cards_are_set);
	RUN(a_card_that_could_not_be_written_down_is_told_later);
	RUN(a_child_of_fork_may_store);
	RUN(a_child_of_fork_finds_what_others_were_storing);
	DONE();
}
