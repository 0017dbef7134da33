/* malloc/central.c - the shared slabs of each size class. The design is in central.h. */
#include "malloc/central.h"

#include "base/assert.h"
#include "malloc/stats.h"
#include "os/limits.h"
#include "os/vm.h"
#include "page/pageheap.h"
#include "page/window.h"

static cairn_central centrals[CAIRN_CLASS_COUNT];
static size_t queued_bytes; /* sync: atomic, relaxed: a hint */

static void central_ready(cairn_central *c, unsigned size_class)
{
	if (cairn_likely(c->purge_queue.next))
		return;
	c->size_class = size_class;
	for (int i = 0; i < CAIRN_CENTRAL_BUCKETS; i++)
		cairn_node_init(&c->partial[i]);
	cairn_node_init(&c->purge_queue);
}

cairn_central *cairn_central_lock(unsigned size_class)
{
	cairn_central *c = &centrals[size_class];
	cairn_lock_take(&c->lock, CAIRN_RANK_CENTRAL);
	central_ready(c, size_class);
	return c;
}

bool cairn_central_try_lock(unsigned size_class, cairn_central **c)
{
	*c = &centrals[size_class];
	if (!cairn_lock_try(&(*c)->lock, CAIRN_RANK_CENTRAL))
		return false;
	central_ready(*c, size_class);
	return true;
}

/* The sums are told under the lock, so that a fork finds them equal: once for all that was done under it, for they lie
 * in a line that every thread writes. */
void cairn_central_unlock(cairn_central *c)
{
	if (c->out != c->told)
		cairn_stats_out(c->size_class, (int64_t)(c->out - c->told));
	c->told = c->out;
	cairn_lock_drop(&c->lock, CAIRN_RANK_CENTRAL);
}

/* Compared, not divided: this is asked for every run of slots that comes back. */
static inline unsigned bucket_of(const cairn_span *s, size_t capacity)
{
	size_t quarter = capacity / CAIRN_CENTRAL_BUCKETS + 1, n = s->free_count;
	return (n >= quarter) + (n >= 2 * quarter) + (n >= 3 * quarter);
}

static void move_to(cairn_central *c, cairn_span *s, unsigned bucket)
{
	cairn_list_remove(&s->node);
	s->bucket = (uint8_t)bucket;
	if (s->free_count)
		cairn_list_push(&c->partial[bucket], &s->node);
}

static inline void place(cairn_central *c, cairn_span *s, size_t capacity)
{
	unsigned bucket = bucket_of(s, capacity);
	if (cairn_list_is_empty(&s->node) || !s->free_count || bucket != s->bucket)
		move_to(c, s, bucket);
}

void cairn_central_place(cairn_central *c, cairn_span *s) { place(c, s, cairn_classes[c->size_class].capacity); }

static cairn_span *slab_make(cairn_central *c)
{
	cairn_span *s = cairn_slab_create(c->size_class, CAIRN_SPAN_SLAB);
	if (s) {
		c->slots += s->free_count;
		s->scan_at = 0; /* set when slots first come back */
		cairn_central_place(c, s);
	}
	return s;
}

/* The fullest slab that has a free slot, or a new one where it may be, or NULL. */
static cairn_span *slab_to_serve(cairn_central *c, bool may_create)
{
	for (int i = 0; i < CAIRN_CENTRAL_BUCKETS; i++)
		if (!cairn_list_is_empty(&c->partial[i]))
			return cairn_container(c->partial[i].next, cairn_span, node);
	return may_create ? slab_make(c) : NULL;
}

/* Under a limit on data, when the page that the fullest slab needs is refused: slots of another slab that has some in
 * open pages, or of a new one. */
static size_t take_elsewhere(cairn_central *c, void **end, size_t n)
{
	cairn_span *s = NULL;
	size_t taken = 0;
	for (int i = 0; i < CAIRN_CENTRAL_BUCKETS && !taken; i++)
		for (cairn_node *node = c->partial[i].next; node != &c->partial[i] && !taken; node = node->next) {
			s = cairn_container(node, cairn_span, node);
			taken = cairn_slab_take(s, end, n);
		}
	if (!taken && (s = slab_make(c)))
		taken = cairn_slab_take(s, end, n);
	if (taken)
		cairn_central_place(c, s);
	return taken;
}

size_t cairn_central_take(cairn_central *c, void **end, size_t n)
{
	size_t taken = 0;
	while (taken < n) {
		/* Under a limit no slab is made for what a magazine takes beyond the slot that is wanted. */
		cairn_span *s = slab_to_serve(c, !taken || !cairn_limits_are_tight());
		if (!s)
			break;
		size_t got = cairn_slab_take(s, end - taken, n - taken);
		if (cairn_unlikely(!got)) {
			taken += taken ? 0 : take_elsewhere(c, end, n);
			break;
		}
		taken += got;
		cairn_central_place(c, s);
		if (cairn_unlikely(cairn_window_is_lazy(s->base)))
			break; /* nor is a page opened */
	}
	c->out += taken;
	return taken;
}

void cairn_central_unqueue(cairn_span *s)
{
	if (cairn_list_is_empty(&s->queued))
		return;
	cairn_list_remove(&s->queued);
	__atomic_sub_fetch(&queued_bytes, cairn_vm_page_bytes(), __ATOMIC_RELAXED); /* a hint */
}

void cairn_central_drop_slab(cairn_central *c, cairn_span *s)
{
	cairn_central_unqueue(s);
	cairn_list_remove(&s->node);
	c->slots -= s->free_count;
	cairn_slab_destroy(s);
}

/* Slots that may come back to a slab before it is looked at again: a quarter of an OS page's. */
static uint16_t scan_step(const cairn_span *s)
{
	size_t slots = cairn_vm_page_bytes() / 4 / cairn_classes[s->size_class].bytes;
	return (uint16_t)(slots ? slots : 1);
}

/* Queues s for a look at its empty pages once enough slots have come back since the last, or since the first of those
 * that are given now. */
static void slab_queue(cairn_central *c, cairn_span *s, size_t given)
{
	if (!s->scan_at)
		s->scan_at = (uint16_t)(s->free_count - given + 1 + scan_step(s));
	if (s->free_count < s->scan_at || !cairn_list_is_empty(&s->queued))
		return;
	cairn_list_append(&c->purge_queue, &s->queued);
	__atomic_add_fetch(&queued_bytes, cairn_vm_page_bytes(), __ATOMIC_RELAXED); /* a hint */
}

/* So many slots have come back to s: where does it belong now? */
static inline void slab_came_back(cairn_central *c, cairn_span *s, size_t given, size_t capacity)
{
	if (cairn_unlikely(s->free_count == capacity)) {
		cairn_central_drop_slab(c, s);
		return;
	}
	place(c, s, capacity);
	if (s->free_count >= s->scan_at)
		slab_queue(c, s, given);
}

enum { AHEAD = 32 }; /* runs whose records are asked for together */

/* Slots in a row that lie in one slab. */
typedef struct slot_run {
	cairn_span *span; /* not believed yet; NULL: none */
	void **slots;
	size_t n, index;  /* of the first slot in its slab */
} slot_run;

/* Cuts the first of n slots into up to AHEAD runs of one granule and asks for what leads from these to their slabs. How
 * many. */
static size_t cut_by_granule(void **slots, size_t n, slot_run runs[])
{
	size_t count = 0, i = 0, from;
	while ((from = i) < n && count < AHEAD) {
		uintptr_t granule = (uintptr_t)slots[i] >> CAIRN_GRANULE_SHIFT;
		cairn_window_prefetch((uintptr_t)slots[i]);
		while (++i < n && (uintptr_t)slots[i] >> CAIRN_GRANULE_SHIFT == granule)
			;
		runs[count].slots = slots + from;
		runs[count++].n = i - from;
	}
	return count;
}

/* Finds the header of each run and asks for it. Runs of one slab are joined; how many are left. */
static size_t join_by_slab(slot_run runs[], size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		cairn_span *s = cairn_window_header((uintptr_t)*runs[i].slots);
		if (count && s == runs[count - 1].span) {
			runs[count - 1].n += runs[i].n;
			continue;
		}
		__builtin_prefetch(s, 1);
		runs[count].span = s;
		runs[count].slots = runs[i].slots;
		runs[count++].n = runs[i].n;
	}
	return count;
}

/* Finds the run's place in its slab's bits and asks for it; of what is no slab this is an address like any other. */
static inline void find_bits(slot_run *run, const cairn_class *k)
{
	cairn_span *s = run->span;
	if (cairn_unlikely(!s))
		return;
	run->index = cairn_class_index(k, (size_t)((char *)*run->slots - s->base));
	__builtin_prefetch(&s->free_bits[run->index / 64], 1);
}

/* Gives one run back; how many slots of it. */
static inline size_t give_run(cairn_central *c, const slot_run *run, const cairn_class *k, cairn_give *verdict)
{
	cairn_span *s = run->span;
	if (cairn_unlikely(!s || s->kind != CAIRN_SPAN_SLAB || s->size_class != c->size_class)) {
		*verdict = CAIRN_GIVE_ALREADY_FREE; /* its slab has gone, maybe just now, or serves another class */
		return 0;
	}
	size_t given = 1;
	if (run->n > 1 || !cairn_slab_give_one(s, *run->slots, run->index, k))
		given = cairn_slab_give(s, run->slots, run->n, verdict);
	if (cairn_likely(given))
		slab_came_back(c, s, given, k->capacity);
	return given;
}

/* Gives the first runs of n slots back. Their records are brought near one stage after the other for all of them: chunk
 * record, span, bits. Taken one slot at a time these are three misses in a row (docs/design/bets.md, bet 1). */
static cairn_given give_some(cairn_central *c, void **slots, size_t n)
{
	const cairn_class k = cairn_classes[c->size_class];
	slot_run runs[AHEAD];
	cairn_given given = { 0, 0, CAIRN_GIVE_OK };
	size_t count = given.runs = join_by_slab(runs, cut_by_granule(slots, n, runs));
	for (size_t i = 0; i < count; i++)
		find_bits(&runs[i], &k);
	for (size_t i = 0; i < count && given.verdict == CAIRN_GIVE_OK; i++)
		given.slots += give_run(c, &runs[i], &k, &given.verdict);
	return given;
}

cairn_given cairn_central_give(cairn_central *c, void **slots, size_t n)
{
	cairn_given all = { 0, 0, CAIRN_GIVE_OK };
	while (all.slots < n && all.verdict == CAIRN_GIVE_OK) {
		cairn_given given = give_some(c, slots + all.slots, n - all.slots);
		all.slots += given.slots;
		all.runs += given.runs;
		all.verdict = given.verdict;
	}
	c->out -= all.slots;
	return all;
}

size_t cairn_central_queued_bytes(void) { return __atomic_load_n(&queued_bytes, __ATOMIC_RELAXED); /* a hint */ }

void cairn_central_lock_all(void)
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		cairn_central_lock(i);
}

void cairn_central_unlock_all(void)
{
	for (unsigned i = CAIRN_CLASS_COUNT - 1; i; i--)
		cairn_central_unlock(&centrals[i]);
}

const cairn_central *cairn_central_of(unsigned size_class) { return &centrals[size_class]; }

void cairn_central_fork_child(void)
{
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
		cairn_lock_renew(&centrals[i].lock);
}

void cairn_central_validate(unsigned size_class)
{
	cairn_central *c = cairn_central_lock(size_class);
	uint64_t free_slots = 0;
	cairn_assert(c->told == c->out); /* C4: the lock has just been taken */
	for (unsigned b = 0; b < CAIRN_CENTRAL_BUCKETS; b++)
		for (cairn_node *n = c->partial[b].next; n != &c->partial[b]; n = n->next) {
			cairn_span *s = cairn_container(n, cairn_span, node);
			cairn_assert(s->size_class == size_class && s->free_count && s->bucket == b &&
				     bucket_of(s, cairn_classes[size_class].capacity) == b); /* C1 */
			cairn_assert(s->free_count < cairn_classes[size_class].capacity); /* C2 */
			cairn_slab_validate(s);
			free_slots += s->free_count;
		}
	cairn_assert(c->slots == c->out + c->held + free_slots); /* C3 */
	cairn_central_unlock(c);
}
