/* The account of the heap against an oracle that knows every block: random blocks in every class and large ones, in the
 * heap of all and in heaps of their own, written or not, freed in any order; then the walk from outside (here: of this
 * process itself) is to count exactly what the oracle has. */
#include "cairn/malloc.h"
#include "cairn/stats.h"
#include "malloc/sizeclass.h"
#include "support/child.h"

enum { SLOTS = 20000, STEPS = 60, STEP_OPERATIONS = 8000 };

typedef struct slot {
	char *p;
	uint32_t size_class;
	cairn_heap *heap; /* NULL: everybody's */
} slot;

static slot slots[SLOTS];
static uint64_t live[CAIRN_CLASS_COUNT]; /* the oracle's */
static uint64_t start[CAIRN_CLASS_COUNT]; /* live before it began: what others in this process hold */
static cairn_snapshot snapshot;
static cairn_heap *heaps[4];

static size_t random_size(uint64_t *state)
{
	uint64_t r = test_random(state);
	switch (r % 8) {
	case 0:
		return 1 + (r >> 8) % CAIRN_SMALL_MAX;
	case 1:
		return r % 64 == 1 ? CAIRN_SMALL_MAX + 1 + (r >> 8) % (3 << 20) : 1 + (r >> 8) % 5000;
	default:
		return 1 + (r >> 8) % 600;
	}
}

static void fill(slot *s, uint64_t *state)
{
	size_t bytes = random_size(state);
	uint64_t r = test_random(state);
	s->heap = r % 16 == 0 ? heaps[r / 16 % 4] : NULL;
	s->p = s->heap ? cairn_heap_alloc(s->heap, bytes) : cairn_malloc(bytes);
	size_t usable = cairn_malloc_usable_size(s->p);
	s->size_class = usable <= CAIRN_SMALL_MAX ? cairn_class_of(usable) : 0;
	live[s->size_class]++;
	if (r % 8)
		memset(s->p, 1, bytes);
}

static void empty(slot *s)
{
	cairn_free(s->p);
	live[s->size_class]--;
	s->p = NULL;
}

static void operate(uint64_t *state, unsigned bias)
{
	for (unsigned i = 0; i < STEP_OPERATIONS; i++) {
		slot *s = &slots[test_random(state) % SLOTS];
		bool wants_full = test_random(state) % 100 < bias;
		if (s->p && !wants_full)
			empty(s);
		else if (!s->p && wants_full)
			fill(s, state);
	}
}

static void look(void)
{
	EXPECT_EQ(cairn_snapshot_take(&snapshot, 0), 0);
	EXPECT(cairn_snapshot_validate(&snapshot)); /* N1 */
	uint64_t heap = 0;
	for (uint32_t i = 0; i < snapshot.class_count; i++) {
		EXPECT_EQ(snapshot.classes[i].live_blocks, start[i] + live[i]);
		uint64_t all = snapshot.classes[i].live_bytes + snapshot.classes[i].untouched_bytes;
		if (i)
			EXPECT_EQ(all, snapshot.classes[i].live_blocks * snapshot.classes[i].size_bytes);
		const cairn_snapshot_class *c = &snapshot.classes[i];
		heap += c->live_bytes + c->hole_bytes + c->cached_bytes;
	}
	EXPECT(heap <= snapshot.heap_bytes);
}

static void the_walk_counts_what_the_oracle_has(void)
{
	uint64_t state = test_seed();
	for (unsigned i = 0; i < 4; i++)
		heaps[i] = cairn_heap_create();
	EXPECT_EQ(cairn_snapshot_take(&snapshot, 0), 0);
	for (uint32_t i = 0; i < snapshot.class_count; i++)
		start[i] = snapshot.classes[i].live_blocks;
	for (unsigned step = 0; step < (IS_SANITIZED ? STEPS / 8 : STEPS); step++) { /* there each step takes seconds */
		operate(&state, step % 12 < 6 ? 70 : 20);
		if (step % 10 == 9)
			cairn_malloc_trim(0);
		look();
	}
	for (unsigned i = 0; i < SLOTS; i++)
		if (slots[i].p)
			empty(&slots[i]);
	look();
}

int main(void)
{
	RUN(the_walk_counts_what_the_oracle_has);
	DONE();
}
