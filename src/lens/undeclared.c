/* lens/undeclared.c - references to managed objects in places that no collector looks into: cairn_gc_find_undeclared.
 *
 *   in a stop:  survey of the heap (gc/verify.h): objects, and which of them are reachable
 *               ──▶ words of objects outside their types' bitmaps          gc/missing.c
 *               ──▶ writable segments of all loaded objects                "static variable `top` ..."
 *               ──▶ live blocks of malloc                                  "malloc block of 64 bytes ..."
 *               ──▶ other private memory: mappings, other threads' stacks  only where nothing else keeps the object
 *   after it:   names of variables, and lines
 *
 * A word counts when it is the address of an object or of a place in one, and lies in no root, range, or stack of a
 * mutator. Mappings hold many stale words (what a thread was started with), so of those only the last holders are told.
 * Memory is read through the kernel where another thread may unmap it meanwhile. cairn's own static data hold no
 * addresses of objects, and its records are left out.
 *
 * Not looked at: what is swapped out of other private memory; mappings of more than 16 GiB, such as a sanitizer's
 * shadow (to find the few pages that it has would take minutes; a line says so); registers of threads that are not
 * attached.
 * Locks: the world's, through the stop; the loader's while segments are read, which no mutator can hold at a safepoint.
 * Failure: no memory, or a part that cannot be read: a line says so. */
#include "gc/verify.h"
#include "lens/peer.h"
#include "lens/variables.h"
#include "os/mappings.h"
#include "os/report.h"
#include "os/thread.h"
#include "os/vm.h"
#include "page/window.h"

#include <cairn/stats.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

enum { UNDECLARED_HITS = 96, UNDECLARED_SEGMENTS = 512, UNDECLARED_PIECE = 64 * 1024 };
#define UNDECLARED_MAPPING_MOST ((size_t)16 << 30)

typedef enum undeclared_place {
	UNDECLARED_STATIC,
	UNDECLARED_MALLOC,
	UNDECLARED_STACK, /* or thread-local data, of a thread that is not attached */
	UNDECLARED_MAPPING,
} undeclared_place;

typedef struct undeclared_hit {
	undeclared_place place;
	uintptr_t at;    /* the word */
	uintptr_t start; /* static: the object file's load address; else of the block or mapping */
	size_t bytes;
	uintptr_t object;
	size_t offset;    /* into the object */
	const char *type; /* its name, which stays */
	bool is_last;     /* nothing else keeps the object */
	char file[160];   /* static: as the loader has it */
} undeclared_hit;

typedef struct undeclared_range {
	uintptr_t from, to;
} undeclared_range;

typedef struct undeclared_search {
	cairn_gc_survey survey;
	cairn_gc_findings findings;
	cairn_peer self;
	bool has_self;
	undeclared_hit *hits; /* UNDECLARED_HITS, then words to read into */
	size_t hit_count;     /* also those for which there was no room */
	uintptr_t *words;     /* UNDECLARED_PIECE */
	undeclared_range segments[UNDECLARED_SEGMENTS];
	size_t segment_count, mappings_left_out;
	undeclared_hit model; /* of the place that is being looked at */
} undeclared_search;

/* ---- one word ---- */

static bool undeclared_in_runs(const cairn_gc_runs *runs, uintptr_t at, size_t unit)
{
	for (size_t i = 0; i < runs->room; i++)
		if (runs->items[i].start && at - runs->items[i].start < runs->items[i].count * unit)
			return true;
	return false;
}

static bool undeclared_in_left_stacks(const cairn_gc_roots *roots, uintptr_t at)
{
	for (const cairn_gc_left_stack *s = roots->left_stacks; s; s = s->next)
		if (at >= s->low && at < s->base)
			return true;
	return false;
}

/* Is the word at `at` looked at by collections, or in the part of a mutator's stack that is dead? */
static bool undeclared_is_declared(struct cairn_gc_heap *h, uintptr_t at)
{
	cairn_lock_take(&h->roots.lock, CAIRN_RANK_GC_PARTS);
	bool is_root = undeclared_in_runs(&h->roots.exact, at, sizeof(uintptr_t)) ||
		       undeclared_in_runs(&h->roots.ranges, at, 1) || undeclared_in_left_stacks(&h->roots, at);
	cairn_lock_drop(&h->roots.lock, CAIRN_RANK_GC_PARTS);
	if (is_root)
		return true;
	CAIRN_GC_EACH_MUTATOR(t, &h->world) {
		if ((at >= t->stack_low && at < t->stack_base) || (at >= t->own_low && at < t->own_base) ||
			(at >= t->tls_start && at < t->tls_end))
			return true;
	}
	return false;
}

/* cairn's own memory, as far as it noted that; the newest note about an address is right. */
static bool undeclared_is_own(uintptr_t at)
{
	/* relaxed: the table may change meanwhile; what is read then is a wrong guess about other memory than ours */
	const cairn_mapping *entries = __atomic_load_n(&cairn_mappings.entries, __ATOMIC_RELAXED);
	size_t capacity = entries ? __atomic_load_n(&cairn_mappings.capacity, __ATOMIC_RELAXED) : 0;
	uint64_t newest = 0;
	bool is_own = false;
	for (size_t i = 0; i < capacity; i++) {
		uint64_t sequence = __atomic_load_n(&entries[i].sequence, __ATOMIC_RELAXED);
		if (sequence <= newest || at < __atomic_load_n(&entries[i].start, __ATOMIC_RELAXED) ||
			at >= __atomic_load_n(&entries[i].end, __ATOMIC_RELAXED))
			continue;
		newest = sequence;
		is_own = __atomic_load_n(&entries[i].by, __ATOMIC_RELAXED) == CAIRN_MAPPING_OWN;
	}
	return is_own || cairn_owner_of((const void *)at).kind != CAIRN_OWNER_NONE;
}

/* True: the word is one, and was written down. */
static bool undeclared_word(undeclared_search *u, uintptr_t at, uintptr_t word)
{
	if (word < u->survey.low || word >= u->survey.high)
		return false;
	const void *object = cairn_gc_survey_at(&u->survey, word, false);
	if (!object)
		return false;
	bool is_last = !cairn_gc_survey_is_reached(&u->survey, object);
	bool is_mapping = u->model.place == UNDECLARED_MAPPING;
	if ((is_mapping && !is_last) || undeclared_is_declared(u->survey.heap, at) ||
		(is_mapping && undeclared_is_own(at)))
		return false;
	if (u->hit_count++ >= UNDECLARED_HITS)
		return true;
	undeclared_hit *hit = &u->hits[u->hit_count - 1];
	*hit = u->model;
	hit->at = at;
	hit->object = (uintptr_t)object;
	hit->offset = word - (uintptr_t)object;
	hit->type = cairn_gc_type_name(object);
	hit->is_last = is_last;
	/* what lies in libc's record of a thread, less than a page above what the function looks for, is its as well */
	if (is_mapping && cairn_thread_stack_has(at - cairn_vm_page_bytes(), u->model.start + u->model.bytes))
		hit->place = UNDECLARED_STACK;
	return true;
}

/* All words of [from, to), read by the kernel. */
static void undeclared_words(undeclared_search *u, uintptr_t from, uintptr_t to)
{
	from = cairn_round_up(from, sizeof(uintptr_t));
	while (from + sizeof(uintptr_t) <= to) {
		size_t bytes = to - from < UNDECLARED_PIECE ? cairn_round_down(to - from, sizeof(uintptr_t))
							    : UNDECLARED_PIECE;
		if (cairn_peer_read(&u->self, from, u->words, bytes))
			for (size_t i = 0; i < bytes / sizeof(uintptr_t); i++)
				undeclared_word(u, from + i * sizeof(uintptr_t), u->words[i]);
		from += bytes;
	}
}

/* ---- static data ---- */

static void undeclared_segment(undeclared_search *u, uintptr_t from, uintptr_t to)
{
	if (from >= to)
		return;
	if (u->segment_count < UNDECLARED_SEGMENTS)
		u->segments[u->segment_count++] = (undeclared_range){ from, to };
	undeclared_words(u, from, to);
}

/* An object's writable segments, without what the loader has made read-only since. */
static int undeclared_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	undeclared_search *u = arg;
	undeclared_range relro = { 0, 0 };
	(void)size;
	u->model = (undeclared_hit){ .place = UNDECLARED_STATIC, .start = info->dlpi_addr };
	if (info->dlpi_name)
		strncpy(u->model.file, info->dlpi_name, sizeof u->model.file - 1);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_GNU_RELRO)
			relro = (undeclared_range){ info->dlpi_addr + p->p_vaddr,
				info->dlpi_addr + p->p_vaddr + p->p_memsz };
	}
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr, to = from + p->p_memsz;
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_W))
			continue;
		if (relro.to > from && relro.from < to) {
			undeclared_segment(u, from, relro.from);
			from = relro.to;
		}
		undeclared_segment(u, from, to);
	}
	return 0;
}

/* ---- malloc's blocks ---- */

/* Read directly: malloc's memory stays readable also when somebody frees the block meanwhile. */
__attribute__((no_sanitize("address", "thread"))) static bool undeclared_block(const cairn_live_block *b, void *arg)
{
	undeclared_search *u = arg;
	const volatile uintptr_t *words = (const volatile uintptr_t *)b->start;
	u->model =
		(undeclared_hit){ .place = UNDECLARED_MALLOC, .start = (uintptr_t)b->start, .bytes = b->usable_bytes };
	for (size_t i = 0; i < b->usable_bytes / sizeof(uintptr_t); i++)
		if (undeclared_word(u, (uintptr_t)&words[i], words[i]))
			break; /* one line a block */
	return true;
}

/* ---- other memory ---- */

/* The end of what is known otherwise at `at`, or at: segments, and the page heap's regions. */
static uintptr_t undeclared_behind_known(const undeclared_search *u, uintptr_t at, uintptr_t *next)
{
	for (size_t i = 0; i < u->segment_count; i++) {
		if (at >= u->segments[i].from && at < u->segments[i].to)
			return u->segments[i].to;
		if (u->segments[i].from > at && u->segments[i].from < *next)
			*next = u->segments[i].from;
	}
	for (const cairn_page_region *r = cairn_window_regions; r; r = r->next) {
		if (at >= r->start && at < r->end)
			return r->end;
		if (r->start > at && r->start < *next)
			*next = r->start;
	}
	return at;
}

static bool undeclared_is_resident(undeclared_search *u, uintptr_t at, uintptr_t to)
{
	uint64_t resident[UNDECLARED_PIECE / 4096 / 64 + 1] = { 0 }, huge[UNDECLARED_PIECE / 4096 / 64 + 1];
	size_t page = u->self.page_bytes;
	uintptr_t from = cairn_round_down(at, page);
	size_t pages = (cairn_round_up(to, page) - from) / page;
	if (pages > 64 || !cairn_peer_resident(&u->self, from, pages, resident, huge))
		return true;
	for (size_t i = 0; i < sizeof resident / sizeof resident[0]; i++)
		if (resident[i])
			return true;
	return false;
}

static void undeclared_mapping(undeclared_search *u, uintptr_t from, uintptr_t end)
{
	u->model = (undeclared_hit){ .place = UNDECLARED_MAPPING, .start = from, .bytes = end - from };
	for (uintptr_t at = from, next; at < end; at = next) {
		next = at + UNDECLARED_PIECE / 2 < end ? at + UNDECLARED_PIECE / 2 : end;
		uintptr_t behind = undeclared_behind_known(u, at, &next);
		if (behind > at)
			next = behind;
		else if (undeclared_is_resident(u, at, next))
			undeclared_words(u, at, next);
	}
}

static bool undeclared_number(const char **at, char end, uintptr_t *number)
{
	for (*number = 0; **at && **at != end; ++*at) {
		char c = **at;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		*number = *number << 4 | (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return *(*at)++ == end;
}

/* "7f00-7f10 rw-p 00000000 00:00 0   [heap]": private, writable, of no file. */
static void undeclared_maps_line(undeclared_search *u, const char *line)
{
	uintptr_t from, to;
	if (!undeclared_number(&line, '-', &from) || !undeclared_number(&line, ' ', &to) || strncmp(line, "rw", 2) != 0)
		return;
	if (line[3] != 'p' || strchr(line, '/'))
		return;
	if (to - from > UNDECLARED_MAPPING_MOST)
		u->mappings_left_out++;
	else
		undeclared_mapping(u, from, to);
}

static bool undeclared_mappings(undeclared_search *u)
{
	cairn_peer_lines *lines = cairn_gc_meta_alloc(NULL, sizeof *lines);
	bool can = lines && cairn_peer_lines_open(&u->self, lines, "maps") == 0;
	if (can) {
		while (cairn_peer_lines_next(lines))
			undeclared_maps_line(u, lines->line);
		cairn_peer_lines_close(lines);
	}
	cairn_gc_meta_free(NULL, lines, sizeof *lines);
	return can;
}

/* ---- the whole ---- */

static void undeclared_cannot(undeclared_search *u, const char *what)
{
	cairn_line l = { 0 };
	cairn_line_text(&l, "heap verify: ");
	cairn_line_text(&l, what);
	cairn_gc_found_more(&u->findings, &l);
}

static void undeclared_in_stop(struct cairn_gc_heap *h, void *arg)
{
	undeclared_search *u = arg;
	if (!cairn_gc_survey_begin(&u->survey, h, &u->findings)) {
		undeclared_cannot(u, "no memory to look for undeclared references");
		return;
	}
	cairn_gc_survey_reach(&u->survey);
	cairn_gc_missing_fields(&u->survey);
	if (u->has_self)
		dl_iterate_phdr(undeclared_object, u);
	if (cairn_visit_live(undeclared_block, u) != CAIRN_VISIT_ALL)
		undeclared_cannot(u, "malloc's blocks could not be looked at");
	if (!u->has_self || !undeclared_mappings(u))
		undeclared_cannot(u, "static data, or memory of other kinds, could not be read");
	if (u->mappings_left_out)
		undeclared_cannot(u, "mappings of more than 16 GiB were not looked at");
	if (u->survey.is_short)
		undeclared_cannot(u, "no memory to look at all of the heap");
	cairn_gc_survey_end(&u->survey);
}

/* ---- lines ---- */

static void undeclared_say_target(cairn_line *l, const undeclared_hit *hit)
{
	if (hit->offset) {
		cairn_line_text(l, " points ");
		cairn_line_dec(l, hit->offset);
		cairn_line_text(l, " bytes into ");
	} else {
		cairn_line_text(l, " holds the address of ");
	}
	cairn_line_text(l, hit->type);
	cairn_line_text(l, " ");
	cairn_line_hex(l, hit->object);
	cairn_line_text(l, hit->is_last ? ", which nothing else keeps: " : ": ");
}

static void undeclared_say_range(cairn_line *l, uintptr_t start, size_t bytes)
{
	cairn_line_text(l, "cairn_gc_range_add(h, (void *)");
	cairn_line_hex(l, start);
	cairn_line_text(l, ", ");
	cairn_line_dec(l, bytes);
	cairn_line_text(l, ")");
}

static void undeclared_say_static(cairn_line *l, const undeclared_hit *hit)
{
	char name[80];
	size_t offset = 0;
	bool is_program = !hit->file[0];
	bool is_named = cairn_variable_at(
		is_program ? "/proc/self/exe" : hit->file, hit->at - hit->start, name, sizeof name, &offset);
	const char *slash = strrchr(hit->file, '/');
	cairn_line_text(l, is_named ? "static variable `" : "static data");
	if (is_named) {
		cairn_line_text(l, name);
		cairn_line_text(l, "`");
		if (offset) {
			cairn_line_text(l, "+");
			cairn_line_dec(l, offset);
		}
	}
	cairn_line_text(l, " (");
	cairn_line_text(l, is_program ? cairn_program_name() : slash ? slash + 1 : hit->file);
	cairn_line_text(l, "+");
	cairn_line_hex(l, hit->at - hit->start);
	cairn_line_text(l, ")");
	undeclared_say_target(l, hit);
	if (is_named && !offset && !hit->offset) {
		cairn_line_text(l, "cairn_gc_root_add(h, &");
		cairn_line_text(l, name);
		cairn_line_text(l, "), declared as cairn_ref(");
		cairn_line_text(l, hit->type);
		cairn_line_text(l, ")");
	} else {
		undeclared_say_range(l, hit->at, sizeof(uintptr_t));
	}
}

static void undeclared_say(cairn_line *l, const undeclared_hit *hit)
{
	if (hit->place == UNDECLARED_STATIC) {
		undeclared_say_static(l, hit);
		return;
	}
	if (hit->place == UNDECLARED_MALLOC) {
		cairn_line_text(l, "malloc block of ");
		cairn_line_dec(l, hit->bytes);
		cairn_line_text(l, " bytes at ");
	} else {
		cairn_line_text(
			l, hit->place == UNDECLARED_STACK
				   ? "stack or thread-local data of a thread that is not attached, in the mapping at "
				   : "mapping at ");
	}
	cairn_line_hex(l, hit->start);
	cairn_line_text(l, " +");
	cairn_line_dec(l, hit->at - hit->start);
	undeclared_say_target(l, hit);
	if (hit->place == UNDECLARED_STACK) {
		cairn_line_text(l, "cairn_gc_attach(h) in that thread");
		return;
	}
	undeclared_say_range(l, hit->place == UNDECLARED_MALLOC ? hit->start : hit->at,
		hit->place == UNDECLARED_MALLOC ? hit->bytes : sizeof(uintptr_t));
	cairn_line_text(l, ", or a handle");
}

static size_t undeclared_print(undeclared_search *u, FILE *to)
{
	to = to ? to : stderr;
	cairn_gc_findings_print(&u->findings, to);
	for (size_t i = 0; i < u->hit_count && i < UNDECLARED_HITS; i++) {
		cairn_line l = { 0 };
		undeclared_say(&l, &u->hits[i]);
		fprintf(to, "%.*s\n", (int)l.used, l.text);
	}
	if (u->hit_count > UNDECLARED_HITS)
		fprintf(to, "undeclared references in all: %zu\n", u->hit_count);
	return u->hit_count + u->findings.errors;
}

size_t cairn_gc_find_undeclared(cairn_gc_mutator *m, FILE *to)
{
	size_t hits_bytes = UNDECLARED_HITS * sizeof(undeclared_hit), found = 0;
	undeclared_search *u = cairn_gc_meta_alloc(NULL, sizeof *u);
	char *room = cairn_gc_meta_alloc(NULL, hits_bytes + UNDECLARED_PIECE);
	if (u && room && cairn_gc_findings_begin(&u->findings)) {
		u->hits = (undeclared_hit *)room;
		u->words = (uintptr_t *)(room + hits_bytes);
		u->has_self = cairn_peer_open(&u->self, (uint32_t)getpid()) == 0;
		cairn_gc_in_a_stop(m, undeclared_in_stop, u);
		cairn_gc_leave(m); /* writing may wait */
		found = undeclared_print(u, to);
		cairn_gc_enter(m);
		if (u->has_self)
			cairn_peer_close(&u->self);
		cairn_gc_findings_end(&u->findings);
	} else {
		fprintf(to, "no memory to look for undeclared references\n");
		found = 1;
	}
	cairn_gc_meta_free(NULL, room, hits_bytes + UNDECLARED_PIECE);
	cairn_gc_meta_free(NULL, u, sizeof *u);
	return found;
}
