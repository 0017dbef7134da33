/* lens/places.c - mappings, labels, and what is resident of each. See places.h. */
#include "lens/places.h"

#include "base/bits.h"

#include <errno.h>
#include <string.h>

enum { PLACES_SLICE_PAGES = 16384 }; /* of which residency is asked for at once */

cairn_object *cairn_places_object(const cairn_places *l, uint32_t object)
{
	return &((cairn_object *)l->objects.items)[object < l->objects.count ? object : 0];
}

static cairn_vma *vma_number(const cairn_places *l, size_t i) { return &((cairn_vma *)l->vmas.items)[i]; }
static cairn_label *label_number(const cairn_places *l, size_t i) { return &((cairn_label *)l->labels.items)[i]; }

/* ---- reading smaps ---- */

/* FNV-1a. */
static size_t places_bucket(const char *name)
{
	uint64_t sum = 0xcbf29ce484222325u;
	for (; *name; name++)
		sum = (sum ^ (unsigned char)*name) * 0x100000001b3u;
	return (size_t)(sum >> 32) % CAIRN_PLACES_BUCKETS;
}

/* A process may have mapped tens of thousands of files. */
static uint32_t places_name(cairn_places *l, const char *name)
{
	size_t length = strlen(name);
	if (!length)
		return CAIRN_NO_OBJECT;
	if (length >= CAIRN_OBJECT_NAME)
		name += length - (CAIRN_OBJECT_NAME - 1);
	uint32_t *bucket = &l->buckets[places_bucket(name)];
	for (uint32_t i = *bucket; i; i = cairn_places_object(l, i)->next)
		if (!strcmp(cairn_places_object(l, i)->name, name))
			return i;
	cairn_object *o = cairn_peer_room_add(&l->objects, sizeof *o);
	if (!o)
		return CAIRN_NO_OBJECT;
	strcpy(o->name, name);
	o->next = *bucket;
	return *bucket = (uint32_t)l->objects.count - 1;
}

static uint64_t places_hex(const char **s)
{
	uint64_t n = 0;
	for (;; (*s)++) {
		char c = **s;
		if (c >= '0' && c <= '9')
			n = n * 16 + (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (uint64_t)(c - 'a' + 10);
		else
			return n;
	}
}

/* "55d0-55d1 r-xp 00002000 fe:00 1234   /path": a mapping's first line. False: it is another. */
static bool places_take_mapping(cairn_places *l, const char *s)
{
	const char *from = s;
	uint64_t start = places_hex(&s), end;
	if (s == from || *s++ != '-' || (end = places_hex(&s)) <= start || *s++ != ' ' || strlen(s) < 5)
		return false;
	cairn_vma *v = cairn_peer_room_add(&l->vmas, sizeof *v);
	if (!v) {
		l->is_out_of_memory = true;
		return false;
	}
	v->start = start;
	v->end = end;
	v->is_readable = s[0] == 'r';
	v->is_writable = s[1] == 'w';
	v->is_executable = s[2] == 'x';
	v->is_shared = s[3] == 's';
	s += 5;
	v->offset = places_hex(&s);
	for (int blanks = 0; *s && blanks < 3; s++) /* behind the offset, the device, the inode */
		blanks += *s == ' ';
	while (*s == ' ')
		s++;
	v->object = places_name(l, s);
	cairn_places_object(l, v->object)->is_code |= v->is_executable && v->object;
	return true;
}

/* "Rss:      12 kB" */
static bool places_figure(const char *line, const char *name, uint64_t *bytes)
{
	size_t n = strlen(name);
	uint64_t kib = 0;
	if (strncmp(line, name, n) || line[n] != ':')
		return false;
	for (line += n + 1; *line; line++)
		if (*line >= '0' && *line <= '9')
			kib = kib * 10 + (uint64_t)(*line - '0');
	*bytes = kib * 1024;
	return true;
}

static void places_take_figure(cairn_places *l, const char *line)
{
	uint64_t bytes;
	if (!l->vmas.count)
		return;
	if (places_figure(line, "Rss", &bytes)) {
		vma_number(l, l->vmas.count - 1)->rss_bytes = bytes;
		l->rss_bytes += bytes;
	} else if (places_figure(line, "Pss", &bytes)) {
		l->pss_bytes += bytes;
	} else if (places_figure(line, "Shared_Clean", &bytes) || places_figure(line, "Shared_Dirty", &bytes)) {
		if (bytes && !vma_number(l, l->vmas.count - 1)->object)
			l->peer->shares_nothing = false;
	} else if (places_figure(line, "Swap", &bytes)) {
		l->swap_bytes += bytes;
	} else if (places_figure(line, "LazyFree", &bytes)) {
		l->lazy_bytes += bytes;
	} else if (places_figure(line, "AnonHugePages", &bytes)) {
		l->huge_bytes += bytes;
	} else if (places_figure(line, "Shared_Hugetlb", &bytes) || places_figure(line, "Private_Hugetlb", &bytes)) {
		l->hugetlb_bytes += bytes;
	}
}

int cairn_places_read(cairn_places *l, cairn_peer *p, bool with_sums)
{
	cairn_peer_lines lines;
	memset(l, 0, sizeof *l);
	l->peer = p;
	l->has_sums = with_sums;
	p->shares_nothing = with_sums; /* until a mapping says otherwise */
	if (!cairn_peer_room_add(&l->objects, sizeof(cairn_object))) /* number 0 */
		return ENOMEM;
	int error = cairn_peer_lines_open(p, &lines, with_sums ? "smaps" : "maps");
	if (error)
		return error;
	while (cairn_peer_lines_next(&lines))
		if (!places_take_mapping(l, lines.line))
			places_take_figure(l, lines.line);
	cairn_peer_lines_close(&lines);
	if (l->is_out_of_memory)
		return ENOMEM;
	cairn_peer_room_sort(&l->vmas); /* the kernel's order already, but for what another process may do meanwhile */
	return 0;
}

cairn_vma *cairn_places_at(const cairn_places *l, uint64_t at)
{
	size_t low = 0, high = l->vmas.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (vma_number(l, middle)->end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->vmas.count && vma_number(l, low)->start <= at ? vma_number(l, low) : NULL;
}

/* ---- labels ---- */

void cairn_places_label(
	cairn_places *l, uint64_t start, uint64_t end, uint64_t rank, cairn_place place, uint32_t object)
{
	if (start >= end)
		return;
	cairn_label *label = cairn_peer_room_add(&l->labels, sizeof *label);
	if (!label) {
		l->is_out_of_memory = true;
		return;
	}
	*label = (cairn_label){ start, end, rank, place, object };
}

/* The labels that are over the place where the sweep is, the highest rank first: a binary heap of their numbers. */
typedef struct places_active {
	const cairn_label *labels;
	uint64_t *heap;
	size_t count;
} places_active;

static uint64_t active_rank(const places_active *a, size_t i) { return a->labels[a->heap[i]].rank; }

static void active_push(places_active *a, uint64_t label)
{
	size_t i = a->count++;
	a->heap[i] = label;
	for (; i && active_rank(a, (i - 1) / 2) < active_rank(a, i); i = (i - 1) / 2) {
		uint64_t t = a->heap[i];
		a->heap[i] = a->heap[(i - 1) / 2];
		a->heap[(i - 1) / 2] = t;
	}
}

static void active_pop(places_active *a)
{
	a->heap[0] = a->heap[--a->count];
	for (size_t i = 0, child; (child = 2 * i + 1) < a->count; i = child) {
		if (child + 1 < a->count && active_rank(a, child) < active_rank(a, child + 1))
			child++;
		if (active_rank(a, i) >= active_rank(a, child))
			return;
		uint64_t t = a->heap[i];
		a->heap[i] = a->heap[child];
		a->heap[child] = t;
	}
}

static bool places_add_piece(cairn_peer_room *pieces, const cairn_label *from, uint64_t start, uint64_t end)
{
	cairn_label *last = pieces->count ? &((cairn_label *)pieces->items)[pieces->count - 1] : NULL;
	if (last && last->end == start && last->place == from->place && last->object == from->object) {
		last->end = end;
		return true;
	}
	cairn_label *piece = cairn_peer_room_add(pieces, sizeof *piece);
	if (!piece)
		return false;
	*piece = *from;
	piece->start = start;
	piece->end = end;
	return true;
}

/* One sweep from the lowest address: at each place the highest of the labels over it holds, to where that ends or a
 * higher one begins. */
static bool places_sweep(places_active *a, size_t count, cairn_peer_room *pieces)
{
	uint64_t at = 0;
	for (size_t next = 0; next < count || a->count;) {
		while (a->count && a->labels[a->heap[0]].end <= at)
			active_pop(a);
		if (!a->count) {
			if (next == count)
				break;
			at = a->labels[next].start;
		}
		while (next < count && a->labels[next].start <= at)
			active_push(a, next++);
		const cairn_label *top = &a->labels[a->heap[0]];
		uint64_t end = next < count && a->labels[next].start < top->end ? a->labels[next].start : top->end;
		if (end > at && !places_add_piece(pieces, top, at, end))
			return false;
		at = end > at ? end : at;
	}
	return true;
}

static void places_paint(cairn_places *l)
{
	cairn_peer_room pieces = { 0 }, numbers = { 0 };
	cairn_peer_room_sort(&l->labels);
	for (size_t i = 0; i < l->labels.count; i++)
		if (!cairn_peer_room_add(&numbers, sizeof(uint64_t)))
			l->is_out_of_memory = true;
	places_active a = { l->labels.items, numbers.items, 0 };
	if (l->is_out_of_memory || !places_sweep(&a, l->labels.count, &pieces))
		l->is_out_of_memory = true;
	cairn_peer_room_free(&numbers);
	cairn_peer_room_free(&l->labels);
	l->labels = pieces;
}

/* ---- counting ---- */

/* The first piece that ends behind `at`; pieces.count: none. */
static size_t places_piece(const cairn_places *l, uint64_t at)
{
	size_t low = 0, high = l->labels.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (label_number(l, middle)->end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_prefix(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

/* What a mapping is by its name and kind alone. */
static cairn_place places_default(const cairn_places *l, const cairn_vma *v)
{
	const cairn_object *o = cairn_places_object(l, v->object);
	const char *name = o->name;
	if (!v->object)
		return v->is_shared ? CAIRN_PLACE_SHARED : CAIRN_PLACE_UNKNOWN;
	if (name[0] == '[') {
		if (!strcmp(name, "[heap]"))
			return CAIRN_PLACE_BREAK;
		if (is_prefix(name, "[stack"))
			return CAIRN_PLACE_STACK;
		return is_prefix(name, "[anon_shmem:") ? CAIRN_PLACE_SHARED
		       : is_prefix(name, "[anon:")     ? CAIRN_PLACE_NAMED
						       : CAIRN_PLACE_TEXT; /* vdso and its like */
	}
	if (is_prefix(name, "/dev/shm/") || is_prefix(name, "/memfd:") || is_prefix(name, "/SYSV") ||
		is_prefix(name, "/dev/zero") || is_prefix(name, "/anon_hugepage"))
		return CAIRN_PLACE_SHARED;
	if (!o->is_code)
		return CAIRN_PLACE_FILE;
	return v->is_writable ? CAIRN_PLACE_DATA : CAIRN_PLACE_TEXT;
}

/* Notes are of anonymous memory, and nobody is told when it goes: over a file they are old. */
static bool places_holds(const cairn_vma *v, const cairn_label *piece)
{
	return !v->object || piece->rank >= CAIRN_PAINT_RECORD;
}

static void places_add(cairn_places *l, cairn_place place, uint32_t object, uint64_t bytes)
{
	l->bytes[place] += bytes;
	if (object && place == CAIRN_PLACE_MAPPED)
		cairn_places_object(l, object)->mapped_bytes += bytes;
	else if (object)
		cairn_places_object(l, object)->resident_bytes += bytes;
}

/* Calls residency for [start, end) slice by slice. */
uint64_t cairn_places_resident(cairn_places *l, uint64_t start, uint64_t end)
{
	uint64_t resident[PLACES_SLICE_PAGES / 64], huge[PLACES_SLICE_PAGES / 64], pages = 0;
	size_t page = l->peer->page_bytes;
	for (uint64_t at = start; at < end;) {
		size_t n = (size_t)((end - at) / page);
		n = n < PLACES_SLICE_PAGES ? n : PLACES_SLICE_PAGES;
		if (!n || !cairn_peer_resident(l->peer, at, n, resident, huge))
			break;
		for (size_t i = 0; i < (n + 63) / 64; i++)
			pages += cairn_bits_count(resident[i]);
		at += n * page;
	}
	return pages * page;
}

/* A mapping that is several people's. What lies between the pieces is what the mapping is by itself. */
static void places_split(cairn_places *l, const cairn_vma *v, cairn_place otherwise)
{
	uint64_t at = v->start;
	for (size_t i = places_piece(l, at); at < v->end; i++) {
		const cairn_label *piece = i < l->labels.count ? label_number(l, i) : NULL;
		uint64_t start = piece && piece->start < v->end ? piece->start : v->end;
		if (start > at)
			places_add(l, otherwise, v->object, cairn_places_resident(l, at, start));
		if (start == v->end)
			return;
		start = start > at ? start : at;
		at = piece->end < v->end ? piece->end : v->end;
		if (places_holds(v, piece)) {
			if (piece->place != CAIRN_PLACE_HEAP)
				places_add(l, piece->place, piece->object, cairn_places_resident(l, start, at));
		} else {
			places_add(l, otherwise, v->object, cairn_places_resident(l, start, at));
		}
	}
}

static void places_count_vma(cairn_places *l, cairn_vma *v)
{
	cairn_place otherwise = places_default(l, v);
	size_t i = places_piece(l, v->start);
	const cairn_label *piece = i < l->labels.count ? label_number(l, i) : NULL;
	bool is_heap = piece && piece->place == CAIRN_PLACE_HEAP && piece->start <= v->start && piece->end >= v->end;
	if (!l->has_sums && !is_heap && (v->is_readable || v->is_writable || v->is_executable))
		v->rss_bytes = cairn_places_resident(l, v->start, v->end);
	if (!v->rss_bytes)
		return;
	if (!piece || piece->start >= v->end || l->peer->pagemap < 0)
		places_add(l, otherwise, v->object, v->rss_bytes);
	else if (piece->start > v->start || piece->end < v->end)
		places_split(l, v, otherwise);
	else if (!places_holds(v, piece))
		places_add(l, otherwise, v->object, v->rss_bytes);
	else if (piece->place != CAIRN_PLACE_HEAP)
		places_add(l, piece->place, piece->object, v->rss_bytes);
}

void cairn_places_count(cairn_places *l)
{
	places_paint(l);
	for (size_t i = 0; i < l->vmas.count; i++)
		places_count_vma(l, vma_number(l, i));
	for (size_t i = 0; i < CAIRN_PLACE_COUNT && !l->has_sums; i++)
		l->rss_bytes += l->bytes[i];
}

void cairn_places_free(cairn_places *l)
{
	cairn_peer_room_free(&l->vmas);
	cairn_peer_room_free(&l->objects);
	cairn_peer_room_free(&l->labels);
}

bool cairn_places_validate(const cairn_places *l)
{
	for (size_t i = 0; i < l->labels.count; i++) {
		const cairn_label *piece = label_number(l, i);
		if (piece->start >= piece->end || (i && label_number(l, i - 1)->end > piece->start)) /* L1 */
			return false;
	}
	return true;
}
