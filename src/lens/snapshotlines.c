/* lens/snapshotlines.c - a look at a process, put into lines with words.
 *
 * Each line says why its bytes are resident and what would give them back. Which lines there are does not depend on
 * the figures, so that two snapshots can be laid side by side; only mappings are named by who mapped them.
 *
 * Invariant: (N1) the lines' bytes add up to rss_bytes. The kernel's sum and the walk over the pages are of two
 * instants: where a process went on between them, rss_bytes becomes what was found, so that memory which went meanwhile
 * is not called unexplained.
 *
 * Not here: where the figures come from (snapshot.c, places.c, heapwalk.c). */
#include "lens/snapshot.h"

#include "lens/writer.h"

#include <string.h>

enum { LINES_MAPPERS = 12 /* that get a line of their own */, LINES_OBJECTS = 4096 /* that are looked at */ };

/* ---- building a line ---- */

static void line_put(char *to, size_t bytes, const cairn_field *f)
{
	size_t n = f->used < bytes - 1 ? f->used : bytes - 1;
	while (n < f->used && n && ((unsigned char)f->text[n] & 0xc0) == 0x80) /* not amid a code point */
		n--;
	memcpy(to, f->text, n);
	to[n] = 0;
}

static cairn_snapshot_line *line_add(
	cairn_snapshot *s, cairn_snapshot_kind kind, const char *name, uint64_t bytes, const char *why)
{
	bool is_below = kind == CAIRN_SNAPSHOT_OUTSIDE;
	cairn_field text = { .used = 0 };
	cairn_snapshot_line *line = is_below ? &s->below[s->below_count++] : &s->lines[s->line_count++];
	memset(line, 0, sizeof *line);
	line->kind = kind;
	line->bytes = bytes;
	cairn_field_text(&text, name);
	line_put(line->name, sizeof line->name, &text);
	text = (cairn_field){ .used = 0 };
	cairn_field_text(&text, why);
	line_put(line->why, sizeof line->why, &text);
	return line;
}

cairn_snapshot_line *cairn_snapshot_add_line(
	cairn_snapshot *s, cairn_snapshot_kind kind, const char *name, uint64_t bytes, const cairn_field *why)
{
	cairn_snapshot_line *line = line_add(s, kind, name, bytes, "");
	line_put(line->why, sizeof line->why, why);
	return line;
}

static void why_counted(cairn_field *f, uint64_t n, const char *one, const char *many)
{
	cairn_field_count(f, n);
	cairn_field_text(f, n == 1 ? one : many);
}

static void why_class(cairn_field *f, const cairn_snapshot_class *c)
{
	if (!c->size_bytes) {
		cairn_field_text(f, "large blocks");
		return;
	}
	cairn_field_text(f, "class ");
	cairn_field_dec(f, c->size_bytes);
}

/* ---- classes ---- */

/* Newton's steps from above; libm is not to be had in the library. */
static double class_root(double square)
{
	double root = square > 1 ? square : 1;
	for (unsigned i = 0; i < 64 && root * root > square; i++)
		root = (root + square / root) / 2;
	return root;
}

/* What requests of the class leave unused: the mean and the deviation from it, in bytes. Where nothing was sampled,
 * the middle of what the class serves. */
static void class_slack(const cairn_look *k, unsigned i, double *mean, double *deviation)
{
	const cairn_heapwalk_class *c = &k->heap.by_class[i];
	double size = k->heap.classes[i].bytes;
	if (c->samples) {
		*mean = (double)c->slack_bytes / (double)c->samples;
		double square = (double)c->slack_squared / (double)c->samples - *mean * *mean;
		*deviation = square > 0 ? class_root(square) : 0;
	} else {
		double gap = size - (i > 1 ? k->heap.classes[i - 1].bytes : 0);
		*mean = *deviation = (gap > 0 ? gap : 0) / 2;
	}
	if (k->heap.control.counts_requested && c->allocations) {
		double requested = (double)c->requested_bytes / (double)c->allocations;
		*mean = requested < size ? size - requested : 0;
	}
	*mean = *mean < size ? *mean : size;
	*deviation = *deviation < size ? *deviation : size;
}

/* What a large block leaves unused lies on its last page, which is resident with what stands before it. */
static double class_fill_large(cairn_snapshot_class *to, const cairn_heapwalk_class *c)
{
	if (!c->samples)
		return 0;
	double mean = (double)c->slack_bytes / (double)c->samples;
	double square = (double)c->slack_squared / (double)c->samples - mean * mean;
	double rounding = mean * (double)c->live_blocks, most = (double)c->live_bytes;
	to->rounding_bytes = (uint64_t)(rounding < most ? rounding : most);
	return square > 0 ? class_root(square) * (double)c->live_blocks : 0;
}

/* Returns how far its rounding may be off, in bytes. */
static double class_fill(cairn_snapshot_class *to, const cairn_look *k, unsigned i)
{
	const cairn_heapwalk_class *c = &k->heap.by_class[i];
	double mean = 0, deviation = 0, size = k->heap.classes[i].bytes;
	*to = (cairn_snapshot_class){
		.size_bytes = i ? k->heap.classes[i].bytes : 0,
		.slabs = c->slabs,
		.live_blocks = c->live_blocks,
		.live_bytes = c->live_bytes,
		.untouched_bytes = c->untouched_bytes,
		.hole_bytes = c->hole_bytes + c->queue_bytes,
		.cached_bytes = c->cached_bytes,
		.sparse_slabs = c->sparse_slabs,
		.sparse_bytes = c->sparse_bytes,
		.allocations = c->allocations,
	};
	if (!c->live_bytes)
		return 0;
	if (!i)
		return class_fill_large(to, c);
	class_slack(k, i, &mean, &deviation);
	to->rounding_bytes = (uint64_t)((double)c->live_bytes * mean / size);
	return (double)c->live_bytes * deviation / size;
}

void cairn_snapshot_fill_classes(cairn_snapshot *s, cairn_look *k)
{
	if (k->opened != CAIRN_HEAPWALK_OPENED)
		return;
	s->class_count = CAIRN_CLASS_COUNT;
	s->heap_bytes = k->heap.resident_bytes;
	s->huge_bytes = k->heap.huge_bytes;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		k->rounding_error += class_fill(&s->classes[i], k, i);
		s->live_blocks += s->classes[i].live_blocks;
		s->allocations += s->classes[i].allocations;
		s->allocated_bytes += s->classes[i].allocations * s->classes[i].size_bytes;
	}
}

/* The class that has most of the figure at `offset` of its record, or NULL. */
static const cairn_snapshot_class *class_most(const cairn_snapshot *s, size_t offset)
{
	uint64_t most = 0, n;
	const cairn_snapshot_class *best = NULL;
	for (uint32_t i = 0; i < s->class_count; i++) {
		memcpy(&n, (const char *)&s->classes[i] + offset, sizeof n);
		if (n > most) {
			most = n;
			best = &s->classes[i];
		}
	}
	return best;
}

static uint64_t class_sum(const cairn_snapshot *s, size_t offset)
{
	uint64_t sum = 0, n;
	for (uint32_t i = 0; i < s->class_count; i++) {
		memcpy(&n, (const char *)&s->classes[i] + offset, sizeof n);
		sum += n;
	}
	return sum;
}

#define CLASS_MOST(s, field) class_most(s, offsetof(cairn_snapshot_class, field))
#define CLASS_SUM(s, field)  class_sum(s, offsetof(cairn_snapshot_class, field))

/* ---- the heap's lines ---- */

static void lines_live(cairn_snapshot *s, const cairn_look *k)
{
	cairn_field why = { .used = 0 };
	uint64_t live = CLASS_SUM(s, live_bytes), rounding = CLASS_SUM(s, rounding_bytes);
	const cairn_snapshot_class *most = CLASS_MOST(s, live_bytes);
	why_counted(&why, s->live_blocks, " block", " blocks");
	cairn_field_text(&why, " that the program holds");
	if (most) {
		cairn_field_text(&why, ", most in ");
		why_class(&why, most);
		cairn_field_text(&why, " (");
		cairn_field_bytes(&why, most->live_bytes);
		cairn_field_text(&why, "): only the program can free them");
	}
	cairn_snapshot_line *line =
		cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_LIVE, "live objects", live - rounding, &why);
	line->error_bytes = (uint64_t)k->rounding_error;
	cairn_snapshot_fill_managed_live(s, k);
	why = (cairn_field){ .used = 0 };
	most = CLASS_MOST(s, rounding_bytes);
	cairn_field_text(&why, "usable bytes nobody asked for");
	if (most) {
		cairn_field_text(&why, ", most in ");
		why_class(&why, most);
		cairn_field_text(&why, " (");
		cairn_field_bytes(&why, most->rounding_bytes);
		cairn_field_text(&why, "): ask for sizes of a class; estimated from ");
		cairn_field_text(&why, k->heap.control.counts_requested ? "all requests" : "sampled requests");
	}
	line = cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_ROUNDING, "rounding to size class", rounding, &why);
	line->error_bytes = (uint64_t)k->rounding_error;
}

static void lines_holes(cairn_snapshot *s, const cairn_look *k)
{
	cairn_field why = { .used = 0 };
	uint64_t holes = 0, queue = 0;
	for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++) {
		holes += k->heap.by_class[i].hole_bytes;
		queue += k->heap.by_class[i].queue_bytes;
	}
	const cairn_snapshot_class *sparse = CLASS_MOST(s, sparse_bytes), *most = CLASS_MOST(s, hole_bytes);
	if (most && !most->size_bytes) { /* tails of large blocks have a line of their own */
		most = NULL;
		for (uint32_t i = 1; i < s->class_count; i++)
			if (s->classes[i].hole_bytes && (!most || s->classes[i].hole_bytes > most->hole_bytes))
				most = &s->classes[i];
	}
	cairn_field_text(&why, "free slots on pages with live blocks");
	if (most) {
		cairn_field_text(&why, ", most in ");
		why_class(&why, most);
		cairn_field_text(&why, " (");
		cairn_field_bytes(&why, most->hole_bytes);
		cairn_field_text(&why, ")");
	}
	if (sparse && sparse->sparse_bytes) {
		cairn_field_text(&why, "; ");
		why_class(&why, sparse);
		cairn_field_text(&why, ": ");
		why_counted(&why, sparse->sparse_slabs, " slab", " slabs");
		cairn_field_text(&why, " pinned by ≤ 3 objects, ");
		cairn_field_bytes(&why, sparse->sparse_bytes);
	}
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_HOLES, "holes in used slabs", holes, &why);
	cairn_snapshot_fill_managed_holes(s, k);
	line_add(s, CAIRN_SNAPSHOT_KEPT, "free: pages waiting to be purged", queue,
		"whole free pages of slabs in use, in the purge queue or wanted again soon; cairn_purge() gives them "
		"back");
}

static void lines_kept(cairn_snapshot *s, const cairn_look *k)
{
	cairn_field why = { .used = 0 };
	const cairn_snapshot_class *large = &s->classes[0];
	uint64_t cached = CLASS_SUM(s, cached_bytes) - large->cached_bytes;
	why_counted(&why, k->heap.threads.count, " thread cache", " thread caches");
	cairn_field_text(&why, "; a thread's own cairn_idle() or its end gives its share back");
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_KEPT, "free: in thread caches", cached, &why);
	line_add(s, CAIRN_SNAPSHOT_KEPT, "free: on shelves of threads", large->cached_bytes,
		"large blocks just freed, for the thread's next; given back after 0.3 s without use, or by "
		"cairn_purge()");
	why = (cairn_field){ .used = 0 };
	cairn_field_text(&why, "free memory between blocks, ");
	why_counted(&why, k->heap.dirty_runs, " stretch", " stretches");
	cairn_field_text(&why, ", kept because the program took as much again before; cairn_purge() gives it back");
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_KEPT, "free: empty spans", k->heap.dirty_bytes, &why);
	line_add(s, CAIRN_SNAPSHOT_KEPT, "free: behind large blocks", large->hole_bytes,
		"the rest of the last pages of large blocks, and room to grow in place from 4 MiB on; goes with the "
		"block");
	cairn_snapshot_fill_managed_kept(s, k);
}

/* ---- the other lines ---- */

static void why_largest_file(cairn_field *f, const cairn_look *k, bool is_code)
{
	const cairn_object *best = NULL;
	for (uint32_t i = 1; i < k->places.objects.count; i++) {
		const cairn_object *o = cairn_places_object(&k->places, i);
		if (o->is_code == is_code && o->name[0] == '/' && o->resident_bytes &&
			(!best || o->resident_bytes > best->resident_bytes))
			best = o;
	}
	if (!best)
		return;
	cairn_field_text(f, "; the largest is ");
	const char *slash = strrchr(best->name, '/');
	cairn_field_name(f, slash && slash[1] ? slash + 1 : best->name, 40);
	cairn_field_text(f, " (");
	cairn_field_bytes(f, best->resident_bytes);
	cairn_field_text(f, ")");
}

static void lines_kernel(cairn_snapshot *s, const cairn_look *k)
{
	const uint64_t *bytes = k->places.bytes;
	cairn_field why = { .used = 0 };
	line_add(s, CAIRN_SNAPSHOT_STACKS, "stack of the main thread", bytes[CAIRN_PLACE_STACK],
		"what the deepest calls have touched; never given back");
	why_counted(&why, s->thread_count + s->threads_left_out ? s->thread_count + s->threads_left_out - 1 : 0,
		" other thread", " other threads");
	cairn_field_text(&why, "; what each has touched stays until it ends");
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_STACKS, "stacks of other threads", bytes[CAIRN_PLACE_STACKS], &why);
	line_add(s, CAIRN_SNAPSHOT_STACKS, "stacks of ended threads", bytes[CAIRN_PLACE_STACKS_ENDED],
		"kept by libc for threads to come, up to 40 MiB");
	why = (cairn_field){ .used = 0 };
	cairn_field_text(&why, "what of the files has run or was read");
	why_largest_file(&why, k, true);
	cairn_field_text(&why, "; clean: the kernel drops it when memory is short");
	cairn_snapshot_add_line(
		s, CAIRN_SNAPSHOT_PROGRAM, "program and libraries: text", bytes[CAIRN_PLACE_TEXT], &why);
	line_add(s, CAIRN_SNAPSHOT_PROGRAM, "program and libraries: data", bytes[CAIRN_PLACE_DATA],
		"variables, relocations, what the loader keeps; fewer libraries, or prelinked ones, would have less");
	why = (cairn_field){ .used = 0 };
	cairn_field_text(&why, "pages of mapped files");
	why_largest_file(&why, k, false);
	cairn_field_text(&why, "; munmap or MADV_DONTNEED gives them back");
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_FILES, "file mappings", bytes[CAIRN_PLACE_FILE], &why);
	line_add(s, CAIRN_SNAPSHOT_SHARED, "shared memory", bytes[CAIRN_PLACE_SHARED],
		"counted in every process that touched it: the share of this one is in Pss; goes when all unmap it");
	line_add(s, CAIRN_SNAPSHOT_OTHER,
		k->opened == CAIRN_HEAPWALK_OPENED ? "brk heap" : "brk heap, of its own malloc",
		bytes[CAIRN_PLACE_BREAK], "taken by brk or sbrk; only its top can go back");
	if (bytes[CAIRN_PLACE_NAMED])
		line_add(s, CAIRN_SNAPSHOT_OTHER, "named mappings", bytes[CAIRN_PLACE_NAMED],
			"anonymous memory that the program has given a name (PR_SET_VMA_ANON_NAME)");
}

/* The mapper with the most bytes of those that were not told, or 0. */
static uint32_t mapper_next(const cairn_look *k, const bool *is_told)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < k->places.objects.count && i < LINES_OBJECTS; i++) {
		const cairn_object *o = cairn_places_object(&k->places, i);
		if (!is_told[i] && o->mapped_bytes &&
			(!best || o->mapped_bytes > cairn_places_object(&k->places, best)->mapped_bytes))
			best = i;
	}
	return best;
}

static void lines_mappers(cairn_snapshot *s, const cairn_look *k)
{
	bool is_told[LINES_OBJECTS] = { false };
	uint64_t left = k->places.bytes[CAIRN_PLACE_MAPPED];
	for (unsigned n = 0; n < LINES_MAPPERS; n++) {
		uint32_t i = mapper_next(k, is_told);
		const cairn_object *o = cairn_places_object(&k->places, i);
		if (!i)
			break;
		cairn_field name = { .used = 0 }, why = { .used = 0 };
		const char *slash = strrchr(o->name, '/');
		cairn_field_text(&name, "mappings by ");
		cairn_field_name(&name, slash && slash[1] ? slash + 1 : o->name, 48);
		cairn_field_text(&why, "anonymous memory mapped by code in ");
		cairn_field_name(&why, o->name, 100);
		cairn_field_text(&why, ", which alone can unmap it");
		char text[CAIRN_SNAPSHOT_NAME];
		line_put(text, sizeof text, &name);
		cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_OTHER, text, o->mapped_bytes, &why);
		left -= o->mapped_bytes < left ? o->mapped_bytes : left;
		is_told[i] = true;
	}
	if (left)
		line_add(s, CAIRN_SNAPSHOT_OTHER, "mappings by other code", left,
			"anonymous memory mapped by several, or by code that is in no file or was unloaded since");
}

/* ---- the last line, and below ---- */

uint64_t cairn_snapshot_explained(const cairn_look *k)
{
	uint64_t sum = cairn_heapwalk_told(&k->heap);
	for (unsigned i = 0; i < CAIRN_PLACE_COUNT; i++)
		if (i != CAIRN_PLACE_UNKNOWN && i != CAIRN_PLACE_HEAP)
			sum += k->places.bytes[i];
	return sum;
}

static void lines_unexplained(cairn_snapshot *s, const cairn_look *k)
{
	uint64_t explained = cairn_snapshot_explained(k);
	cairn_field why = { .used = 0 };
	uint64_t found = explained + k->places.bytes[CAIRN_PLACE_UNKNOWN] + k->heap.unknown_bytes;
	if (found > s->rss_bytes || (k->is_whole && found))
		s->rss_bytes = found; /* N1 */
	cairn_field_text(
		&why, k->opened == CAIRN_HEAPWALK_OPENED
			      ? "anonymous memory that nobody we know of has mapped: by system calls of its own, or "
				"before cairn was there"
			      : "anonymous memory: who mapped it and what lies in it is known under cairn only");
	if (s->is_approximate)
		cairn_field_text(&why, "; and records that changed while they were read");
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_UNEXPLAINED, "unexplained", s->rss_bytes - explained, &why);
}

static void lines_below(cairn_snapshot *s, const cairn_look *k)
{
	const cairn_snapshot_class *most = CLASS_MOST(s, untouched_bytes);
	cairn_field why = { .used = 0 };
	cairn_field_text(&why, "allocated and never written, or given back since: costs addresses only");
	if (most) {
		cairn_field_text(&why, "; most in ");
		why_class(&why, most);
	}
	cairn_snapshot_add_line(s, CAIRN_SNAPSHOT_OUTSIDE, "untouched live bytes", CLASS_SUM(s, untouched_bytes), &why);
	line_add(s, CAIRN_SNAPSHOT_OUTSIDE, "swap", k->places.swap_bytes,
		"moved out by the kernel; comes back when touched");
	line_add(s, CAIRN_SNAPSHOT_OUTSIDE, "HugeTLB", k->places.hugetlb_bytes,
		"pages of the machine's reserved pool; not in the resident set, whole though partly used");
	line_add(s, CAIRN_SNAPSHOT_OUTSIDE, "page tables", k->page_table_bytes,
		"the kernel's, 8 bytes for each page that was touched");
	line_add(s, CAIRN_SNAPSHOT_OUTSIDE, "lazily freed", k->places.lazy_bytes,
		"in the resident set above, but free (MADV_FREE): the kernel takes it when memory is short");
	line_add(s, CAIRN_SNAPSHOT_OUTSIDE, "shared with other processes",
		k->places.has_sums && s->rss_bytes > s->pss_bytes ? s->rss_bytes - s->pss_bytes : 0,
		"in the resident set above, and in that of others: the resident set less Pss");
}

static void lines_unknown(cairn_snapshot *s, const cairn_look *k)
{
	const char *why = "";
	if (k->opened == CAIRN_HEAPWALK_OTHER)
		why = "its library is of another version of cairn: run `cairn stat` of that version";
	else if (k->peer.is_empty)
		why = "it has no memory: it has ended and waits for its parent, or is a thread of the kernel";
	else if (!k->peer.has_memory)
		why = "its memory may not be read (kernel.yama.ptrace_scope, or another user's): the heap is not told "
		      "apart";
	else if (k->opened != CAIRN_HEAPWALK_OPENED)
		why = "it does not run on cairn: what its heap holds is not known; start it with `cairn run`";
	else if (k->peer.pagemap < 0)
		why = "/proc/PID/pagemap cannot be read: which pages of the heap are resident is not known";
	else if (k->is_spared)
		why = "what of it is shared with other processes, or lazily freed, is told only while it sleeps or is "
		      "stopped: smaps would hold up a process of this size for milliseconds";
	cairn_field text = { .used = 0 };
	cairn_field_text(&text, why);
	line_put(s->unknown, sizeof s->unknown, &text);
}

void cairn_snapshot_fill_lines(cairn_snapshot *s, cairn_look *k)
{
	if (k->opened == CAIRN_HEAPWALK_OPENED) {
		lines_live(s, k);
		lines_holes(s, k);
		lines_kept(s, k);
		line_add(s, CAIRN_SNAPSHOT_METADATA, "cairn's metadata", k->places.bytes[CAIRN_PLACE_METADATA],
			"records of blocks, spans and pages, thread caches, counters; about 1 byte in 64 of small "
			"blocks");
		cairn_snapshot_fill_managed_records(s, k);
		cairn_snapshot_fill_heaps(s, k);
	}
	lines_kernel(s, k);
	lines_mappers(s, k);
	lines_unexplained(s, k);
	lines_below(s, k);
	lines_unknown(s, k);
}
