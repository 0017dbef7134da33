/* cli/peak.c - the best snapshot so far. See peak.h. */
#include "peak.h"

#define PEAK_CREDIT_NS   100000000u /* for the first looks, while a program grows quickly */
#define PEAK_SHARE       100        /* of the time that passes: 1 % */
#define PEAK_LAST_NS     250000000u  /* between two looks at a process that does not grow */
#define PEAK_LEAST_BYTES (1u << 20) /* less is not a program yet */

enum { PEAK_GROWTH = 10 /* a tenth */ };

void cairn_peak_begin(cairn_peak *p, uint64_t now_ns)
{
	p->has_best = p->has_last = false;
	p->begin_ns = now_ns;
	p->spent_ns = p->last_cost_ns = 0;
}

/* The process with most resident memory; 0: none is known. */
static uint32_t peak_largest(const cairn_images *m, uint64_t *rss_bytes)
{
	uint32_t pid = m->main_pid;
	*rss_bytes = m->main.is_there && !m->main.is_zombie ? m->main.rss_bytes : 0;
	for (size_t i = 0; i < m->watched_count; i++) {
		const cairn_image *image = &m->watched[i];
		if (image->is_known && image->is_ours && image->rss_bytes > *rss_bytes) {
			*rss_bytes = image->rss_bytes;
			pid = image->pid;
		}
	}
	return *rss_bytes ? pid : 0;
}

static const cairn_snapshot *peak_newest(const cairn_peak *p) { return p->has_last ? &p->last : &p->best; }

static bool peak_has_credit(const cairn_peak *p, uint64_t now_ns, uint64_t rss_bytes)
{
	uint64_t credit = PEAK_CREDIT_NS + (now_ns - p->begin_ns) / PEAK_SHARE, cost = p->last_cost_ns;
	if (p->has_best && p->best.rss_bytes) /* it costs what is there */
		cost = (uint64_t)((double)cost * (double)rss_bytes / (double)p->best.rss_bytes);
	return p->spent_ns + cost < credit;
}

void cairn_peak_look(cairn_peak *p, const cairn_images *m, uint64_t now_ns)
{
	uint64_t rss_bytes;
	uint32_t pid = peak_largest(m, &rss_bytes);
	bool is_due = p->has_best && pid == p->best.pid && now_ns - peak_newest(p)->taken_ns > PEAK_LAST_NS;
	uint64_t enough = p->has_best ? p->best.rss_bytes + p->best.rss_bytes / PEAK_GROWTH : PEAK_LEAST_BYTES;
	if (!pid || (rss_bytes < enough && !is_due) || !peak_has_credit(p, now_ns, rss_bytes))
		return;
	int error = cairn_snapshot_take_light(&p->next, pid);
	p->spent_ns += p->next.cost_ns;
	p->last_cost_ns = p->next.cost_ns;
	/* A process amid execve, or one that is about to end, has little or nothing left. */
	if (error || !p->next.is_served)
		return;
	if (!p->has_best || p->next.rss_bytes > p->best.rss_bytes) {
		p->best = p->next;
		p->has_best = true;
		p->has_last = false;
	} else if (p->next.pid == p->best.pid) {
		p->last = p->next;
		p->has_last = true;
	}
}
