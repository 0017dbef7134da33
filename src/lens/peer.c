/* lens/peer.c - another process from outside. See peer.h. */
#include "lens/peer.h"

#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* linux/fs.h of Linux 6.7. */
typedef struct peer_scan_run {
	uint64_t start, end, categories;
} peer_scan_run;
typedef struct peer_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} peer_scan;
#define PEER_PAGEMAP_SCAN _IOWR('f', 16, peer_scan)
enum { PEER_PRESENT = 1 << 3, PEER_ZERO_PAGE = 1 << 5, PEER_HUGE = 1 << 6 };
enum { PEER_RUNS = 256, PEER_ENTRIES = 512, PEER_NEAR_BYTES = 16384, PEER_GAP_BYTES = 2048 };

/* ---- files of /proc ---- */

/* "FOLDER/NUMBER/NAME": folder and name are constants of ours, or made by this. */
static void peer_path(char *to, size_t bytes, const char *folder, uint32_t number, const char *name)
{
	char digits[12];
	size_t n = 0, used = strlen(folder);
	memcpy(to, folder, used);
	do {
		digits[n++] = (char)('0' + number % 10);
	} while (number /= 10);
	while (n)
		to[used++] = digits[--n];
	to[used++] = '/';
	for (; *name && used + 1 < bytes; name++)
		to[used++] = *name;
	to[used] = 0;
}

/* The kernel has a folder for each thread, also where it lists none. */
static int peer_open_file(const cairn_peer *p, const char *name)
{
	char path[96];
	peer_path(path, sizeof path, "/proc/", strcmp(name, "stat") ? p->reader : p->pid, name);
	return (int)cairn_sys(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

typedef struct peer_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
} peer_entry;

static uint32_t peer_number(const char *name)
{
	uint32_t n = 0;
	for (; *name >= '0' && *name <= '9'; name++)
		n = n * 10 + (uint32_t)(*name - '0');
	return n;
}

void cairn_peer_visit_threads(const cairn_peer *p, bool (*visit)(void *, uint32_t), void *arg)
{
	char entries[4096];
	bool goes_on = true;
	int fd = peer_open_file(p, "task");
	for (long n; fd >= 0 && goes_on &&
	     (n = cairn_sys(SYS_getdents64, fd, (long)entries, sizeof entries, 0, 0, 0)) > 0;)
		for (long at = 0; at < n && goes_on; at += ((peer_entry *)(entries + at))->length) {
			uint32_t id = peer_number(((peer_entry *)(entries + at))->name);
			goes_on = !id || visit(arg, id);
		}
	if (fd >= 0)
		cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

size_t cairn_peer_file(const cairn_peer *p, const char *name, char *text, size_t bytes)
{
	int fd = peer_open_file(p, name);
	size_t used = 0;
	long n = 1;
	text[0] = 0;
	if (fd < 0)
		return 0;
	while (used + 1 < bytes &&
		(n = cairn_sys(SYS_read, fd, (long)text + (long)used, (long)(bytes - 1 - used), 0, 0, 0)) > 0)
		used += (size_t)n;
	cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	text[used] = 0;
	return used;
}

size_t cairn_peer_thread_file(const cairn_peer *p, uint32_t id, const char *name, char *text, size_t bytes)
{
	char path[64];
	peer_path(path, sizeof path, "task/", id, name);
	return cairn_peer_file(p, path, text, bytes);
}

size_t cairn_peer_link(const cairn_peer *p, const char *name, char *text, size_t bytes)
{
	char path[96];
	peer_path(path, sizeof path, "/proc/", p->reader, name);
	long n = cairn_sys(SYS_readlinkat, AT_FDCWD, (long)path, (long)text, (long)bytes - 1, 0, 0);
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

int cairn_peer_lines_open(const cairn_peer *p, cairn_peer_lines *l, const char *name)
{
	l->from = l->to = 0;
	l->line = l->buffer;
	l->fd = peer_open_file(p, name);
	return l->fd < 0 ? -l->fd : 0;
}

/* Moves what is left to the front and reads behind it. False: the file ended, or the buffer is full. */
static bool lines_fill(cairn_peer_lines *l)
{
	memmove(l->buffer, l->buffer + l->from, l->to - l->from);
	l->to -= l->from;
	l->from = 0;
	long n = cairn_sys(
		SYS_read, l->fd, (long)l->buffer + (long)l->to, (long)(sizeof l->buffer - 1 - l->to), 0, 0, 0);
	if (n <= 0)
		return false;
	l->to += (size_t)n;
	return true;
}

bool cairn_peer_lines_next(cairn_peer_lines *l)
{
	char *end;
	while (!(end = memchr(l->buffer + l->from, '\n', l->to - l->from)))
		if (!lines_fill(l)) {
			if (l->from == l->to)
				return false;
			end = l->buffer + l->to; /* there is always a byte behind */
			break;
		}
	*end = 0;
	l->line = l->buffer + l->from;
	l->from = (size_t)(end - l->buffer) + (end < l->buffer + l->to);
	return true;
}

void cairn_peer_lines_close(cairn_peer_lines *l) { cairn_sys(SYS_close, l->fd, 0, 0, 0, 0, 0); }

/* ---- its memory ---- */

bool cairn_peer_read(cairn_peer *p, uintptr_t at, void *to, size_t n)
{
	if (p->memory >= 0)
		return cairn_sys(SYS_pread64, p->memory, (long)to, (long)n, (long)at, 0, 0) == (long)n;
	struct iovec here = { to, n }, there = { (void *)at, n };
	return cairn_sys(SYS_process_vm_readv, (long)p->reader, (long)&here, 1, (long)&there, 1, 0) == (long)n;
}

bool cairn_peer_write(cairn_peer *p, uintptr_t at, const void *from, size_t n)
{
	struct iovec here = { (void *)(uintptr_t)from, n }, there = { (void *)at, n };
	return cairn_sys(SYS_process_vm_writev, (long)p->reader, (long)&here, 1, (long)&there, 1, 0) == (long)n;
}

/* Takes the piece into [*low, *high) where all of it fits into one read and no page lies between that holds nothing of
 * them: that one might not be there, and reading would bring it in. */
static bool peer_is_near(const cairn_peer_piece *piece, uintptr_t *low, uintptr_t *high)
{
	uintptr_t start = piece->at < *low ? piece->at : *low, end = piece->at + piece->bytes;
	bool is_apart = piece->at > *high + PEER_GAP_BYTES || *low > end + PEER_GAP_BYTES;
	end = end > *high ? end : *high;
	if (is_apart || end < start || end - start > PEER_NEAR_BYTES)
		return false;
	*low = start;
	*high = end;
	return true;
}

static bool peer_read_piece(cairn_peer *p, const cairn_peer_piece *piece)
{
	bool ok = cairn_peer_read(p, piece->at, piece->to, piece->bytes);
	if (!ok)
		memset(piece->to, 0, piece->bytes);
	return ok;
}

/* Each read takes the lock of the process's address space, and so does each piece of a call that takes several. So
 * neighbours are read as one. */
size_t cairn_peer_read_all(cairn_peer *p, const cairn_peer_piece *pieces, size_t count)
{
	char near[PEER_NEAR_BYTES];
	size_t done = 0;
	for (size_t from = 0, to; from < count; from = to) {
		uintptr_t low = pieces[from].at, high = low + pieces[from].bytes;
		for (to = from + 1; to < count && peer_is_near(&pieces[to], &low, &high); to++)
			;
		bool is_read = to - from > 1 && cairn_peer_read(p, low, near, high - low);
		for (size_t i = from; i < to; i++) {
			if (is_read)
				memcpy(pieces[i].to, near + (pieces[i].at - low), pieces[i].bytes);
			done += is_read || peer_read_piece(p, &pieces[i]);
		}
	}
	return done;
}

/* ---- which pages are resident ---- */

static void peer_mark(uint64_t *bits, size_t from, size_t to)
{
	for (; from < to && from % 64; from++)
		cairn_bit_set(bits, from);
	for (; from + 64 <= to; from += 64)
		bits[from / 64] = ~0ull;
	for (; from < to; from++)
		cairn_bit_set(bits, from);
}

/* One run a stretch of pages of one kind. A page of zeros that was only read is not in the resident set. */
static bool peer_scan_pages(cairn_peer *p, uintptr_t start, uintptr_t end, uint64_t *resident, uint64_t *huge)
{
	peer_scan_run runs[PEER_RUNS];
	peer_scan scan = { .size = sizeof scan,
		.start = start,
		.end = end,
		.vec = (uintptr_t)runs,
		.vec_len = PEER_RUNS,
		.category_inverted = PEER_ZERO_PAGE,
		.category_mask = PEER_PRESENT | PEER_ZERO_PAGE,
		.return_mask = PEER_PRESENT | PEER_HUGE };
	while (scan.start < end) {
		long n = cairn_sys(SYS_ioctl, p->pagemap, (long)PEER_PAGEMAP_SCAN, (long)&scan, 0, 0, 0);
		if (n < 0)
			return false;
		for (long i = 0; i < n; i++) {
			size_t from = (runs[i].start - start) / p->page_bytes,
			       to = (runs[i].end - start) / p->page_bytes;
			peer_mark(resident, from, to);
			if (runs[i].categories & PEER_HUGE)
				peer_mark(huge, from, to);
		}
		if (scan.walk_end <= scan.start)
			return false;
		scan.start = scan.walk_end;
	}
	return true;
}

/* Before 6.7: an entry a page. The frame's number is hidden from most readers, so that a page of zeros that was only
 * read looks like one that a child shares: neither of a file (bit 61) nor this process's alone (bit 56). */
static bool peer_entry_is_resident(const cairn_peer *p, uint64_t entry)
{
	return entry >> 63 && (!p->shares_nothing || entry >> 61 & 1 || entry >> 56 & 1);
}

static bool peer_read_pagemap(cairn_peer *p, uintptr_t start, size_t pages, uint64_t *resident)
{
	uint64_t entries[PEER_ENTRIES];
	for (size_t at = 0; at < pages; at += PEER_ENTRIES) {
		size_t want = pages - at < PEER_ENTRIES ? pages - at : PEER_ENTRIES;
		long got = cairn_sys(SYS_pread64, p->pagemap, (long)entries, (long)(want * 8),
			(long)((start / p->page_bytes + at) * 8), 0, 0);
		if (got < 0)
			return false;
		for (size_t i = 0; i < (size_t)got / 8; i++)
			if (peer_entry_is_resident(p, entries[i]))
				cairn_bit_set(resident, at + i);
	}
	return true;
}

bool cairn_peer_resident(cairn_peer *p, uintptr_t start, size_t pages, uint64_t *resident, uint64_t *huge)
{
	size_t words = (pages + 63) / 64;
	memset(resident, 0, words * 8);
	memset(huge, 0, words * 8);
	if (p->pagemap < 0)
		return false;
	if (p->has_scan && peer_scan_pages(p, start, start + pages * p->page_bytes, resident, huge))
		return true;
	memset(resident, 0, words * 8);
	memset(huge, 0, words * 8);
	return peer_read_pagemap(p, start, pages, resident);
}

/* ---- opening ---- */

static bool peer_can_scan(cairn_peer *p)
{
	peer_scan_run run;
	peer_scan scan = { .size = sizeof scan,
		.start = p->page_bytes,
		.end = 2 * p->page_bytes,
		.vec = (uintptr_t)&run,
		.vec_len = 1,
		.category_mask = PEER_PRESENT,
		.return_mask = PEER_PRESENT };
	return p->pagemap >= 0 && cairn_sys(SYS_ioctl, p->pagemap, (long)PEER_PAGEMAP_SCAN, (long)&scan, 0, 0, 0) >= 0;
}

/* Nothing is mapped at 0: who may read is told EFAULT, who may not EPERM, and of a thread without memory ESRCH. */
static long peer_try(uint32_t thread)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { NULL, 1 };
	return cairn_sys(SYS_process_vm_readv, (long)thread, (long)&here, 1, (long)&there, 1, 0);
}

/* Containers may filter the call, and emulators do not have it, where /proc/PID/mem, which asks for the same right, can
 * be had. */
static void peer_open_memory(cairn_peer *p)
{
	p->has_memory = peer_try(p->reader) == -EFAULT;
	if (!p->has_memory && !p->is_empty)
		p->memory = peer_open_file(p, "mem");
	p->has_memory = p->has_memory || p->memory >= 0;
}

/* A first thread that has ended (pthread_exit in main) has no memory any more, but the others do. */
static bool peer_try_reader(void *arg, uint32_t thread)
{
	cairn_peer *p = arg;
	p->is_empty = peer_try(thread) == -ESRCH;
	if (!p->is_empty)
		p->reader = thread;
	return p->is_empty;
}

/* smaps asks for the same right as pagemap; reading memory for a stronger one. */
int cairn_peer_open(cairn_peer *p, uint32_t pid)
{
	char text[64];
	*p = (cairn_peer){
		.pid = pid ? pid : (uint32_t)cairn_sys(SYS_getpid, 0, 0, 0, 0, 0, 0), .pagemap = -1, .memory = -1
	};
	p->reader = p->pid;
	p->page_bytes = cairn_vm_page_bytes();
	if (!cairn_peer_file(p, "stat", text, sizeof text))
		return ESRCH;
	if (peer_try_reader(p, p->pid))
		cairn_peer_visit_threads(p, peer_try_reader, p);
	int maps = peer_open_file(p, "smaps");
	if (maps < 0)
		return maps == -ENOENT || maps == -ESRCH ? ESRCH : -maps;
	cairn_sys(SYS_close, maps, 0, 0, 0, 0, 0);
	p->pagemap = peer_open_file(p, "pagemap");
	p->has_scan = peer_can_scan(p);
	peer_open_memory(p);
	return 0;
}

void cairn_peer_close(cairn_peer *p)
{
	if (p->pagemap >= 0)
		cairn_sys(SYS_close, p->pagemap, 0, 0, 0, 0, 0);
	if (p->memory >= 0)
		cairn_sys(SYS_close, p->memory, 0, 0, 0, 0, 0);
	p->pagemap = p->memory = -1;
}

/* ---- arrays ---- */

enum { ROOM_FIRST_BYTES = 64 << 10 };

static bool room_grow(cairn_peer_room *r)
{
	size_t old = r->capacity * r->item_bytes,
	       bytes = r->capacity ? 2 * cairn_round_up(old, ROOM_FIRST_BYTES) : ROOM_FIRST_BYTES;
	void *items = cairn_vm_map(bytes);
	if (!items)
		return false;
	if (r->items) {
		memcpy(items, r->items, r->count * r->item_bytes);
		cairn_vm_release(r->items, cairn_round_up(old, ROOM_FIRST_BYTES));
	}
	r->items = items;
	r->capacity = bytes / r->item_bytes;
	return true;
}

void *cairn_peer_room_add(cairn_peer_room *r, size_t item_bytes)
{
	r->item_bytes = item_bytes;
	if (r->count == r->capacity && !room_grow(r))
		return NULL;
	return (char *)r->items + r->count++ * item_bytes;
}

void cairn_peer_room_free(cairn_peer_room *r)
{
	if (r->items)
		cairn_vm_release(r->items, cairn_round_up(r->capacity * r->item_bytes, ROOM_FIRST_BYTES));
	*r = (cairn_peer_room){ 0 };
}

static uint64_t room_key(const char *items, size_t i, size_t bytes)
{
	uint64_t key;
	memcpy(&key, items + i * bytes, sizeof key);
	return key;
}

static void room_swap(char *a, char *b, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t x, y;
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		memcpy(a + i, &y, 8);
		memcpy(b + i, &x, 8);
	}
}

static void room_sift(char *items, size_t root, size_t count, size_t bytes)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && room_key(items, child, bytes) < room_key(items, child + 1, bytes))
			child++;
		if (room_key(items, root, bytes) >= room_key(items, child, bytes))
			return;
		room_swap(items + root * bytes, items + child * bytes, bytes);
	}
}

/* Items that are their keys and nothing else, of which there may be millions: byte by byte, through a second array.
 * False: there is no memory for that. */
static bool room_sort_words(cairn_peer_room *r)
{
	size_t n = r->count, bytes = cairn_round_up(n * 8, ROOM_FIRST_BYTES);
	uint64_t *other = cairn_vm_map(bytes), *from = r->items, *to = other;
	if (!other)
		return false;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t begin[256] = { 0 }, at = 0;
		for (size_t i = 0; i < n; i++)
			begin[from[i] >> shift & 255]++;
		if (begin[from[0] >> shift & 255] == n)
			continue;
		for (size_t i = 0; i < 256; i++) {
			size_t count = begin[i];
			begin[i] = at;
			at += count;
		}
		for (size_t i = 0; i < n; i++)
			to[begin[from[i] >> shift & 255]++] = from[i];
		uint64_t *was = from;
		from = to;
		to = was;
	}
	if (from == other)
		memcpy(r->items, other, n * 8);
	cairn_vm_release(other, bytes);
	return true;
}

void cairn_peer_room_sort(cairn_peer_room *r)
{
	char *items = r->items;
	bool is_sorted = true;
	for (size_t i = 1; i < r->count && is_sorted; i++)
		is_sorted = room_key(items, i - 1, r->item_bytes) <= room_key(items, i, r->item_bytes);
	if (is_sorted || (r->item_bytes == 8 && room_sort_words(r)))
		return;
	for (size_t i = r->count / 2; i-- > 0;)
		room_sift(items, i, r->count, r->item_bytes);
	for (size_t n = r->count; n-- > 1;) {
		room_swap(items, items + n * r->item_bytes, r->item_bytes);
		room_sift(items, 0, n, r->item_bytes);
	}
}
