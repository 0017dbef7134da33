/* gc/missing.c - fields that a type's description does not name: words of its objects that look like references.
 *
 *   each object ──▶ words that are in no bitmap and not told of by its trace function
 *               ──▶ at an object's start? ──▶ counted for (type, offset) ──▶ told, where chance is no explanation
 *
 * A number that equals the address of an object's start by chance is rare in 64 bits; a stale word of a union, or a
 * cache of addresses, is not. So an offset is told when more than two objects have one, and a tenth of all of the type.
 *
 * In a heap of compressed references any half of a word may be one, and most small numbers lead into the window, where
 * up to each second grain begins an object. So of an offset that is told three quarters of what is not 0 are objects.
 *
 * Threads, locks: those of the survey. Failure: no memory, or more than ROOM pairs: the rest is not looked at. */
#include "gc/verify.h"

#include <string.h>

enum { MISSING_ROOM = 1024, MISSING_MOST = 768, MISSING_WORDS = 512, MISSING_LEAST = 3, MISSING_PERCENT = 10,
	MISSING_SLOTS_LEAST = 8 };

typedef struct missing_pair {
	uint32_t type, offset; /* offset: of a trailing element's word, in the first element */
	uint32_t count;        /* of objects where it refers to one */
	uint32_t others;       /* values of a slot that refer to none; this and count 0: a free place */
	uintptr_t last;        /* the object counted last */
} missing_pair;

typedef struct missing_table {
	const cairn_gc_survey *survey;
	missing_pair pairs[MISSING_ROOM];
	size_t count;
	bool is_compressed;
	uint64_t declared[MISSING_WORDS / 64]; /* of the object at hand, its first words, or slots */
	uintptr_t object;
	uint32_t *of_type; /* objects */
	uint32_t types;
} missing_table;

static missing_pair *missing_place(missing_table *t, uint32_t type, uint32_t offset)
{
	size_t i = (type * 0x9e3779b1u ^ offset * 0x85ebca6bu) >> 8 & (MISSING_ROOM - 1);
	while (t->pairs[i].count + t->pairs[i].others && (t->pairs[i].type != type || t->pairs[i].offset != offset))
		i = (i + 1) & (MISSING_ROOM - 1);
	return &t->pairs[i];
}

static void missing_declared(void *arg, void *field, cairn_gc_field_kind kind)
{
	missing_table *t = arg;
	size_t word = ((uintptr_t)field - t->object) / cairn_gc_slot_bytes(t->is_compressed);
	(void)kind;
	if (word < MISSING_WORDS)
		cairn_bit_set(t->declared, word);
}

static void missing_count(missing_table *t, uint32_t type, uint32_t offset, bool is_start)
{
	missing_pair *p = missing_place(t, type, offset);
	bool is_new = !p->count && !p->others;
	if (is_new && t->count == MISSING_MOST)
		return;
	t->count += is_new;
	p->type = type;
	p->offset = offset;
	p->others += !is_start;
	if (is_start && p->last != t->object) {
		p->count++;
		p->last = t->object;
	}
}

/* Is a word behind the first MISSING_WORDS, where no bits are kept, declared? By the trailing array's bitmap. */
static bool missing_is_tail_ref(const cairn_gc_record *r, size_t offset)
{
	return r->tail_stride && offset >= r->tail_offset &&
	       r->tail_refs >> (offset - r->tail_offset) % r->tail_stride / cairn_gc_slot_bytes(r->is_compressed) & 1;
}

/* The value there is none that is declared. Also where references are compressed a word may be an address; then its
 * halves are nothing. */
static void missing_value(missing_table *t, uint64_t header, const cairn_gc_record *r, size_t offset)
{
	uint32_t type = cairn_gc_header_type(header);
	const char *place = (const char *)t->object + offset, *word = place - offset % sizeof(uintptr_t);
	bool is_whole = offset / sizeof(uintptr_t) < cairn_gc_header_size(header) / sizeof(uintptr_t);
	bool is_address = is_whole && cairn_gc_survey_is_start(t->survey, *(const uintptr_t *)(const void *)word);
	uintptr_t to = is_address ? 1 : cairn_gc_slot_get(place, t->is_compressed);
	bool is_start = is_address || cairn_gc_survey_is_start(t->survey, to);
	if (!to || (is_address && place != word) || (!is_start && !t->is_compressed))
		return;
	if (r->tail_stride && offset >= r->tail_offset)
		offset = r->tail_offset + (offset - r->tail_offset) % r->tail_stride;
	missing_count(t, type, type == CAIRN_GC_TYPE_BYTES ? 0 : (uint32_t)offset, is_start);
}

static void missing_object(void *arg, void *object)
{
	missing_table *t = arg;
	uint64_t header = cairn_gc_header_of(object);
	const cairn_gc_record *r = cairn_gc_record_of(header);
	uint32_t type = cairn_gc_header_type(header);
	if (type >= t->types || r->flags & CAIRN_GC_CONSERVATIVE)
		return;
	t->of_type[type]++;
	t->object = (uintptr_t)object;
	memset(t->declared, 0, sizeof t->declared);
	cairn_gc_survey_fields(object, missing_declared, t);
	size_t unit = cairn_gc_slot_bytes(t->is_compressed), words = cairn_gc_header_size(header) / unit;
	/* a trace function may name what lies further back: not kept track of */
	words = r->trace && words > MISSING_WORDS ? MISSING_WORDS : words;
	for (size_t i = 0; i < words; i++) {
		bool is_declared =
			i < MISSING_WORDS ? cairn_bit_get(t->declared, i) : missing_is_tail_ref(r, i * unit);
		if (!is_declared)
			missing_value(t, header, r, i * unit);
	}
}

static bool missing_is_told(const missing_table *t, const missing_pair *p)
{
	uint32_t least = t->is_compressed ? MISSING_SLOTS_LEAST : MISSING_LEAST;
	return p->count >= least && p->count / 3 >= p->others &&
	       p->count >= t->of_type[p->type] / (100 / MISSING_PERCENT);
}

static void missing_tell(cairn_gc_findings *f, const missing_pair *p, uint32_t of)
{
	const cairn_gc_record *r = cairn_gc_records[p->type];
	cairn_line l = { 0 };
	cairn_line_text(&l, "type ");
	cairn_line_text(&l, r->name);
	if (p->type == CAIRN_GC_TYPE_BYTES) {
		cairn_line_text(&l, ": words in them look like references (");
	} else {
		cairn_line_text(&l, r->tail_stride && p->offset >= r->tail_offset ? ": the trailing array's word at "
										  : ": the word at ");
		cairn_line_dec(&l, p->offset);
		cairn_line_text(&l, r->tail_stride && p->offset >= r->tail_offset
					    ? " looks like a reference that .tail_refs does not name ("
					    : " looks like a reference that .refs does not name (");
	}
	cairn_line_dec(&l, p->count);
	cairn_line_text(&l, " of ");
	cairn_line_dec(&l, of);
	cairn_line_text(&l, " objects): ");
	if (p->type == CAIRN_GC_TYPE_BYTES) {
		cairn_line_text(&l, "a type with CAIRN_GC_TYPE");
	} else if (r->tail_stride && p->offset >= r->tail_offset) {
		cairn_line_text(&l, ".tail_refs = CAIRN_GC_TAIL_REF, for a struct the bits of its fields");
	} else {
		cairn_line_text(&l, "CAIRN_GC_REFS(");
		cairn_line_text(&l, r->name);
		cairn_line_text(&l, ", ...)");
	}
	cairn_gc_found(f, &l);
}

void cairn_gc_missing_fields(cairn_gc_survey *s)
{
	missing_table *t = cairn_gc_meta_alloc(NULL, sizeof *t);
	uint32_t types = cairn_gc_type_count();
	uint32_t *of_type = cairn_gc_meta_alloc(NULL, types * sizeof *of_type);
	if (t && of_type) {
		t->survey = s;
		t->is_compressed = s->heap->is_compressed;
		t->of_type = of_type;
		t->types = types;
		cairn_gc_survey_each(s, missing_object, t);
		for (size_t i = 0; i < MISSING_ROOM; i++) {
			const missing_pair *p = &t->pairs[i];
			if (missing_is_told(t, p))
				missing_tell(s->findings, p, of_type[p->type]);
		}
	} else {
		s->is_short = true;
	}
	cairn_gc_meta_free(NULL, t, sizeof *t);
	cairn_gc_meta_free(NULL, of_type, types * sizeof *of_type);
}
