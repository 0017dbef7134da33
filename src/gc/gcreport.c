/* gc/gcreport.c - what a managed heap did, as text: a line for each collection on stderr, and the report for people.
 *
 *   cairn: gc heap #12 semispace full: 96.1 -> 24.3 MiB of 128.0 MiB, pause 8.1 ms (stop 0.02 roots 0.10 copy 7.60),
 *   pinned 1.2 KiB, moved 23.0 MiB, next at 48.6 MiB                                        (one line)
 *
 * The line is written in the stop: it is asked for by CAIRN_GC_LOG=1. The report is by stdio, outside of any stop, and
 * may allocate. Locks: none held while text is written. Failure: what cannot be written is lost. */
#include "gc/managed.h"
#include "os/report.h"

#include <inttypes.h>

/* ---- A line for each collection ---- */

/* "12", "8.1", "0.02": ms, with two digits, or three where it is that long. */
static void log_ms(cairn_line *l, uint64_t ns)
{
	uint64_t hundredths = (ns + 5000) / 10000, tenths = (ns + 50000) / 100000;
	bool is_small = hundredths < 100;
	cairn_line_dec(l, tenths < 100 ? (is_small ? hundredths / 100 : tenths / 10) : (ns + 500000) / 1000000);
	if (tenths >= 100)
		return;
	cairn_line_text(l, ".");
	if (is_small)
		cairn_line_dec(l, hundredths / 10);
	cairn_line_dec(l, is_small ? hundredths % 10 : tenths % 10);
}

static void log_bytes(cairn_line *l, const char *before, size_t bytes)
{
	cairn_line_text(l, before);
	cairn_line_bytes(l, bytes);
}

static void log_phases(cairn_line *l, const cairn_gc_looks *k)
{
	const char *before = " (";
	for (unsigned i = 0; i < k->phase_count; i++) {
		cairn_line_text(l, before);
		cairn_line_text(l, k->phases[i].name);
		cairn_line_text(l, " ");
		log_ms(l, k->phases[i].ns);
		before = " ";
	}
	if (k->phase_count)
		cairn_line_text(l, ")");
}

static void log_young(cairn_line *l, const cairn_gc_looks *k)
{
	const cairn_gc_young_stats *s = &k->stats.young;
	if (k->stats.young.mixed_bytes != k->mixed_before)
		log_bytes(l, ", took of the old ", k->stats.young.mixed_bytes - k->mixed_before);
	log_bytes(l, ", became old ", s->lived_bytes - k->lived_before);
	cairn_line_text(l, ", scanned ");
	cairn_line_dec(l, s->scanned_objects - k->objects_before);
	cairn_line_text(l, " + ");
	cairn_line_dec(l, s->scanned_cards - k->cards_before);
	cairn_line_text(l, " cards");
}

void cairn_gc_log(cairn_gc_heap *h, uint64_t pause_ns)
{
	const cairn_gc_looks *k = &h->looks;
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: gc ");
	cairn_line_text(&l, h->config.name);
	cairn_line_text(&l, " #");
	cairn_line_dec(&l, h->collection);
	cairn_line_text(&l, " ");
	cairn_line_text(&l, h->plan->name);
	cairn_line_text(&l, " ");
	cairn_line_text(&l, h->young.is_minor ? "young" : cairn_gc_cause_name((int)h->cause));
	log_bytes(&l, ": ", k->held_before);
	log_bytes(&l, " -> ", cairn_gc_held(h));
	log_bytes(&l, " of ", h->config.max);
	log_bytes(&l, ", live ", k->stats.live_bytes);
	cairn_line_text(&l, ", pause ");
	log_ms(&l, pause_ns);
	cairn_line_text(&l, " ms");
	log_phases(&l, k);
	if (k->stats.pinned_bytes)
		log_bytes(&l, ", pinned ", k->stats.pinned_bytes);
	if (h->young.is_minor)
		log_young(&l, k);
	else if (k->stats.moved_bytes != k->moved_before)
		log_bytes(&l, ", moved ", k->stats.moved_bytes - k->moved_before);
	log_bytes(&l, ", next at ", h->sizing.limit);
	cairn_report(&l);
}

/* ---- The report ---- */

static double as_mib(size_t bytes) { return (double)bytes / (1 << 20); }
static double as_ms(uint64_t ns) { return (double)ns / 1e6; }

static void report_memory(const cairn_gc_stats *s, FILE *to)
{
	fprintf(to, "  held        %10.2f MiB of %.2f, at most %.2f so far; the next collection at %.2f\n",
		as_mib(s->held_bytes), as_mib(s->max_bytes), as_mib(s->held_peak_bytes), as_mib(s->limit_bytes));
	fprintf(to, "  live        %10.2f MiB, %zu objects, at the last collection\n", as_mib(s->live_bytes),
		s->live_objects);
	fprintf(to, "  holes       %10.2f MiB beside them; %.2f MiB of empty blocks\n", as_mib(s->hole_bytes),
		as_mib(s->free_bytes));
	fprintf(to, "  large       %10.2f MiB; external %.2f MiB; records %.2f MiB\n", as_mib(s->large_bytes),
		as_mib(s->external_bytes), as_mib(s->record_bytes));
	if (s->pinned_objects)
		fprintf(to, "  pinned      %10.2f MiB, %zu objects, for words on stacks and in ranges\n",
			as_mib(s->pinned_bytes), s->pinned_objects);
	if (s->moved_objects)
		fprintf(to, "  moved       %10.2f MiB, %zu objects, by all collections\n", as_mib(s->moved_bytes),
			s->moved_objects);
}

static void report_times(const cairn_gc_histogram *of, const char *name, FILE *to)
{
	fprintf(to, "  %-11s %10" PRIu64 " times: p50 %.3f ms, p99 %.3f, p99.9 %.3f, max %.3f\n", name, of->count,
		as_ms(cairn_gc_percentile(of, 50)), as_ms(cairn_gc_percentile(of, 99)),
		as_ms(cairn_gc_percentile(of, 99.9)), as_ms(of->max));
}

static void report_time(const cairn_gc_stats *s, FILE *to)
{
	double life = s->opened_ns ? (double)s->opened_ns : 1;
	report_times(&s->pause, "pauses", to);
	report_times(&s->time_to_safepoint, "stops", to);
	fprintf(to,
		"  in pauses   %10.2f %% of %.1f s; mutators had at least %.0f %% of any ms, %.0f %% of 10, %.0f %% of "
		"100\n",
		100 * (double)s->pause_ns / life, life / 1e9, 100 * s->utilisation[0], 100 * s->utilisation[1],
		100 * s->utilisation[2]);
	fprintf(to, "  allocated   %10.2f MiB, %.2f MiB/s\n", as_mib(s->allocated_bytes),
		as_mib(s->allocated_bytes) / (life / 1e9));
	fprintf(to, "  CPU         %10.2f ms in stops, %.2f in help by mutators, %.2f in barriers\n",
		as_ms(s->cpu_stopped_ns), as_ms(s->cpu_assist_ns), as_ms(s->cpu_barrier_ns));
	if (*s->laggard)
		fprintf(to, "  the last to stop, at the worst:\n%s\n", s->laggard);
}

static double share(uint64_t part, uint64_t of) { return of ? 100 * (double)part / (double)of : 0; } /* in % */

static void report_young(const cairn_gc_young_stats *s, FILE *to)
{
	if (!s->collections)
		return;
	report_times(&s->pause, "of the young", to);
	fprintf(to, "  survival    %10.2f %% of %.2f MiB that were made before those; %.2f MiB of it stayed for pins\n",
		share(s->lived_bytes, s->made_bytes), as_mib(s->made_bytes),
		as_mib(s->donated_bytes));
	fprintf(to, "  by age      %10.2f %% of what was collected at once, %.2f %% of %.2f MiB left young once\n",
		share(s->lived_bytes - s->aged_bytes, s->made_bytes - s->recent_bytes),
		share(s->aged_bytes, s->recent_bytes), as_mib(s->recent_bytes));
	if (s->mixed_blocks)
		fprintf(to, "  of the old  %10.2f MiB of %" PRIu64 " sparse blocks taken with them\n",
			as_mib(s->mixed_bytes), s->mixed_blocks);
	fprintf(to, "  stored into %10" PRIu64 " old objects, %" PRIu64 " cards, scanned by those\n",
		s->scanned_objects, s->scanned_cards);
}

void cairn_gc_report(cairn_gc_heap *h, FILE *to)
{
	cairn_gc_stats s;
	cairn_gc_stats_get(h, &s);
	fprintf(to, "managed heap \"%s\" (%s): %" PRIu64 " collections\n", s.name, h->plan->name, s.collections);
	report_memory(&s, to);
	report_time(&s, to);
	report_young(&s.young, to);
	if (s.pending_cleanups)
		fprintf(to, "  cleanups    %10" PRIu64 " due and not yet run\n", s.pending_cleanups);
}
