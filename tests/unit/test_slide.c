/* Compaction that keeps the order of addresses. Cases cite the invariants of gc/plan/slide.c. */
#include "os/sys.h"
#include "support/gcwalk.h"

static cairn_ref(void) other;

static void begin(void)
{
	walk_open((cairn_gc_config){ .collector = CAIRN_GC_MARKCOMPACT, .exact_roots = true,
		.min = (size_t)256 << 20, .max = (size_t)1 << 30 });
	other.cairn_gc_word = 0;
	cairn_gc_root_add(heap, &other); /* the heap's end takes it */
}

typedef struct place {
	uintptr_t before, after;
	uint64_t hash;
} place;

static int by_address(const void *a, const void *b)
{
	const place *p = a, *q = b;
	return (p->before > q->before) - (p->before < q->before);
}

/* Slides, and expects the same graph at places that rise as the old ones did, none of them higher; where two lay in one
 * KiB with a pin nothing is asked of them. How many stayed. */
static size_t slide(size_t most, bool keeps_order)
{
	walk before = walk_from(cairn_gc_root_get(mutator, &root), most);
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	cairn_gc_collect_now(mutator, CAIRN_GC_CAUSE_LIMIT);
	walk after = walk_from(cairn_gc_root_get(mutator, &root), most);
	EXPECT(before.sum == after.sum);
	EXPECT_EQ(after.count, before.count);
	EXPECT_EQ(heap->looks.stats.live_objects, after.count);
	place *places = calloc(before.count, sizeof *places);
	size_t n = 0, stayed = 0;
	for (size_t i = 0; i < before.count; i++) {
		if (is_large(after.objects[i])) {
			EXPECT(after.objects[i] == before.objects[i]);
			continue;
		}
		stayed += before.objects[i] == after.objects[i];
		places[n].before = (uintptr_t)before.objects[i];
		places[n++].after = (uintptr_t)after.objects[i];
	}
	qsort(places, n, sizeof *places, by_address);
	for (size_t i = 0; i < n; i++) {
		EXPECT(places[i].after <= places[i].before); /* GP1 */
		EXPECT(!keeps_order || !i || places[i].after > places[i - 1].after); /* GP1 */
	}
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap); /* GP2: cells that overlap would be no cells */
	free(places);
	walk_free(&before);
	walk_free(&after);
	return stayed;
}

static void what_lives_slides_down_in_its_order(void) /* GP1 GP2 */
{
	begin();
	walk_seed = test_seed();
	for (unsigned round = 0; round < 3; round++) {
		walk_build(mutator, &root.cairn_gc_word, 20000, 30 + 30 * round);
		walk_array *all = cairn_gc_root_get(mutator, &root); /* large: stays */
		size_t last = 19999;
		while (!cairn_gc_get(mutator, all, item[last]) || is_large(cairn_gc_get(mutator, all, item[last])))
			last--;
		void *was = cairn_gc_get(mutator, all, item[last]);
		cairn_gc_root_set(mutator, &other, was);
		slide(20001, true);
		EXPECT(cairn_gc_root_get(mutator, &other) != was);
		EXPECT(cairn_gc_root_get(mutator, &other) == cairn_gc_get(mutator, all, item[last]));
		EXPECT(heap->looks.stats.moved_objects > 0);
		size_t live = 0, moved = heap->looks.stats.moved_objects;
		CAIRN_GC_EACH_BLOCK(b, &heap->blocks)
			live += b->kind == CAIRN_GC_BLOCK_CELLS ? b->live_bytes : 0;
		EXPECT(heap->blocks.cells_count <= live / (CAIRN_GC_BLOCK_BYTES - CAIRN_GC_CELL_MAX) + 1);
		slide(20001, true); /* there is nothing more to gain */
		EXPECT(heap->looks.stats.moved_objects - moved < 2000);
	}
	end();
}

static void hashes_are_kept_where_every_object_grows_by_one(void) /* GP1 GP2 */
{
	enum { OBJECTS = 10000 };
	static uint64_t hash[OBJECTS];
	begin();
	walk_build(mutator, &root.cairn_gc_word, OBJECTS, 30);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < OBJECTS; i++) {
		void *object = cairn_gc_get(mutator, all, item[i]);
		hash[i] = object ? cairn_gc_hash(mutator, object) : 0;
	}
	for (unsigned round = 0; round < 3; round++) {
		slide(OBJECTS + 1, true);
		all = cairn_gc_root_get(mutator, &root);
		for (size_t i = 0; i < OBJECTS; i++)
			EXPECT(!hash[i] || hash[i] == cairn_gc_hash(mutator, cairn_gc_get(mutator, all, item[i])));
		for (size_t i = round; i < OBJECTS; i += 5) {
			cairn_gc_set(mutator, all, item[i], NULL);
			hash[i] = 0;
		}
	}
	end();
}

static void what_is_pinned_stays_and_others_slide_past_it(void) /* GP2 */
{
	enum { OBJECTS = 20000, PINS = 40 };
	void *pinned[PINS];
	begin();
	walk_build(mutator, &root.cairn_gc_word, OBJECTS, 0);
	walk_array *all = cairn_gc_root_get(mutator, &root);
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % (OBJECTS / PINS) && walk_below(10) < 8)
			cairn_gc_set(mutator, all, item[i], NULL);
	for (size_t i = 0; i < PINS; i++) {
		pinned[i] = cairn_gc_get(mutator, all, item[i * (OBJECTS / PINS)]);
		EXPECT(cairn_gc_pin(mutator, pinned[i]));
	}
	for (unsigned round = 0; round < 2; round++) {
		slide(OBJECTS + 1, false);
		all = cairn_gc_root_get(mutator, &root);
		for (size_t i = 0; i < PINS; i++)
			EXPECT(cairn_gc_get(mutator, all, item[i * (OBJECTS / PINS)]) == pinned[i]);
	}
	EXPECT(heap->looks.stats.moved_objects > 1000);
	for (size_t i = 0; i < PINS; i++)
		cairn_gc_unpin(mutator, pinned[i]);
	slide(OBJECTS + 1, true);
	end();
}

static void without_memory_for_the_plan_it_evacuates(void)
{
	begin();
	walk_build(mutator, &root.cairn_gc_word, 120000, 60);
	EXPECT(heap->blocks.cells_count * 512 > 64 << 10); /* so that it takes a mapping */
	cairn_gc_mutator_flush(cairn_gc_thread_of(mutator));
	walk before = walk_from(cairn_gc_root_get(mutator, &root), 120001);
	if (!cairn_fault_set("mmap", 1, 12) || !cairn_gc_meta_alloc(NULL, 1)) {
		cairn_fault_set("mmap", 0, 0);
		walk_free(&before);
		end();
		SKIP("not in this build: no system call can be refused");
	}
	cairn_gc_collect_now(mutator, CAIRN_GC_CAUSE_LIMIT);
	cairn_fault_set("mmap", 0, 0);
	walk after = walk_from(cairn_gc_root_get(mutator, &root), 120001);
	EXPECT(before.sum == after.sum);
	EXPECT_EQ(heap->looks.stats.live_objects, after.count);
	cairn_gc_blocks_sweep_all(heap);
	cairn_gc_blocks_validate(heap);
	walk_free(&before);
	walk_free(&after);
	end();
}

int main(void)
{
	RUN(what_lives_slides_down_in_its_order);
	RUN(hashes_are_kept_where_every_object_grows_by_one);
	RUN(what_is_pinned_stays_and_others_slide_past_it);
	RUN(without_memory_for_the_plan_it_evacuates);
	DONE();
}
