/* Identity hashes: that they stay, that they cost what they are said to, and that they differ. */
#include "support/gcdead.h"

static void a_moved_object_s_cell_has_room_for_its_hash(void)
{
	for (size_t size = 0; size < 200; size++) {
		uint64_t header = cairn_gc_header_make(CAIRN_GC_TYPE_BYTES, size);
		size_t cell = cairn_gc_header_cell(header);
		EXPECT_EQ(cairn_gc_cell_when_moved(header), cell);
		size_t moved = cairn_gc_cell_when_moved(header | CAIRN_GC_HASHED);
		uint64_t kept = header | CAIRN_GC_HASHED | CAIRN_GC_HASH_KEPT;
		EXPECT_EQ(moved, cairn_gc_header_cell(kept));
		EXPECT_EQ(cairn_gc_cell_when_moved(kept), moved);
		char *object = NULL;
		size_t word = (size_t)((char *)cairn_gc_hash_word(object, kept) - object);
		EXPECT(word >= size && word % 8 == 0 && word + 8 + CAIRN_GC_HEADER_BYTES <= moved);
		EXPECT_EQ(moved, cell + 8); /* gc/plan/slide.c counts on it */
	}
}

enum { OBJECTS = 4000 };

static void *new_of_number(size_t i)
{
	if (i % 3 == 0)
		return new_box(i);
	size_t n = 1 + i % 100;
	char *bytes = cairn_gc_new_bytes(m, n);
	memset(bytes, (int)(i & 0xff), n);
	return bytes;
}

static bool is_of_number(void *object, size_t i)
{
	if (i % 3 == 0)
		return ((box *)object)->id == i;
	size_t n = 1 + i % 100;
	for (size_t k = 0; k < n; k++)
		if (((uint8_t *)object)[k] != (i & 0xff))
			return false;
	return cairn_gc_size(object) == n;
}

/* Dense blocks, too. */
static void semispace_moves_all(void) { heap->zeal.moves = heap->plan->collector == CAIRN_GC_SEMISPACE; }

static void a_hash_stays_wherever_its_object_moves(void)
{
	static uint64_t hashes[OBJECTS];
	EACH_COLLECTOR (OBJECTS) {
		semispace_moves_all();
		for (size_t i = 0; i < OBJECTS; i++)
			hold(i, new_of_number(i));
		for (size_t i = 0; i < OBJECTS; i += 2)
			hashes[i] = cairn_gc_hash(m, held_at(i));
		for (unsigned round = 0; round < 4; round++) {
			uintptr_t first = (uintptr_t)held_at(0);
			collect();
			EXPECT((uintptr_t)held_at(0) != first || heap->plan->collector != CAIRN_GC_SEMISPACE);
			for (size_t i = 0; i < OBJECTS; i++) {
				EXPECT(is_of_number(held_at(i), i));
				EXPECT(i % 2 || cairn_gc_hash(m, held_at(i)) == hashes[i]);
			}
		}
		for (size_t i = 1; i < OBJECTS; i += 2) /* asked after moving, and moved again */
			hashes[i] = cairn_gc_hash(m, held_at(i));
		collect();
		for (size_t i = 0; i < OBJECTS; i++)
			EXPECT(is_of_number(held_at(i), i) && cairn_gc_hash(m, held_at(i)) == hashes[i]);
	}
}

static void who_is_not_asked_for_its_hash_pays_nothing(void)
{
	EACH_COLLECTOR (OBJECTS) {
		semispace_moves_all();
		for (size_t i = 0; i < OBJECTS; i++)
			hold(i, cairn_gc_new_bytes(m, 24)); /* with its header its grains are full */
		collect();
		size_t before = heap->looks.stats.live_bytes;
		collect();
		EXPECT_EQ(heap->looks.stats.live_bytes, before);
		for (size_t i = 0; i < OBJECTS; i++)
			cairn_gc_hash(m, held_at(i));
		collect();
		size_t more = heap->looks.stats.live_bytes - before;
		EXPECT(more <= OBJECTS * 8);
		EXPECT(more == OBJECTS * 8 || heap->plan->collector != CAIRN_GC_SEMISPACE);
		EXPECT(more == 0 || heap->plan->is_moving);
	}
}

static void hashes_seldom_are_the_same(void)
{
	enum { LOW_BITS = 12 };
	static uint32_t low[1 << LOW_BITS], high[1 << LOW_BITS];
	memset(low, 0, sizeof low);
	memset(high, 0, sizeof high);
	if (!dead_open((cairn_gc_config){ .collector = CAIRN_GC_MARKSWEEP }, 1))
		return;
	for (size_t i = 0; i < 16 << LOW_BITS; i++) {
		uint64_t hash = cairn_gc_hash(m, new_box(i));
		low[hash & ((1 << LOW_BITS) - 1)]++;
		high[hash >> (64 - LOW_BITS)]++;
	}
	uint32_t most = 0;
	for (size_t i = 0; i < 1 << LOW_BITS; i++) {
		most = low[i] > most ? low[i] : most;
		most = high[i] > most ? high[i] : most;
	}
	EXPECT(most < 48); /* 16 on average; by chance one of 8192 has 48 once in 10^6 */
	dead_close();
}

enum { SHRUNK = 200, SHRUNK_BYTES = 400 };
static uint64_t shrunk_hash[SHRUNK];
static void *shrunk[SHRUNK]; /* nothing collects meanwhile */
static size_t shrunk_left;   /* sync: atomic: those that are not made smaller any more are above it */

static void *ask_for_hashes(void *arg)
{
	size_t *wrong = arg;
	while (__atomic_load_n(&shrunk_left, __ATOMIC_SEQ_CST))
		for (size_t i = __atomic_load_n(&shrunk_left, __ATOMIC_SEQ_CST), n = 0; i-- && n < 3; n++)
			*wrong += cairn_gc_hash(m, shrunk[i]) != shrunk_hash[i];
	return NULL;
}

/* By one grain, where the end of its cell comes to lie where its hash was, and by more. */
static void another_thread_gets_it_while_its_object_is_made_smaller(void)
{
	EACH_COLLECTOR (SHRUNK) {
		semispace_moves_all();
		for (size_t i = 0; i < SHRUNK; i++) {
			hold(i, cairn_gc_new_bytes(m, SHRUNK_BYTES));
			shrunk_hash[i] = cairn_gc_hash(m, held_at(i));
		}
		collect();
		for (size_t i = 0; i < SHRUNK; i++)
			shrunk[i] = held_at(i);
		size_t wrong = 0;
		pthread_t other;
		shrunk_left = SHRUNK;
		EXPECT_EQ(pthread_create(&other, NULL, ask_for_hashes, &wrong), 0);
		for (size_t i = SHRUNK; i-- > 0;) {
			for (size_t size = SHRUNK_BYTES; size > 16; size -= 1 + (size + i) % 16)
				EXPECT(cairn_gc_resize(m, shrunk[i], size - 1));
			__atomic_store_n(&shrunk_left, i, __ATOMIC_SEQ_CST);
		}
		pthread_join(other, NULL);
		EXPECT_EQ(wrong, 0);
	}
}

int main(void)
{
	RUN(a_moved_object_s_cell_has_room_for_its_hash);
	RUN(a_hash_stays_wherever_its_object_moves);
	RUN(who_is_not_asked_for_its_hash_pays_nothing);
	RUN(hashes_seldom_are_the_same);
	RUN(another_thread_gets_it_while_its_object_is_made_smaller);
	DONE();
}
