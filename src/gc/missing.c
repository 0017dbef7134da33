/* gc/missing.c - fields that a type's description does not name: words of its objects that look like references.
 *
 *   each object ──▶ words that are in no bitmap and not told of by its trace function
 *               ──▶ at an object's start? ──▶ counted for (type, offset) ──▶ told, where chance is no explanation
 *
 * A number that equals the address of an object's start by chance is rare in 64 bits; a stale word of a union, or a
 * cache of addresses, is not. So an offset is told when more than two objects have one, and a tenth of all of the type.
 *
 * Threads, locks: those of the survey. Failure: no memory, or more than ROOM pairs: the rest is not looked at. */
#include "gc/verify.h"

#include <string.h>

enum { MISSING_ROOM = 1024, MISSING_MOST = 768, MISSING_WORDS = 512, MISSING_LEAST = 3, MISSING_PERCENT = 10 };

typedef struct missing_pair {
	uint32_t type, offset; /* offset: of a trailing element's word, in the first element */
	uint32_t count;        /* of objects; 0: a free place */
	uintptr_t last;        /* the object counted last */
} missing_pair;

typedef struct missing_table {
	const cairn_gc_survey *survey;
	missing_pair pairs[MISSING_ROOM];
	size_t count;
	uint64_t declared[MISSING_WORDS / 64]; /* of the object at hand, its first words */
	uintptr_t object;
	uint32_t *of_type; /* objects */
	uint32_t types;
} missing_table;

static missing_pair *missing_place(missing_table *t, uint32_t type, uint32_t offset)
{
	size_t i = (type * 0x9e3779b1u ^ offset * 0x85ebca6bu) >> 8 & (MISSING_ROOM - 1);
	while (t->pairs[i].count && (t->pairs[i].type != type || t->pairs[i].offset != offset))
		i = (i + 1) & (MISSING_ROOM - 1);
	return &t->pairs[i];
}

static void missing_declared(void *arg, void *field, cairn_gc_field_kind kind)
{
	missing_table *t = arg;
	size_t word = ((uintptr_t)field - t->object) / sizeof(uintptr_t); /* one that holds slots holds no address */
	(void)kind;
	if (word < MISSING_WORDS)
		cairn_bit_set(t->declared, word);
}

static void missing_count(missing_table *t, uint32_t type, uint32_t offset)
{
	missing_pair *p = missing_place(t, type, offset);
	if (!p->count && t->count == MISSING_MOST)
		return;
	t->count += !p->count;
	if (p->last != t->object)
		*p = (missing_pair){ type, offset, p->count + 1, t->object };
}

/* Is a word behind the first MISSING_WORDS, where no bits are kept, declared? By the trailing array's bitmap. */
static bool missing_is_tail_ref(const cairn_gc_record *r, size_t offset)
{
	return r->tail_stride && offset >= r->tail_offset &&
	       r->tail_refs >> (offset - r->tail_offset) % r->tail_stride / sizeof(uintptr_t) & 1;
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
	size_t words = cairn_gc_header_size(header) / sizeof(uintptr_t);
	/* a trace function may name what lies further back: not kept track of */
	words = r->trace && words > MISSING_WORDS ? MISSING_WORDS : words;
	for (size_t i = 0; i < words; i++) {
		size_t offset = i * sizeof(uintptr_t);
		if (i < MISSING_WORDS ? cairn_bit_get(t->declared, i) : missing_is_tail_ref(r, offset))
			continue;
		if (!cairn_gc_survey_is_start(t->survey, ((const uintptr_t *)object)[i]))
			continue;
		if (r->tail_stride && offset >= r->tail_offset)
			offset = r->tail_offset + (offset - r->tail_offset) % r->tail_stride;
		missing_count(t, type, type == CAIRN_GC_TYPE_BYTES ? 0 : (uint32_t)offset);
	}
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
		t->of_type = of_type;
		t->types = types;
		cairn_gc_survey_each(s, missing_object, t);
		for (size_t i = 0; i < MISSING_ROOM; i++) {
			const missing_pair *p = &t->pairs[i];
			if (p->count >= MISSING_LEAST && p->count >= of_type[p->type] / (100 / MISSING_PERCENT))
				missing_tell(s->findings, p, of_type[p->type]);
		}
	} else {
		s->is_short = true;
	}
	cairn_gc_meta_free(NULL, t, sizeof *t);
	cairn_gc_meta_free(NULL, of_type, types * sizeof *of_type);
}
