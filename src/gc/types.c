/* gc/types.c - the registry of types: from the number in a header to what tracing must know.
 *
 * A type is copied when it is registered, so that a library may be unloaded while its objects live. Records and the
 * array that leads to them are never freed; when the array grows, the former one stays for whoever reads it.
 *
 * Invariants, checked by cairn_gc_types_validate():
 *   (GY1) Entries 1 to count - 1 lead to a record; entry 0, and what lies behind, to none.
 *   (GY2) Every bit of a record names a word inside its object, and no word is both strong and weak.
 *
 * Lock: one, rank CAIRN_RANK_GC_PARTS. Failure: one line and abort: it happens when a program is loaded, and there is
 * nobody to tell. Not here: what a header looks like (gc/object.h). */
#include "gc/types.h"

#include "base/assert.h"
#include "gc/managed.h"
#include "os/report.h"

#include <string.h>

enum { TYPES_FIRST_ROOM = 256, NARROW_REFS = 4 };

static const cairn_gc_record bytes_record = { .name = "bytes", .is_leaf = true, .tail_stride = 1 };
static const cairn_gc_record freed_record = { .name = "freed", .is_leaf = true, .tail_stride = 1 };
static const cairn_gc_record *const first_records[] = { NULL, &bytes_record, &freed_record };

const cairn_gc_record *const *cairn_gc_records = first_records;
static cairn_lock types_lock = CAIRN_LOCK_INIT;
static uint32_t types_count = 3; /* sync: atomic; written under types_lock */
static uint32_t types_room;      /* sync: types_lock */
static bool types_conservative;  /* sync: atomic, relaxed: a type is registered before its first object is made */

uint32_t cairn_gc_type_count(void)
{
	return __atomic_load_n(&types_count, __ATOMIC_ACQUIRE); /* pairs with publish: records below it are seen */
}

bool cairn_gc_types_have_conservative(void)
{
	return __atomic_load_n(&types_conservative, __ATOMIC_RELAXED); /* see there */
}

static _Noreturn void type_is_wrong(const cairn_gc_type *t, const char *what)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc: type ");
	cairn_line_text(&l, t->name ? t->name : "without a name");
	cairn_line_text(&l, ": ");
	cairn_line_text(&l, what);
	cairn_report_abort(&l);
}

/* Does a bit name a slot beyond that many bytes? */
static bool has_bits_past(uint64_t bits, size_t bytes, bool is_compressed)
{
	size_t slots = bytes / cairn_gc_slot_bytes(is_compressed);
	return slots < 64 && bits >> slots;
}

/* CAIRN_GC_TAIL_REF of compressed references says that of an array of them alone, so that a stride of 8 is seen to be
 * another program's: bit 63 as well, which lies behind such an element. */
static bool is_tail_ref(const cairn_gc_type *t, bool is_compressed)
{
	return is_compressed && t->tail_refs == (UINT64_C(1) << 63 | 1) && t->tail_stride < 64 * sizeof(uint32_t);
}

static uint64_t tail_refs_of(const cairn_gc_type *t, bool is_compressed)
{
	return is_tail_ref(t, is_compressed) ? 1 : t->tail_refs;
}

static void check(const cairn_gc_type *t, bool is_compressed)
{
	size_t slot_bytes = cairn_gc_slot_bytes(is_compressed);
	if (t->size > CAIRN_GC_SIZE_MAX || t->tail_offset > UINT32_MAX || t->tail_stride > UINT32_MAX)
		type_is_wrong(t, "too large");
	if (has_bits_past(t->refs | t->weak, t->size, is_compressed))
		type_is_wrong(t, "refs or weak names a word beyond its size");
	if (t->refs & t->weak)
		type_is_wrong(t, "a word is in refs and in weak");
	if (t->flags & ~(unsigned)(CAIRN_GC_PINNED | CAIRN_GC_CONSERVATIVE))
		type_is_wrong(t, "flags has a bit that means nothing");
	if (t->tail_stride && !t->tail_offset && t->size)
		type_is_wrong(t, "a trailing array needs tail_offset: .tail_offset = offsetof(T, field)");
	uint64_t tail_refs = tail_refs_of(t, is_compressed);
	if (!t->tail_stride && (t->tail_refs || t->tail_offset))
		type_is_wrong(t, "a trailing array needs tail_stride");
	if (t->tail_stride && (t->tail_offset > t->size || has_bits_past(tail_refs, t->tail_stride, is_compressed)))
		type_is_wrong(t, "tail_offset or tail_refs lies beyond its end");
	if (t->tail_refs && (t->tail_stride % slot_bytes || t->tail_offset % slot_bytes))
		type_is_wrong(t, "references in a trailing array are not aligned to their size");
	if (is_tail_ref(t, is_compressed) && t->tail_stride != slot_bytes)
		type_is_wrong(t, "references in a trailing array take 4 bytes: .tail_stride = sizeof(cairn_gc_slot)");
	if (t->tail_refs && has_bits_past(t->refs | t->weak, t->tail_offset, is_compressed))
		type_is_wrong(t, "refs or weak names a word of the trailing array");
	if (t->drop && t->flags & CAIRN_GC_CONSERVATIVE)
		type_is_wrong(t, "a conservative type has no drop function: its references cannot be set to NULL");
	if (!t->drop != !t->is_listed)
		type_is_wrong(t, "a drop function is given by CAIRN_GC_DROP_TYPE");
}

/* Makes room for one more; under the lock. */
static bool grow(void)
{
	if (types_count < types_room)
		return true;
	uint32_t room = types_room ? 2 * types_room : TYPES_FIRST_ROOM;
	const cairn_gc_record **items = cairn_gc_meta_alloc(NULL, room * sizeof *items);
	if (!items)
		return false;
	memcpy(items, cairn_gc_records, types_count * sizeof *items);
	/* publishes the copies; read with an index that the reader learnt later */
	__atomic_store_n(&cairn_gc_records, (const cairn_gc_record *const *)items, __ATOMIC_RELEASE);
	types_room = room;
	return true;
}

static cairn_gc_record *record_make(const cairn_gc_type *t, bool is_compressed)
{
	const char *name = t->name ? t->name : "object";
	size_t length = strlen(name) + 1;
	cairn_gc_record *r = cairn_gc_meta_alloc(NULL, sizeof *r + length);
	if (!r)
		return NULL;
	bool has_more = t->weak || t->tail_refs || t->trace || t->flags & CAIRN_GC_CONSERVATIVE;
	*r = (cairn_gc_record){
		.refs = t->refs,
		.weak = t->weak,
		.tail_offset = (uint32_t)t->tail_offset,
		.tail_stride = (uint32_t)t->tail_stride,
		.tail_refs = tail_refs_of(t, is_compressed),
		.trace = t->trace,
		.drop = t->drop,
		.size = t->size,
		.flags = t->flags,
		.is_leaf = !t->refs && !has_more,
		.has_more = has_more,
		.is_narrow = t->refs && !has_more && __builtin_popcountll(t->refs) <= NARROW_REFS,
		.is_fixed = t->is_aligned || t->flags & CAIRN_GC_PINNED,
		.is_compressed = is_compressed && (t->refs || has_more),
	};
	r->name = memcpy(r + 1, name, length);
	return r;
}

/* A record made from this description before, as one header in several files gives it; 0: none. */
static uint32_t find_same(const cairn_gc_record *r)
{
	for (uint32_t id = CAIRN_GC_TYPE_FREED + 1; id < types_count; id++) {
		const cairn_gc_record *o = cairn_gc_records[id];
		if (!memcmp(o, r, offsetof(cairn_gc_record, name)) && o->flags == r->flags &&
			o->is_fixed == r->is_fixed && o->is_compressed == r->is_compressed && !strcmp(o->name, r->name))
			return id;
	}
	return 0;
}

static void type_register(cairn_gc_type *t, bool is_compressed)
{
	if (t->header)
		return;
	check(t, is_compressed);
	cairn_gc_record *r = record_make(t, is_compressed);
	cairn_lock_take(&types_lock, CAIRN_RANK_GC_PARTS);
	uint32_t id = r ? find_same(r) : 0;
	if (id)
		cairn_gc_meta_free(NULL, r, sizeof *r + strlen(r->name) + 1);
	if (r && !id && types_count >> CAIRN_GC_TYPE_BITS == 0 && grow()) {
		id = types_count;
		((const cairn_gc_record **)cairn_gc_records)[id] = r;
		/* publishes the record: cairn_gc_type_count */
		__atomic_store_n(&types_count, id + 1, __ATOMIC_RELEASE);
	}
	cairn_lock_drop(&types_lock, CAIRN_RANK_GC_PARTS);
	if (!id)
		type_is_wrong(t, "no memory to register it");
	if (t->flags & CAIRN_GC_CONSERVATIVE)
		__atomic_store_n(&types_conservative, true, __ATOMIC_RELAXED); /* see there */
	t->header = cairn_gc_header_make(id, t->size);
}

void cairn_gc_register(cairn_gc_type *t) { type_register(t, false); }
void cairn_gc_register_compressed_(cairn_gc_type *t) { type_register(t, true); }

void cairn_gc_types_lock(void) { cairn_lock_take(&types_lock, CAIRN_RANK_GC_PARTS); }
void cairn_gc_types_unlock(void) { cairn_lock_drop(&types_lock, CAIRN_RANK_GC_PARTS); }
void cairn_gc_types_fork_child(void) { cairn_lock_renew(&types_lock); }

void cairn_gc_types_validate(void)
{
	cairn_gc_types_lock();
	cairn_assert(!cairn_gc_records[0]); /* GY1 */
	for (uint32_t id = 1; id < types_count; id++) {
		const cairn_gc_record *r = cairn_gc_records[id];
		cairn_assert(r && r->name); /* GY1 */
		bool is_4 = r->is_compressed;
		cairn_assert(!has_bits_past(r->refs | r->weak, r->size, is_4) && !(r->refs & r->weak)); /* GY2 */
		cairn_assert(!r->tail_refs || !has_bits_past(r->tail_refs, r->tail_stride, is_4));      /* GY2 */
		(void)is_4;
	}
	cairn_gc_types_unlock();
}
