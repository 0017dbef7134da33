/* gc/verify.c - what is wrong with a managed heap, in words: the public verifier and that of zeal. See gc/verify.h.
 *
 * Findings are written down while the world is stopped and printed when it runs, for a program's FILE may need malloc,
 * or wait. Under zeal they are printed in the stop, by os/report.h, and the process ends there.
 *
 * Locks: the world's, by the stop. Failure: no memory: a finding says so. */
#include "base/assert.h"
#include "gc/verify.h"
#include "os/report.h"

#include <string.h>

enum { PATH_STEPS = 6 };

/* ---- findings ---- */

bool cairn_gc_findings_begin(cairn_gc_findings *f)
{
	*f = (cairn_gc_findings){ .lines = cairn_gc_meta_alloc(NULL, CAIRN_GC_FINDINGS_LINES * sizeof *f->lines) };
	return f->lines;
}

void cairn_gc_found_more(cairn_gc_findings *f, const cairn_line *l)
{
	if (f->lines && f->count < CAIRN_GC_FINDINGS_LINES)
		f->lines[f->count++] = *l;
}

void cairn_gc_found(cairn_gc_findings *f, const cairn_line *l)
{
	f->errors++;
	cairn_gc_found_more(f, l);
}

static void findings_print_line(const cairn_line *l, FILE *to)
{
	if (to) {
		fprintf(to, "%.*s\n", (int)l->used, l->text);
		return;
	}
	cairn_line copy = { 0 };
	char text[CAIRN_LINE_MAX + 1];
	size_t n = l->used < CAIRN_LINE_MAX ? l->used : CAIRN_LINE_MAX;
	memcpy(text, l->text, n);
	text[n] = 0;
	cairn_line_text(&copy, "cairn: ");
	cairn_line_text(&copy, text);
	cairn_report(&copy);
}

void cairn_gc_findings_print(const cairn_gc_findings *f, FILE *to)
{
	for (size_t i = 0; i < f->count; i++)
		findings_print_line(&f->lines[i], to);
	if (f->count < CAIRN_GC_FINDINGS_LINES)
		return;
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: findings in all: ");
	cairn_line_dec(&l, f->errors);
	findings_print_line(&l, to);
}

void cairn_gc_findings_end(cairn_gc_findings *f)
{
	cairn_gc_meta_free(NULL, f->lines, CAIRN_GC_FINDINGS_LINES * sizeof *f->lines);
	f->lines = NULL;
}

/* ---- words ---- */

void cairn_gc_say_object(cairn_line *l, const void *object)
{
	uint64_t header = cairn_gc_header_of(object);
	uint32_t type = cairn_gc_header_type(header);
	if (cairn_gc_header_is_object(header) && type && type < cairn_gc_type_count()) {
		cairn_line_text(l, cairn_gc_record_of(header)->name);
		cairn_line_text(l, " ");
	}
	cairn_line_hex(l, (uintptr_t)object);
}

void cairn_gc_say_field(cairn_line *l, const void *object, const void *field)
{
	const cairn_gc_record *r = cairn_gc_record_of(cairn_gc_header_of(object));
	size_t offset = (size_t)((const char *)field - (const char *)object);
	cairn_line_text(l, " ");
	if (r->tail_stride && offset >= r->tail_offset) {
		cairn_line_text(l, "[");
		cairn_line_dec(l, (offset - r->tail_offset) / r->tail_stride);
		cairn_line_text(l, "]");
		offset = (offset - r->tail_offset) % r->tail_stride;
		if (r->tail_stride == cairn_gc_slot_bytes(r->is_compressed))
			return;
	}
	cairn_line_text(l, "+");
	cairn_line_dec(l, offset);
}

/* p is in a slab of s's heap, behind its records, at a multiple of 8. */
static void say_dead(cairn_line *l, uintptr_t p)
{
	const cairn_gc_block *b = cairn_gc_block_of((void *)p);
	if (b->kind == CAIRN_GC_BLOCK_EMPTY) { /* it may not even be accessible */
		cairn_line_hex(l, p);
		cairn_line_text(l, ": not an object (dead, its block is free)");
		return;
	}
	uint64_t header = cairn_gc_header_of((void *)p);
	bool is_freed = cairn_gc_header_is_object(header) && cairn_gc_header_type(header) == CAIRN_GC_TYPE_FREED;
	if (is_freed)
		cairn_line_hex(l, p);
	else
		cairn_gc_say_object(l, (void *)p);
	if (is_freed) {
		cairn_line_text(l, ": not an object (freed by cairn_gc_free)");
	} else if (cairn_gc_header_is_moved(header) && header % CAIRN_GC_GRAIN == 0) {
		cairn_line_text(l, ": not an object (it has moved to ");
		cairn_line_hex(l, header);
		cairn_line_text(l, ")");
	} else {
		cairn_line_text(l, ": not an object (dead)");
	}
}

void cairn_gc_say_why_not(const cairn_gc_survey *s, cairn_line *l, uintptr_t p)
{
	const cairn_gc_slab *slab = cairn_gc_slab_at(p);
	const void *around = slab && slab->heap == s->heap ? cairn_gc_survey_at(s, p, false) : NULL;
	size_t offset = p - (uintptr_t)slab;
	if (slab && slab->heap == s->heap && !around && p % CAIRN_GC_GRAIN == 0 && offset < CAIRN_GC_SLAB_BYTES &&
		offset >= (size_t)CAIRN_GC_FIRST_BLOCK << CAIRN_GC_BLOCK_SHIFT) {
		say_dead(l, p);
		return;
	}
	cairn_line_hex(l, p);
	cairn_line_text(l, ": not an object (");
	if (!slab) {
		cairn_line_text(l, "of no managed heap)");
	} else if (slab->heap != s->heap) {
		cairn_line_text(l, "of the heap ");
		cairn_line_text(l, slab->heap->config.name);
		cairn_line_text(l, ")");
	} else if (around) {
		cairn_line_text(l, "inside ");
		cairn_gc_say_object(l, around);
		cairn_line_text(l, ")");
	} else {
		cairn_line_text(l, "not at an object's start)");
	}
}

/* ---- the path to an object ---- */

static void say_root(const cairn_gc_survey *s, cairn_line *l, const cairn_gc_reached_entry *e)
{
	char name[96] = "";
	if (e->parent == CAIRN_GC_BY_RECORD) {
		cairn_line_text(l, "a table, guardian or cleanup");
	} else {
		cairn_gc_root_name(s->heap, (const void *)s->roots[e->field], name, sizeof name);
		cairn_line_text(l, name);
	}
}

void cairn_gc_say_path(const cairn_gc_survey *s, cairn_line *l, uint32_t index)
{
	uint32_t steps[PATH_STEPS], count = 0, left_out = 0, at = index;
	for (;; at = s->reached[at].parent) {
		if (count < PATH_STEPS)
			steps[count++] = at;
		else
			left_out++;
		if (s->reached[at].parent >= CAIRN_GC_BY_RECORD)
			break;
	}
	cairn_line_text(l, "path: ");
	say_root(s, l, &s->reached[at]);
	if (left_out) {
		cairn_line_text(l, " -> ");
		cairn_line_dec(l, left_out);
		cairn_line_text(l, " more");
	}
	while (count--) {
		cairn_line_text(l, " -> ");
		cairn_gc_say_object(l, (const void *)s->reached[steps[count]].object);
		if (count) {
			const char *object = (const char *)s->reached[steps[count]].object;
			size_t offset = (size_t)s->reached[steps[count - 1]].field * CAIRN_GC_FIELD_UNIT;
			cairn_gc_say_field(l, object, object + offset);
		}
	}
}

/* ---- stops ---- */

typedef struct stop_call {
	void (*call)(struct cairn_gc_heap *h, void *arg);
	void *arg;
} stop_call;

static void verify_with_registers(cairn_gc_thread *t, void *arg)
{
	const stop_call *c = arg;
	cairn_gc_world_stop(t->heap, t, false);
	c->call(t->heap, c->arg);
	cairn_gc_blocks_forget_starts(t->heap);
	cairn_gc_world_resume(t->heap, t);
}

void cairn_gc_in_a_stop(cairn_gc_mutator *m, void (*call)(struct cairn_gc_heap *h, void *arg), void *arg)
{
	stop_call c = { call, arg };
	cairn_gc_with_registers(cairn_gc_thread_of(m), verify_with_registers, &c);
}

/* ---- the whole ---- */

static void verify_short(cairn_gc_findings *f)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: no memory to look at all of it");
	cairn_gc_found(f, &l);
	f->is_short = true;
}

/* Where the survey has found nothing, the parts are asked, whose word is an assertion: only where those are built. */
static void verify_parts(struct cairn_gc_heap *h)
{
	cairn_gc_blocks_validate(h);
	cairn_gc_world_validate(h);
	cairn_gc_roots_validate(h);
	cairn_gc_deaths_validate(h);
	cairn_gc_young_validate(h);
	cairn_gc_mixed_validate(h);
	cairn_gc_zeal_validate(h);
}

static void verify_all(struct cairn_gc_heap *h, cairn_gc_findings *f, bool is_after)
{
	cairn_gc_survey s;
	if (!cairn_gc_findings_begin(f) || !cairn_gc_survey_begin(&s, h, f)) {
		verify_short(f);
		return;
	}
	s.is_after = is_after && h->plan->collector != CAIRN_GC_NONE;
	cairn_gc_survey_reach(&s);
	if (s.is_short)
		verify_short(f);
	cairn_assert_slow(cairn_gc_survey_validate(&s));
	cairn_gc_survey_end(&s);
	cairn_gc_blocks_forget_starts(h); /* the walk over ambiguous words has found them */
	if (CAIRN_DEBUG && !f->errors)
		verify_parts(h);
	cairn_gc_blocks_forget_starts(h);
}

void cairn_gc_verify_stopped(struct cairn_gc_heap *h, bool is_after)
{
	cairn_gc_findings f = { 0 };
	verify_all(h, &f, is_after);
	if (f.errors)
		cairn_gc_findings_print(&f, NULL);
	if (f.errors > f.is_short) { /* to have had no memory for it is no error of the heap's */
		cairn_line l = { 0 };
		cairn_line_text(&l,
			is_after ? "cairn: heap verify: after collection " : "cairn: heap verify: before collection ");
		cairn_line_dec(&l, h->collection);
		cairn_line_text(&l, ": aborted");
		cairn_report_abort(&l);
	}
	cairn_gc_findings_end(&f);
}

static void verify_call(struct cairn_gc_heap *h, void *arg) { verify_all(h, arg, false); }

size_t cairn_gc_verify(cairn_gc_mutator *m, FILE *to)
{
	cairn_gc_findings f = { 0 };
	cairn_gc_in_a_stop(m, verify_call, &f);
	if (f.errors) {
		cairn_gc_leave(m); /* writing may wait */
		cairn_gc_findings_print(&f, to);
		cairn_gc_enter(m);
	}
	cairn_gc_findings_end(&f);
	return f.errors;
}

/* ---- looking at all, or one ---- */

typedef struct each_call {
	void (*visit)(void *object, void *arg);
	void *arg;
} each_call;

static bool each_object(void *arg, void *p)
{
	const each_call *c = arg;
	if (cairn_gc_header_type(cairn_gc_header_of(p)) != CAIRN_GC_TYPE_FREED)
		c->visit(p, c->arg);
	return true;
}

static void each_call_in_stop(struct cairn_gc_heap *h, void *arg)
{
	CAIRN_GC_EACH_BLOCK(b, &h->blocks)
		cairn_gc_survey_block(b, h->blocks.colour, each_object, NULL, arg);
}

void cairn_gc_each(cairn_gc_mutator *m, void (*visit)(void *object, void *arg), void *arg)
{
	each_call c = { visit, arg };
	cairn_gc_in_a_stop(m, each_call_in_stop, &c);
}

typedef struct is_object_call {
	const void *p;
	bool is_object;
} is_object_call;

static bool is_object_this(void *arg, void *p)
{
	is_object_call *c = arg;
	c->is_object |= p == c->p && cairn_gc_header_type(cairn_gc_header_of(p)) != CAIRN_GC_TYPE_FREED;
	return p < c->p;
}

static void is_object_in_stop(struct cairn_gc_heap *h, void *arg)
{
	is_object_call *c = arg;
	const cairn_gc_slab *slab = cairn_gc_slab_at((uintptr_t)c->p);
	size_t offset = (uintptr_t)c->p - (uintptr_t)slab;
	if (slab && slab->heap == h && offset < CAIRN_GC_SLAB_BYTES &&
		offset >= (size_t)CAIRN_GC_FIRST_BLOCK << CAIRN_GC_BLOCK_SHIFT)
		cairn_gc_survey_block(cairn_gc_block_of(c->p), h->blocks.colour, is_object_this, NULL, c);
}

bool cairn_gc_is_object(cairn_gc_mutator *m, const void *p)
{
	is_object_call c = { .p = p };
	cairn_gc_in_a_stop(m, is_object_in_stop, &c);
	return c.is_object;
}
