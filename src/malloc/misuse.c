/* malloc/misuse.c - the messages of misuse.h. */
#include "malloc/misuse.h"

#include "malloc/stats.h"
#include "os/report.h"
#include "page/window.h"

/* "cairn: free: already free: 0x7f..". */
static void line_begin(cairn_line *l, const char *who, const char *what, const void *p)
{
	cairn_line_text(l, "cairn: ");
	cairn_line_text(l, who);
	cairn_line_text(l, ": ");
	cairn_line_text(l, what);
	cairn_line_text(l, ": ");
	cairn_line_hex(l, (uintptr_t)p);
	cairn_line_text(l, " (");
}

/* The header of the span that p was a block of before its granules became free: nothing wipes a header before the next
 * span begins there. Only what says of p that a block began there is believed. NULL: not known. */
static const cairn_span *former_span(cairn_window *w, uintptr_t p)
{
	const cairn_chunk *c = cairn_window_chunk(w, p);
	for (size_t g = cairn_granule_in_chunk(p) + 1; c->spans && g-- > 0;) {
		const cairn_span *s = &c->spans[g];
		if (!s->base)
			continue;
		size_t at = p - (uintptr_t)s->base, slot = s->size_class ? cairn_classes[s->size_class].bytes : 0;
		bool was_slot = slot && at % slot == 0 && at / slot < cairn_classes[s->size_class].capacity;
		return was_slot || (!slot && at == 0) ? s : NULL;
	}
	return NULL;
}

/* "size class 64 B, " or "large block, ", as far as the books still tell. */
static void line_kind(cairn_line *l, const void *p)
{
	cairn_window *w = cairn_window_of((uintptr_t)p);
	const cairn_span *s = cairn_window_span((uintptr_t)p);
	if (!s && w)
		s = former_span(w, (uintptr_t)p);
	if (s && s->size_class) {
		cairn_line_text(l, "size class ");
		cairn_line_bytes(l, cairn_classes[s->size_class].bytes);
		cairn_line_text(l, ", ");
	} else if (s && cairn_span_is_managed(s->kind)) {
		cairn_line_text(l, "in a managed heap, ");
	} else if (s) {
		cairn_line_text(l, "large block of ");
		cairn_line_bytes(l, s->large_bytes);
		cairn_line_text(l, ", ");
	} else if (w) {
		cairn_line_text(l, "its memory was given back, ");
	}
}

static _Noreturn void line_end(cairn_line *l)
{
	cairn_line_text(l, cairn_program_name());
	cairn_line_text(l, ")");
	cairn_report_abort(l);
}

void cairn_misuse_already_free(const char *who, const void *p)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "already free", p);
	line_kind(&l, p);
	line_end(&l);
}

void cairn_misuse_not_start(const char *who, const void *p)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "not the start of a block", p);
	line_kind(&l, p);
	line_end(&l);
}

void cairn_misuse_not_ours(const char *who, const void *p)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "not from malloc", p);
	line_end(&l);
}

void cairn_misuse_managed(const char *who, const void *p)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "belongs to a managed heap, which frees it", p);
	line_end(&l);
}

void cairn_misuse_not_of_heap(const char *who, const void *p)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "not of this heap", p);
	line_kind(&l, p);
	line_end(&l);
}

void cairn_misuse_wrong_size(const char *who, const void *p, size_t asked_bytes)
{
	cairn_line l = { 0 };
	line_begin(&l, who, "wrong size", p);
	line_kind(&l, p);
	cairn_line_text(&l, "asked ");
	cairn_line_dec(&l, asked_bytes);
	cairn_line_text(&l, " B, ");
	line_end(&l);
}

void cairn_misuse_verdict(const char *who, const void *p, cairn_give verdict)
{
	if (verdict == CAIRN_GIVE_NOT_START)
		cairn_misuse_not_start(who, p);
	cairn_misuse_already_free(who, p);
}

void cairn_misuse_left_alone(const char *who, const void *p)
{
	static bool told; /* sync: atomic, relaxed: at worst told twice */
	cairn_stats_foreign_free();
	if (__atomic_exchange_n(&told, true, __ATOMIC_RELAXED)) /* at worst told twice */
		return;
	cairn_line l = { 0 };
	line_begin(&l, who, "not from malloc, left alone", p);
	cairn_line_text(&l, cairn_program_name());
	cairn_line_text(&l, ")");
	cairn_report(&l);
}
