/* gc/survey.c - reads a managed heap anew: where objects start, and what is reachable. The contract is gc/verify.h's.
 *
 * Breadth first, so that the path to an object is a shortest one. Everything is written plainly: this is the opinion
 * that the fast code is held against. */
#include "base/assert.h"
#include "gc/verify.h"

#include <string.h>

enum { SURVEY_BITS_BYTES = CAIRN_GC_SURVEY_GRAINS / 8, SURVEY_FIRST_ROOM = 1024 };

/* ---- one block ---- */

typedef struct block_reader {
	const cairn_gc_block *b;
	const uint8_t *bytes; /* about its grains */
	uintptr_t start, first, end;
	uint8_t colour;
	void (*wrong)(void *arg, uintptr_t cell, const char *what);
	void *arg;
} block_reader;

static const char *survey_header_wrong(uint64_t header, size_t room)
{
	if (!cairn_gc_header_is_object(header))
		return "its header says that it has moved, and no collection is at work";
	if (header & 0xe0)
		return "its header has bits that mean nothing";
	if (!cairn_gc_header_type(header) || cairn_gc_header_type(header) >= cairn_gc_type_count())
		return "its header names no type";
	if (cairn_gc_header_cell(header) > room)
		return "its size, as its header says, leads out of its place";
	const cairn_gc_record *r = cairn_gc_record_of(header);
	if (cairn_gc_header_size(header) < r->size)
		return "its size, as its header says, is less than its type's";
	return NULL;
}

static uint8_t block_byte(const block_reader *r, uintptr_t cell)
{
	return r->bytes[(cell - r->start) / CAIRN_GC_GRAIN];
}

static bool block_has_lived(const block_reader *r, uintptr_t cell)
{
	return (block_byte(r, cell) & CAIRN_GC_COLOUR) == r->colour;
}

/* The bytes of a cell that lived: END on its last grain and nothing between. */
static const char *block_bytes_wrong(const block_reader *r, uintptr_t cell, size_t cell_bytes)
{
	uintptr_t last = cell + cell_bytes - CAIRN_GC_GRAIN;
	for (uintptr_t at = cell; at < last; at += CAIRN_GC_GRAIN) {
		uint8_t byte = block_byte(r, at);
		if (byte & CAIRN_GC_END || (at != cell && byte & CAIRN_GC_COLOUR))
			return "the bytes about its grains say that it ends, or another begins, within it";
	}
	return block_byte(r, last) & CAIRN_GC_END ? NULL : "the byte about its last grain does not say END";
}

/* One cell's bytes, 0: something is wrong with it, and was told. */
static size_t block_check(const block_reader *r, uintptr_t cell, uintptr_t limit, bool has_lived)
{
	uint64_t header = *(const uint64_t *)cell;
	const char *what = header ? survey_header_wrong(header, limit - cell) : "it lived, and its header is 0";
	if (!what && has_lived)
		what = block_bytes_wrong(r, cell, cairn_gc_header_cell(header));
	if (!what)
		return cairn_gc_header_cell(header);
	if (r->wrong)
		r->wrong(r->arg, cell, what);
	return 0;
}

/* The next cell that lived, or the block's end. */
static uintptr_t block_hole_end(const block_reader *r, uintptr_t at)
{
	while (at < r->end && !block_has_lived(r, at))
		at += CAIRN_GC_GRAIN;
	return at < r->end ? at : r->end;
}

/* Cells from `at` on in a hole that was allocated into. False: read no further. */
static bool block_read_hole(const block_reader *r, uintptr_t at, uintptr_t end, bool (*object)(void *arg, void *p))
{
	while (at < end && *(const uint64_t *)at) {
		size_t bytes = block_check(r, at, end, false);
		if (!bytes || !object(r->arg, cairn_gc_cell_object(at)))
			return false;
		at += bytes;
	}
	return true;
}

static void block_read_cells(const block_reader *r, bool (*object)(void *arg, void *p))
{
	uintptr_t filled = r->first + r->b->filled;
	for (uintptr_t at = r->first; at < r->end;) {
		if (block_has_lived(r, at)) {
			size_t bytes = block_check(r, at, r->end, true);
			if (!bytes || !object(r->arg, cairn_gc_cell_object(at)))
				return;
			at += bytes;
			continue;
		}
		uintptr_t end = block_hole_end(r, at);
		if (at < filled && !block_read_hole(r, at, end < filled ? end : filled, object))
			return;
		at = end;
	}
}

static void block_read_large(const block_reader *r, bool (*object)(void *arg, void *p))
{
	uintptr_t cell = (uintptr_t)cairn_gc_block_large(r->b) - CAIRN_GC_HEADER_BYTES;
	uint8_t colour = block_byte(r, cell) & CAIRN_GC_COLOUR;
	if ((colour && colour != r->colour) || !*(const uint64_t *)cell)
		return; /* dead and not swept; or not made yet */
	const cairn_gc_slab *slab = cairn_gc_slab_of(r->b);
	size_t room = slab->is_huge ? (uintptr_t)slab + (slab->granules << CAIRN_GRANULE_SHIFT) - r->start
				    : (size_t)r->b->blocks * CAIRN_GC_BLOCK_BYTES;
	const char *what = survey_header_wrong(*(const uint64_t *)cell, room - (cell - r->start));
	if (!what)
		object(r->arg, cairn_gc_cell_object(cell));
	else if (r->wrong)
		r->wrong(r->arg, cell, what);
}

void cairn_gc_survey_block(const cairn_gc_block *b, uint8_t colour, bool (*object)(void *arg, void *p),
	void (*wrong)(void *arg, uintptr_t cell, const char *what), void *arg)
{
	block_reader r = { .b = b,
		.bytes = cairn_gc_block_bytes(b),
		.start = (uintptr_t)cairn_gc_block_start(b),
		.first = cairn_gc_block_first(b),
		.end = cairn_gc_block_end(b),
		.colour = colour,
		.wrong = wrong,
		.arg = arg };
	if (b->kind == CAIRN_GC_BLOCK_CELLS)
		block_read_cells(&r, object);
	else if (b->kind == CAIRN_GC_BLOCK_LARGE)
		block_read_large(&r, object);
}

/* ---- slabs and starts ---- */

static cairn_gc_survey_slab *survey_place(const cairn_gc_survey *s, const cairn_gc_slab *slab)
{
	size_t i = ((uintptr_t)slab >> CAIRN_GC_SLAB_SHIFT) * 0x9e3779b97f4a7c15u >> 20 & (s->room - 1);
	while (s->slabs[i].slab && s->slabs[i].slab != slab)
		i = (i + 1) & (s->room - 1);
	return &s->slabs[i];
}

static size_t survey_grain(const void *object)
{
	return (((uintptr_t)object - CAIRN_GC_HEADER_BYTES) & (CAIRN_GC_SLAB_BYTES - 1)) / CAIRN_GC_GRAIN;
}

static bool survey_add_slab(cairn_gc_survey *s, cairn_gc_slab *slab)
{
	cairn_gc_survey_slab *place = survey_place(s, slab);
	uintptr_t from = (uintptr_t)slab, to = from + slab->granules * (size_t)CAIRN_GRANULE_BYTES;
	place->starts = cairn_gc_meta_alloc(NULL, 2 * SURVEY_BITS_BYTES);
	if (!place->starts)
		return false;
	place->marks = place->starts + SURVEY_BITS_BYTES / sizeof *place->marks;
	place->slab = slab;
	s->low = from < s->low ? from : s->low;
	s->high = to > s->high ? to : s->high;
	return true;
}

static bool survey_is_freed(const void *object)
{
	return cairn_gc_header_type(cairn_gc_header_of(object)) == CAIRN_GC_TYPE_FREED;
}

static bool survey_start(void *arg, void *object)
{
	cairn_gc_survey *s = arg;
	if (survey_is_freed(object))
		return true;
	cairn_bit_set(survey_place(s, cairn_gc_slab_of(object))->starts, survey_grain(object));
	s->objects++;
	return true;
}

static void survey_wrong(void *arg, uintptr_t cell, const char *what)
{
	cairn_gc_survey *s = arg;
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: the object at ");
	cairn_line_hex(&l, cell + CAIRN_GC_HEADER_BYTES);
	cairn_line_text(&l, ", header ");
	cairn_line_hex(&l, *(const uint64_t *)cell);
	cairn_line_text(&l, ": ");
	cairn_line_text(&l, what);
	cairn_gc_found(s->findings, &l);
}

bool cairn_gc_survey_begin(cairn_gc_survey *s, struct cairn_gc_heap *h, cairn_gc_findings *f)
{
	*s = (cairn_gc_survey){ .heap = h, .findings = f, .low = UINTPTR_MAX, .room = 4 };
	CAIRN_GC_EACH_SLAB(slab, &h->blocks)
		s->objects++;
	while (s->room < 2 * s->objects)
		s->room *= 2;
	s->objects = 0;
	s->slabs = cairn_gc_meta_alloc(NULL, s->room * sizeof *s->slabs);
	if (!s->slabs)
		return false;
	CAIRN_GC_EACH_SLAB(slab, &h->blocks) {
		if (!survey_add_slab(s, slab)) {
			cairn_gc_survey_end(s);
			return false;
		}
		CAIRN_GC_EACH_BLOCK_OF(b, slab)
			cairn_gc_survey_block(b, h->blocks.colour, survey_start, survey_wrong, s);
	}
	return true;
}

void cairn_gc_survey_end(cairn_gc_survey *s)
{
	for (size_t i = 0; i < s->room; i++)
		cairn_gc_meta_free(NULL, s->slabs[i].starts, 2 * SURVEY_BITS_BYTES);
	cairn_gc_meta_free(NULL, s->slabs, s->room * sizeof *s->slabs);
	cairn_gc_meta_free(NULL, s->reached, s->reached_room * sizeof *s->reached);
	cairn_gc_meta_free(NULL, s->roots, s->root_room * sizeof *s->roots);
	*s = (cairn_gc_survey){ 0 };
}

/* The slab whose span p lies in, with its bits; NULL: none of this heap. */
static cairn_gc_survey_slab *survey_slab_at(const cairn_gc_survey *s, uintptr_t p)
{
	if (p < s->low || p >= s->high)
		return NULL;
	cairn_gc_survey_slab *near = survey_place(s, cairn_gc_slab_of((void *)p));
	if (near->slab)
		return near;
	cairn_gc_slab *slab = cairn_gc_slab_at(p); /* far behind the beginning of a huge one */
	near = slab ? survey_place(s, slab) : near;
	return near->slab ? near : NULL;
}

bool cairn_gc_survey_is_start(const cairn_gc_survey *s, uintptr_t p)
{
	if (p < s->low || p >= s->high || p % CAIRN_GC_GRAIN)
		return false;
	const cairn_gc_survey_slab *slab = survey_place(s, cairn_gc_slab_of((void *)p));
	return slab->slab && cairn_bit_get(slab->starts, survey_grain((void *)p));
}

bool cairn_gc_survey_is_reached(const cairn_gc_survey *s, const void *object)
{
	const cairn_gc_survey_slab *slab = survey_place(s, cairn_gc_slab_of(object));
	return slab->slab && cairn_bit_get(slab->marks, survey_grain(object));
}

/* The LARGE block that p's belongs to; NULL: it is of another kind. */
static const cairn_gc_block *survey_large_block(cairn_gc_slab *slab, uintptr_t p)
{
	size_t i = slab->is_huge ? CAIRN_GC_FIRST_BLOCK : (p - (uintptr_t)slab) >> CAIRN_GC_BLOCK_SHIFT;
	while (i > CAIRN_GC_FIRST_BLOCK && slab->block[i].kind == CAIRN_GC_BLOCK_LARGE_MORE)
		i--;
	return slab->block[i].kind == CAIRN_GC_BLOCK_LARGE ? &slab->block[i] : NULL;
}

void *cairn_gc_survey_at(const cairn_gc_survey *s, uintptr_t p, bool with_end)
{
	uintptr_t at = p - CAIRN_GC_HEADER_BYTES; /* in its cell, be it the object's start or its end */
	cairn_gc_survey_slab *slab = survey_slab_at(s, at);
	if (!slab || at - (uintptr_t)slab->slab < (size_t)CAIRN_GC_FIRST_BLOCK << CAIRN_GC_BLOCK_SHIFT)
		return NULL;
	char *object;
	const cairn_gc_block *large = survey_large_block(slab->slab, at);
	if (large) {
		object = cairn_gc_block_large(large);
	} else {
		uintptr_t block = cairn_round_down(at, CAIRN_GC_BLOCK_BYTES);
		size_t lowest = (block - (uintptr_t)slab->slab) / CAIRN_GC_GRAIN;
		size_t i = (at - (uintptr_t)slab->slab) / CAIRN_GC_GRAIN;
		while (i > lowest && !cairn_bit_get(slab->starts, i))
			i--;
		object = (char *)slab->slab + i * CAIRN_GC_GRAIN + CAIRN_GC_HEADER_BYTES;
	}
	if (!cairn_gc_survey_is_start(s, (uintptr_t)object))
		return NULL;
	size_t size = cairn_gc_header_size(cairn_gc_header_of(object));
	if (p == (uintptr_t)object)
		return object;
	return p > (uintptr_t)object && p - (uintptr_t)object < size + with_end ? object : NULL;
}

void cairn_gc_survey_each(const cairn_gc_survey *s, void (*visit)(void *arg, void *object), void *arg)
{
	for (size_t i = 0; i < s->room; i++) {
		const cairn_gc_survey_slab *slab = &s->slabs[i];
		for (size_t w = 0; slab->slab && w < CAIRN_GC_SURVEY_GRAINS / 64; w++)
			for (uint64_t bits = slab->starts[w]; bits; bits &= bits - 1)
				visit(arg, (char *)slab->slab + CAIRN_GC_HEADER_BYTES +
						   (w * 64 + (unsigned)__builtin_ctzll(bits)) * CAIRN_GC_GRAIN);
	}
}

/* ---- fields ---- */

typedef struct field_walk {
	void (*visit)(void *arg, void *field, cairn_gc_field_kind kind);
	void *arg;
} field_walk;

static void survey_traced(void *arg, void *field)
{
	const field_walk *w = arg;
	w->visit(w->arg, field, CAIRN_GC_FIELD_TRACED);
}

static void survey_bits(
	char *first, const cairn_gc_record *r, uint64_t bits, cairn_gc_field_kind kind, const field_walk *w)
{
	for (unsigned i = 0; i < 64; i++)
		if (bits >> i & 1)
			w->visit(w->arg, first + i * cairn_gc_slot_bytes(r->is_compressed), kind);
}

void cairn_gc_survey_fields(
	void *object, void (*visit)(void *arg, void *field, cairn_gc_field_kind kind), void *arg)
{
	uint64_t header = cairn_gc_header_of(object);
	const cairn_gc_record *r = cairn_gc_record_of(header);
	field_walk w = { visit, arg };
	if (r->flags & CAIRN_GC_CONSERVATIVE) {
		for (size_t i = 0; i < cairn_gc_header_size(header) / sizeof(uintptr_t); i++)
			visit(arg, (uintptr_t *)object + i, CAIRN_GC_FIELD_AMBIGUOUS);
		return;
	}
	survey_bits(object, r, r->refs, CAIRN_GC_FIELD_STRONG, &w);
	survey_bits(object, r, r->weak, CAIRN_GC_FIELD_WEAK, &w);
	size_t n = r->tail_refs ? cairn_gc_header_length(header, r) : 0;
	for (size_t i = 0; i < n; i++)
		survey_bits((char *)object + r->tail_offset + i * r->tail_stride, r, r->tail_refs,
			CAIRN_GC_FIELD_STRONG, &w);
	if (r->trace)
		cairn_gc_each_field(object, CAIRN_GC_FIELD_TRACED, survey_traced, &w);
}

/* ---- what is reachable ---- */

/* Makes room for one more in an array of `size` bytes an item. False: no memory. */
static bool survey_room(void **items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return true;
	size_t more = *room ? 2 * *room : SURVEY_FIRST_ROOM;
	void *fresh = cairn_gc_meta_alloc(NULL, more * size);
	if (!fresh)
		return false;
	if (count)
		memcpy(fresh, *items, count * size);
	cairn_gc_meta_free(NULL, *items, *room * size);
	*items = fresh;
	*room = more;
	return true;
}

static void survey_push(cairn_gc_survey *s, uintptr_t object, uint32_t parent, uint32_t field)
{
	cairn_gc_survey_slab *slab = survey_place(s, cairn_gc_slab_of((void *)object));
	if (cairn_bit_get(slab->marks, survey_grain((void *)object)))
		return;
	if (s->count >= CAIRN_GC_BY_RECORD ||
		!survey_room((void **)&s->reached, s->count, &s->reached_room, sizeof *s->reached)) {
		s->is_short = true;
		return;
	}
	cairn_bit_set(slab->marks, survey_grain((void *)object));
	s->reached[s->count++] = (cairn_gc_reached_entry){ object, parent, field };
}

static void survey_bad_edge(cairn_gc_survey *s, const void *field, uintptr_t to, cairn_gc_field_kind kind)
{
	const void *object = (const void *)s->reached[s->from].object;
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_gc_say_object(&l, object);
	cairn_gc_say_field(&l, object, field);
	cairn_line_text(&l, kind == CAIRN_GC_FIELD_WEAK ? " (weak) -> " : " -> ");
	cairn_gc_say_why_not(s, &l, to);
	cairn_gc_found(s->findings, &l);
	l = (cairn_line){ 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_gc_say_path(s, &l, s->from);
	cairn_gc_found_more(s->findings, &l);
}

/* An old object that is WATCHED refers to what is young: a store was not told (GYO1). */
static void survey_check_told(cairn_gc_survey *s, void *field, uintptr_t to)
{
	const void *object = (const void *)s->reached[s->from].object;
	if (!s->heap->plan->has_young || s->heap->young.is_short || cairn_gc_block_of(object)->is_young ||
		!cairn_gc_block_of((const void *)to)->is_young || cairn_gc_young_is_told(object, field))
		return;
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_gc_say_object(&l, object);
	cairn_gc_say_field(&l, object, field);
	cairn_line_text(&l, " -> ");
	cairn_gc_say_object(&l, (const void *)to);
	cairn_line_text(&l, ": young, and the store into what is old was not by cairn_gc_set");
	cairn_gc_found(s->findings, &l);
}

/* Where a field lies in its object, in units that a slot has, too. */
static uint32_t survey_unit(const cairn_gc_survey *s, const void *field)
{
	size_t unit = (size_t)((const char *)field - (const char *)s->reached[s->from].object) / CAIRN_GC_FIELD_UNIT;
	return unit < UINT32_MAX ? (uint32_t)unit : UINT32_MAX;
}

static void survey_ambiguous_word(cairn_gc_survey *s, const uintptr_t *word)
{
	uintptr_t means[CAIRN_GC_MEANINGS];
	unsigned n = cairn_gc_slot_meanings(*word, s->heap->is_compressed, means);
	for (unsigned i = 0; i < n; i++) {
		uintptr_t to = i ? means[i] : (uintptr_t)cairn_gc_survey_at(s, means[i], true);
		if (to && cairn_gc_survey_is_start(s, to))
			survey_push(s, to, s->from, survey_unit(s, word));
	}
}

static void survey_edge(void *arg, void *field, cairn_gc_field_kind kind)
{
	cairn_gc_survey *s = arg;
	if (kind == CAIRN_GC_FIELD_AMBIGUOUS) {
		survey_ambiguous_word(s, field);
		return;
	}
	uintptr_t to = cairn_gc_slot_get(field, s->heap->is_compressed);
	if (!to)
		return;
	if (!cairn_gc_survey_is_start(s, to))
		survey_bad_edge(s, field, to, kind);
	else
		survey_check_told(s, field, to);
	if (cairn_gc_survey_is_start(s, to) && kind != CAIRN_GC_FIELD_WEAK)
		survey_push(s, to, s->from, survey_unit(s, field));
}

static void survey_bad_root(cairn_gc_survey *s, const char *name, uintptr_t to)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_line_text(&l, name);
	cairn_line_text(&l, " -> ");
	cairn_gc_say_why_not(s, &l, to);
	cairn_gc_found(s->findings, &l);
}

/* The root that is told of leads to `to`. */
static void survey_root(cairn_gc_survey *s, uintptr_t to)
{
	const void *word = s->heap->roots.word;
	if (!cairn_gc_survey_is_start(s, to)) {
		char name[96] = "";
		cairn_gc_root_name(s->heap, word, name, sizeof name);
		survey_bad_root(s, name, to);
	} else if (!survey_room((void **)&s->roots, s->root_count, &s->root_room, sizeof *s->roots)) {
		s->is_short = true;
	} else {
		s->roots[s->root_count++] = (uintptr_t)word;
		survey_push(s, to, CAIRN_GC_BY_ROOT, (uint32_t)(s->root_count - 1));
	}
}

static void survey_ambiguous(void *arg, void *object)
{
	cairn_gc_survey *s = arg;
	if (!survey_is_freed(object)) /* a stale word is no error of anybody's */
		survey_root(s, (uintptr_t)object);
}

static void survey_exact(void *arg, uintptr_t *word)
{
	if (*word)
		survey_root(arg, *word);
}

static void survey_record(void *arg, uintptr_t *word)
{
	cairn_gc_survey *s = arg;
	if (*word && cairn_gc_survey_is_start(s, *word))
		survey_push(s, *word, CAIRN_GC_BY_RECORD, 0);
	else if (*word)
		survey_bad_root(s, "a table, guardian or cleanup", *word);
}

/* What is reachable lived through the collection that has just ended, so it has its colour. */
static void survey_check_colour(cairn_gc_survey *s, uint32_t index)
{
	const void *object = (const void *)s->reached[index].object;
	bool has_colour = (*cairn_gc_byte_of(object) & CAIRN_GC_COLOUR) == s->heap->blocks.colour;
	if (!s->is_after || has_colour || cairn_gc_block_of(object)->was_recent)
		return;
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_gc_say_object(&l, object);
	cairn_line_text(&l, ": reachable, and the collection has not marked it");
	cairn_gc_found(s->findings, &l);
	l = (cairn_line){ 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_gc_say_path(s, &l, index);
	cairn_gc_found_more(s->findings, &l);
}

static void survey_close(cairn_gc_survey *s, size_t *done)
{
	for (; *done < s->count; ++*done) {
		s->from = (uint32_t)*done;
		survey_check_colour(s, s->from);
		cairn_gc_survey_fields((void *)s->reached[*done].object, survey_edge, s);
	}
}

/* What only cairn's records lead to comes last, so that a path through the program's own roots is preferred. */
void cairn_gc_survey_reach(cairn_gc_survey *s)
{
	size_t done = 0;
	cairn_gc_roots_exact(s->heap, survey_exact, s);
	cairn_gc_roots_ambiguous(s->heap, survey_ambiguous, s);
	survey_close(s, &done);
	cairn_gc_deaths_each_word(s->heap, survey_record, s);
	survey_close(s, &done);
}

bool cairn_gc_survey_validate(const cairn_gc_survey *s)
{
	for (size_t i = 0; i < s->count; i++) {
		uint32_t parent = s->reached[i].parent;
		if (parent < CAIRN_GC_BY_RECORD && parent >= i)
			return false; /* (GV1) */
		if (!cairn_gc_survey_is_start(s, s->reached[i].object))
			return false; /* (GV2) */
	}
	return true;
}
