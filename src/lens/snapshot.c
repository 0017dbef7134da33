/* lens/snapshot.c - one look at a process, and its figures that are not lines. See <cairn/stats.h>.
 *
 *   open ─▶ smaps ─▶ files, heap, threads label what is theirs ─▶ count ─▶ walk the heap ─▶ enough? ─▶ lines
 *             ▲                                                                              │
 *             └── a process that went on meanwhile: up to three times ───────────────────────┘
 *
 * The kernel's sum (smaps) and the walk are of two instants. What they differ by is drift; where it is over half a per
 * cent the look is made again, and at last `is_approximate` says so. A process that stands still has none.
 *
 * Locks: none. Failure: an errno, and the snapshot is not to be used.
 * Not here: the lines' words (snapshotlines.c), how it looks (snapshot_text.c, snapshot_json.c). */
#include "lens/snapshot.h"

#include "base/bits.h"
#include "os/clock.h"
#include "os/sys.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

/* Reading smaps keeps the process from mapping memory while one mapping is walked: 26 to 60 ns a page, 7 to 16 ms a
 * GiB. Of a process with a thread that runs and with more than this it is not read. */
#define LOOK_SUMS_BYTES (256ull << 20)
#define GLANCE_COUNTED_BYTES (4ull << 30) /* in some 12 ms at most */

enum { LOOK_TRIES = 3, LOOK_DRIFT_SHARE = 200, LOOK_TEXT_BYTES = 4096, LOOK_TICKS = 100 };

static uint64_t look_now_ns(void)
{
	struct timespec t = { 0, 0 };
	cairn_sys(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0, 0, 0, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- /proc/PID/stat and status ---- */

static uint64_t look_number(const char **s)
{
	uint64_t n = 0;
	while (**s == ' ')
		(*s)++;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		n = n * 10 + (uint64_t)(**s - '0');
	while (**s && **s != ' ')
		(*s)++;
	return n;
}

/* What stands behind the name, which may hold anything: "(name) S 1 ...". Field 3 is the state. */
static const char *look_behind_name(const char *text, char *name, size_t bytes)
{
	const char *from = strchr(text, '('), *to = strrchr(text, ')');
	if (!from || !to || to[1] != ' ')
		return NULL;
	size_t n = (size_t)(to - from - 1) < bytes - 1 ? (size_t)(to - from - 1) : bytes - 1;
	memcpy(name, from + 1, n);
	name[n] = 0;
	return to + 2;
}

/* CLOCK_MONOTONIC of a time since boot, which stands still nowhere. */
static uint64_t look_monotonic(uint64_t ticks)
{
	struct timespec boot = { 0, 0 };
	cairn_sys(SYS_clock_gettime, CLOCK_BOOTTIME, (long)&boot, 0, 0, 0, 0);
	uint64_t now = (uint64_t)boot.tv_sec * 1000000000u + (uint64_t)boot.tv_nsec;
	uint64_t ago = now > ticks * 10000000u ? now - ticks * 10000000u : 0, monotonic = look_now_ns();
	return monotonic > ago ? monotonic - ago : 0;
}

/* Fields 10 and 12 are faults, 14 and 15 times, 22 the start. */
static bool look_at_stat(cairn_snapshot *s, const cairn_peer *p)
{
	char text[LOOK_TEXT_BYTES];
	const char *at;
	uint64_t field[23] = { 0 };
	if (!cairn_peer_file(p, "stat", text, sizeof text) || !(at = look_behind_name(text, s->name, sizeof s->name)))
		return false;
	s->state = *at++;
	for (unsigned i = 4; i <= 22; i++)
		field[i] = look_number(&at);
	s->minor_faults = field[10];
	s->major_faults = field[12];
	s->cpu_ns = (field[14] + field[15]) * (1000000000u / LOOK_TICKS);
	s->started_ns = look_monotonic(field[22]);
	return true;
}

typedef struct look_status {
	uint64_t peak_rss_bytes, rss_bytes, page_table_bytes, hugetlb_bytes, swap_bytes;
} look_status;

/* "VmHWM:     1234 kB" */
static void look_figure(const char *line, const char *name, uint64_t *bytes)
{
	size_t n = strlen(name);
	uint64_t kib = 0;
	if (strncmp(line, name, n))
		return;
	for (line += n; *line; line++)
		if (*line >= '0' && *line <= '9')
			kib = kib * 10 + (uint64_t)(*line - '0');
	*bytes = kib * 1024;
}

/* By lines: a process may be of thousands of groups, which stand before the figures. */
static look_status look_at_status(const cairn_peer *p)
{
	cairn_peer_lines lines;
	look_status is = { 0 };
	if (cairn_peer_lines_open(p, &lines, "status"))
		return is;
	while (cairn_peer_lines_next(&lines)) {
		look_figure(lines.line, "VmHWM:", &is.peak_rss_bytes);
		look_figure(lines.line, "VmRSS:", &is.rss_bytes);
		look_figure(lines.line, "VmPTE:", &is.page_table_bytes);
		look_figure(lines.line, "VmSwap:", &is.swap_bytes);
		look_figure(lines.line, "HugetlbPages:", &is.hugetlb_bytes);
	}
	cairn_peer_lines_close(&lines);
	return is;
}

/* Arguments end with a 0 each; a process may have put another text there. */
static void look_at_command(cairn_snapshot *s, const cairn_peer *p)
{
	size_t n = cairn_peer_file(p, "cmdline", s->command, sizeof s->command);
	while (n && (!s->command[n - 1] || s->command[n - 1] == ' '))
		n--;
	for (size_t i = 0; i < n; i++)
		if (!s->command[i])
			s->command[i] = ' ';
	s->command[n] = 0;
}

/* ---- threads ---- */

static cairn_heapwalk_thread *look_cache_of(cairn_look *k, uint32_t id)
{
	cairn_heapwalk_thread *t = k->heap.threads.items;
	for (size_t i = 0; i < k->heap.threads.count; i++)
		if (t[i].id == id)
			return &t[i];
	return NULL;
}

static void look_at_thread_stat(cairn_snapshot_thread *t, const cairn_peer *p)
{
	char text[LOOK_TEXT_BYTES];
	bool is_there = cairn_peer_thread_file(p, t->id, "stat", text, sizeof text);
	const char *at = is_there ? look_behind_name(text, t->name, sizeof t->name) : NULL;
	if (!at)
		return;
	t->state = *at++;
	uint64_t field[16] = { 0 };
	for (unsigned i = 4; i <= 15; i++)
		field[i] = look_number(&at);
	t->cpu_ns = (field[14] + field[15]) * (1000000000u / LOOK_TICKS);
}

static void look_add_thread(cairn_snapshot *s, cairn_look *k, uint32_t id)
{
	if (s->thread_count == CAIRN_SNAPSHOT_THREADS) {
		s->threads_left_out++;
		return;
	}
	cairn_snapshot_thread *t = &s->threads[s->thread_count++];
	*t = (cairn_snapshot_thread){ .id = id };
	look_at_thread_stat(t, &k->peer);
	uint64_t start, end;
	if (id == s->pid)
		t->stack_bytes = k->places.bytes[CAIRN_PLACE_STACK];
	else if (k->places.rss_bytes && cairn_places_stack(&k->places, id, &start, &end))
		t->stack_bytes = cairn_places_resident(&k->places, start, end);
	const cairn_heapwalk_thread *cache = look_cache_of(k, id);
	if (cache) {
		t->cached_bytes = cache->cached_bytes + cache->shelf_bytes;
		t->allocations = cache->allocations;
	}
}

typedef struct look_both {
	cairn_snapshot *s;
	cairn_look *k;
} look_both;

static bool look_visit_thread(void *arg, uint32_t id)
{
	look_both *b = arg;
	look_add_thread(b->s, b->k, id);
	return true;
}

static void look_at_threads(cairn_snapshot *s, cairn_look *k)
{
	look_both both = { s, k };
	cairn_peer_visit_threads(&k->peer, look_visit_thread, &both);
}

static bool look_label_stack(void *places, uint32_t id)
{
	cairn_places_label_stack(places, id);
	return true;
}

typedef struct look_busy {
	const cairn_peer *peer;
	bool is_busy;
} look_busy;

static bool look_is_idle(void *arg, uint32_t id)
{
	look_busy *b = arg;
	cairn_snapshot_thread t = { .id = id };
	look_at_thread_stat(&t, b->peer);
	b->is_busy = t.state == 'R' || t.state == 'D';
	return !b->is_busy;
}

/* Who sleeps or is stopped is not held up. */
static bool look_would_hold_up(const cairn_peer *p, const look_status *status)
{
	look_busy b = { p, false };
	if (status->rss_bytes > LOOK_SUMS_BYTES)
		cairn_peer_visit_threads(p, look_is_idle, &b);
	return b.is_busy;
}

/* ---- the look ---- */

static void look_free(cairn_look *k)
{
	cairn_places_free(&k->places);
	cairn_heapwalk_free(&k->heap);
}

static int look_once(cairn_look *k)
{
	int error = cairn_places_read(&k->places, &k->peer, !k->is_light);
	if (error)
		return error;
	cairn_places_look_at_files(&k->places);
	k->opened = cairn_heapwalk_open(&k->heap, &k->peer, k->places.heapmap);
	if (k->opened == CAIRN_HEAPWALK_OPENED) {
		cairn_heapwalk_read_threads(&k->heap, true);
		cairn_heapwalk_label(&k->heap, &k->places);
	}
	cairn_peer_visit_threads(&k->peer, look_label_stack, &k->places);
	cairn_places_label_ended(&k->places);
	cairn_places_count(&k->places);
	if (k->places.is_out_of_memory)
		return ENOMEM;
	if (k->opened == CAIRN_HEAPWALK_OPENED)
		k->is_whole = cairn_heapwalk_walk(&k->heap);
	if (k->is_light)
		k->places.rss_bytes += k->heap.resident_bytes;
	return 0;
}

static uint64_t look_drift(const cairn_look *k)
{
	uint64_t seen = cairn_snapshot_explained(k) + k->places.bytes[CAIRN_PLACE_UNKNOWN] + k->heap.unknown_bytes;
	return seen > k->places.rss_bytes ? seen - k->places.rss_bytes : k->places.rss_bytes - seen;
}

static int look_settled(cairn_snapshot *s, cairn_look *k)
{
	int error = 0;
	for (unsigned i = 0; i < LOOK_TRIES && !error; i++) {
		if (i)
			look_free(k);
		error = look_once(k);
		s->is_approximate = !error && look_drift(k) > k->places.rss_bytes / LOOK_DRIFT_SHARE;
		if (!s->is_approximate)
			break;
	}
	return error;
}

static void look_fill(cairn_snapshot *s, cairn_look *k)
{
	s->is_served = k->opened == CAIRN_HEAPWALK_OPENED;
	s->rss_bytes = k->places.rss_bytes;
	s->pss_bytes = k->places.has_sums ? k->places.pss_bytes : CAIRN_ACCOUNT_UNKNOWN;
	look_status status = look_at_status(&k->peer);
	s->peak_rss_bytes = status.peak_rss_bytes;
	s->rss_bytes = s->rss_bytes ? s->rss_bytes : status.rss_bytes;
	k->page_table_bytes = status.page_table_bytes;
	if (!k->places.has_sums) {
		k->places.swap_bytes = status.swap_bytes;
		k->places.hugetlb_bytes = status.hugetlb_bytes;
	}
	cairn_peer_link(&k->peer, "exe", s->executable, sizeof s->executable);
	look_at_command(s, &k->peer);
	look_at_threads(s, k);
	cairn_snapshot_fill_classes(s, k);
	cairn_snapshot_fill_lines(s, k);
	cairn_snapshot_fill_cgroup(s);
	cairn_snapshot_fill_limits(s);
}

/* Without the kernel's table of pages nothing can be counted page by page, and where pages of the reserved pool are
 * mapped, which the table does not tell from others, only the kernel's sums say what is resident. */
static void look_choose(cairn_look *k, bool wants_light)
{
	look_status status = look_at_status(&k->peer);
	bool can_be_light = k->peer.has_scan && !status.hugetlb_bytes;
	k->is_light = can_be_light && (wants_light || look_would_hold_up(&k->peer, &status));
	k->is_spared = k->is_light && !wants_light;
}

static int look_take(cairn_snapshot *s, uint32_t pid, bool wants_light)
{
	cairn_look k;
	uint64_t begin_ns = look_now_ns();
	memset(s, 0, sizeof *s);
	memset(&k, 0, sizeof k);
	int error = cairn_peer_open(&k.peer, pid);
	if (error)
		return error;
	s->pid = k.peer.pid;
	s->taken_ns = begin_ns;
	look_choose(&k, wants_light);
	error = look_at_stat(s, &k.peer) ? look_settled(s, &k) : ESRCH;
	if (!error)
		look_fill(s, &k);
	look_free(&k);
	cairn_peer_close(&k.peer);
	s->cost_ns = look_now_ns() - begin_ns;
	return error;
}

int cairn_snapshot_take(cairn_snapshot *s, uint32_t pid) { return look_take(s, pid, false); }
int cairn_snapshot_take_light(cairn_snapshot *s, uint32_t pid) { return look_take(s, pid, true); }

/* Small blocks that are out of the central lists, less what lies in magazines; and the large ones. */
static void glance_at_heap(cairn_snapshot *s, cairn_look *k)
{
	cairn_heapwalk_read_threads(&k->heap, false);
	const cairn_control *control = &k->heap.control;
	s->is_served = true;
	s->class_count = CAIRN_CLASS_COUNT;
	for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++) {
		cairn_snapshot_class *c = &s->classes[i];
		c->size_bytes = i ? k->heap.classes[i].bytes : 0;
		c->allocations = k->heap.by_class[i].allocations;
		c->live_blocks = control->out[i] < UINT64_MAX >> 16 ? control->out[i] : 0;
		c->live_bytes = i ? c->live_blocks * c->size_bytes : control->large_bytes;
		s->live_blocks += c->live_blocks;
		s->allocations += c->allocations;
		s->allocated_bytes += c->allocations * c->size_bytes;
	}
}

/* The kernel's own sum is off by megabytes: it is kept by processors in part, and folded now and then. Up to some size
 * the pages are counted instead. */
static void glance_at_pages(cairn_snapshot *s, cairn_look *k)
{
	const cairn_vma *v = k->places.vmas.items;
	look_status status = look_at_status(&k->peer);
	uint64_t sum = 0;
	s->peak_rss_bytes = status.peak_rss_bytes;
	s->rss_bytes = status.rss_bytes;
	if (!k->peer.has_scan || s->rss_bytes > GLANCE_COUNTED_BYTES)
		return;
	for (size_t i = 0; i < k->places.vmas.count; i++)
		if (v[i].is_readable || v[i].is_writable || v[i].is_executable)
			sum += cairn_places_resident(&k->places, v[i].start, v[i].end);
	s->rss_bytes = sum > status.hugetlb_bytes ? sum - status.hugetlb_bytes : 0; /* those are not in it */
}

int cairn_snapshot_glance(cairn_snapshot *s, uint32_t pid)
{
	cairn_look k;
	uint64_t begin_ns = look_now_ns();
	memset(s, 0, sizeof *s);
	memset(&k, 0, sizeof k);
	int error = cairn_peer_open(&k.peer, pid);
	if (error)
		return error;
	s->pid = k.peer.pid;
	s->taken_ns = begin_ns;
	error = look_at_stat(s, &k.peer) ? cairn_places_read(&k.places, &k.peer, false) : ESRCH;
	if (!error) {
		cairn_places_look_at_files(&k.places);
		k.opened = cairn_heapwalk_open(&k.heap, &k.peer, k.places.heapmap);
		if (k.opened == CAIRN_HEAPWALK_OPENED)
			glance_at_heap(s, &k);
		glance_at_pages(s, &k);
		look_at_threads(s, &k);
		cairn_snapshot_fill_limits(s);
	}
	look_free(&k);
	cairn_peer_close(&k.peer);
	s->cost_ns = look_now_ns() - begin_ns;
	return error;
}

/* Opens the process as far as its heapmap. 0, an errno, or ENOTSUP: there is none of ours. */
static int look_open_map(cairn_look *k, uint32_t pid)
{
	memset(k, 0, sizeof *k);
	int error = cairn_peer_open(&k->peer, pid);
	if (error)
		return error;
	if (k->peer.has_memory && !cairn_places_read(&k->places, &k->peer, false)) {
		cairn_places_look_at_files(&k->places);
		k->opened = cairn_heapwalk_open(&k->heap, &k->peer, k->places.heapmap);
	}
	bool is_open = k->opened == CAIRN_HEAPWALK_OPENED && k->places.heapmap;
	look_free(k);
	if (!is_open)
		cairn_peer_close(&k->peer);
	return is_open ? 0 : ENOTSUP;
}

bool cairn_snapshot_is_served(uint32_t pid)
{
	cairn_look k;
	int error = look_open_map(&k, pid);
	if (!error)
		cairn_peer_close(&k.peer);
	return !error;
}

int cairn_snapshot_ask_purge(uint32_t pid)
{
	cairn_look k;
	uint32_t served = 0;
	int error = look_open_map(&k, pid);
	if (error)
		return error;
	bool ok = k.heap.map.purge_request &&
		  cairn_peer_read(&k.peer, (uintptr_t)k.heap.map.purge_served, &served, sizeof served);
	served++; /* two that ask at once ask for the same */
	ok = ok && cairn_peer_write(&k.peer, (uintptr_t)k.heap.map.purge_request, &served, sizeof served);
	cairn_peer_close(&k.peer);
	return ok ? 0 : ENOTSUP;
}

bool cairn_snapshot_purge_is_served(uint32_t pid)
{
	cairn_look k;
	uint32_t request = 0, served = 1;
	if (look_open_map(&k, pid))
		return false;
	bool ok = cairn_peer_read(&k.peer, (uintptr_t)k.heap.map.purge_request, &request, sizeof request) &&
		  cairn_peer_read(&k.peer, (uintptr_t)k.heap.map.purge_served, &served, sizeof served);
	cairn_peer_close(&k.peer);
	return ok && request == served;
}

bool cairn_snapshot_validate(const cairn_snapshot *s)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < s->line_count; i++) {
		sum += s->lines[i].bytes;
		if (!memchr(s->lines[i].name, 0, CAIRN_SNAPSHOT_NAME) ||
			!memchr(s->lines[i].why, 0, CAIRN_SNAPSHOT_WHY))
			return false;
	}
	return s->line_count && s->line_count <= CAIRN_SNAPSHOT_LINES && sum == s->rss_bytes &&
	       s->lines[s->line_count - 1].kind == CAIRN_SNAPSHOT_UNEXPLAINED;
}
