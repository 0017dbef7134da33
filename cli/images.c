/* cli/images.c - the process images of one run. See images.h.
 *
 * Invariants, checked by cairn_images_validate():
 *   (M1) child_count <= CAIRN_IMAGES_KEPT; children folded = child_count + left_out.
 *   (M2) sum.processes = children folded + the program, if it has an account.
 *   (M3) At most CAIRN_IMAGES_OPEN files are held open.
 *
 * When is an image over? When nobody has its file mapped for writing: a read lease is granted then and only then
 * (fcntl(2), F_SETLEASE), which also holds in other pid namespaces, after exec, and for copies that never told us.
 * Where there are no leases, when /proc/PID is gone, or a zombie, or its next image is here.
 *
 * Control files are read with pread, never mapped: a file may be cut while it is read.
 *
 * Failure: no memory for one more image: it is not watched now and is tried again at the next look. */
#include "images.h"
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wire/control.h"

enum { IMAGE_CACHES_MAX = 65536, IMAGE_STATUS_BYTES = 4096 };

static uint64_t status_kib(const char *text, const char *label)
{
	const char *at = strstr(text, label);
	return at ? strtoull(at + strlen(label), NULL, 10) * 1024 : 0;
}

/* The beginning of a small file, terminated; its length, or -1. */
static ssize_t read_file(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, bytes - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

static void process_read(cairn_image_process *p, uint32_t pid)
{
	char path[48], text[IMAGE_STATUS_BYTES];
	memset(p, 0, sizeof *p);
	snprintf(path, sizeof path, "/proc/%u/status", pid);
	if (read_file(path, text, sizeof text) <= 0)
		return;
	p->is_there = true;
	const char *state = strstr(text, "\nState:");
	p->is_zombie = state && (state[8] == 'Z' || state[8] == 'X');
	p->rss_bytes = status_kib(text, "\nVmRSS:");
	p->peak_rss_bytes = status_kib(text, "\nVmHWM:");
}

static bool process_is_named(uint32_t pid, const char *program)
{
	enum { NAME_MAX_KEPT = 15 }; /* the kernel keeps no more */
	char path[48], name[32];
	const char *slash = strrchr(program, '/');
	snprintf(path, sizeof path, "/proc/%u/comm", pid);
	ssize_t n = read_file(path, name, sizeof name);
	if (n > 0 && name[n - 1] == '\n')
		name[n - 1] = 0;
	return n > 0 && !strncmp(name, slash ? slash + 1 : program, NAME_MAX_KEPT);
}

/* Does /proc/PID run the program that the control block names? In another pid namespace the number is another's. */
static bool process_runs(uint32_t pid, const char *program)
{
	char path[48], exe[4096];
	snprintf(path, sizeof path, "/proc/%u/exe", pid);
	ssize_t n = readlink(path, exe, sizeof exe - 1);
	if (n < 0)
		return (errno == EACCES || errno == EPERM) && process_is_named(pid, program);
	exe[n] = 0;
	size_t length = strlen(program);
	return (size_t)n >= length && !strcmp(exe + n - length, program);
}

void cairn_images_open(cairn_images *m, int folder, uint32_t main_pid)
{
	memset(m, 0, sizeof *m);
	m->folder = folder;
	m->main_pid = main_pid;
	m->is_main_alive = true;
	m->has_leases = true;
	cairn_account_init(&m->sum);
	cairn_account_init(&m->program);
}

/* -1: not a file of ours, or gone. Stays open for the next look while few are. */
static int image_borrow(cairn_images *m, cairn_image *image)
{
	struct stat s;
	if (image->fd >= 0)
		return image->fd;
	int fd = openat(m->folder, image->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode))) {
		close(fd);
		return -1;
	}
	if (m->open_count < CAIRN_IMAGES_OPEN && fd >= 0) {
		image->fd = fd;
		m->open_count++;
	}
	return fd;
}

static void image_return(const cairn_image *image, int fd)
{
	if (image->fd != fd)
		close(fd);
}

static void image_forget(cairn_images *m, cairn_image *image)
{
	if (image->fd < 0)
		return;
	close(image->fd);
	image->fd = -1;
	m->open_count--;
}

/* Reads a control file into an account; false: it is not filled in yet, or not one. */
static bool image_read(int fd, cairn_account *a)
{
	cairn_control c;
	cairn_thread_counters t;
	ssize_t n = pread(fd, &c, sizeof c, 0);
	if (n <= 0 || !cairn_account_begin(a, &c, (size_t)n))
		return false;
	uint32_t caches = cairn_account_caches(&c, (size_t)n);
	for (uint32_t i = 0; i < caches && i < IMAGE_CACHES_MAX; i++) {
		ssize_t got = pread(fd, &t, sizeof t, CAIRN_CONTROL_BYTES + (off_t)i * CAIRN_COUNTERS_BYTES);
		if (got <= 0)
			break;
		cairn_account_add_cache(a, &t, (size_t)got);
	}
	cairn_account_finish(a, &c, (size_t)n);
	return true;
}

static bool image_is_watched(const cairn_images *m, const char *name)
{
	for (size_t i = 0; i < m->watched_count; i++)
		if (!strcmp(m->watched[i].name, name))
			return true;
	return false;
}

static void image_watch(cairn_images *m, const char *name)
{
	if (m->watched_count == m->watched_room) {
		size_t room = m->watched_room ? m->watched_room * 2 : 16;
		cairn_image *more = realloc(m->watched, room * sizeof *more);
		if (!more)
			return;
		m->watched = more;
		m->watched_room = room;
	}
	cairn_image *image = &m->watched[m->watched_count++];
	memset(image, 0, sizeof *image);
	image->fd = -1;
	memcpy(image->name, name, strlen(name) + 1);
}

/* "PID.NANOSECONDS" and nothing else: the folder is open to all. */
static bool name_is_image(const char *name)
{
	size_t pid = strspn(name, "0123456789");
	size_t ns = name[pid] == '.' ? strspn(name + pid + 1, "0123456789") : 0;
	return pid && ns && !name[pid + 1 + ns] && pid + 1 + ns < CAIRN_IMAGES_NAME;
}

static void images_read_folder(cairn_images *m)
{
	int own = openat(m->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	if (!d && own >= 0)
		close(own);
	for (struct dirent *e; d && (e = readdir(d));)
		if (name_is_image(e->d_name) && !image_is_watched(m, e->d_name))
			image_watch(m, e->d_name);
	if (d)
		closedir(d);
}

/* The folder's own time tells whether names came or went; it is too coarse to be trusted when it is recent. */
static void images_find(cairn_images *m)
{
	struct stat s;
	struct timespec now;
	if (m->folder < 0 || fstat(m->folder, &s) < 0)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	uint64_t changed_ns = (uint64_t)s.st_mtim.tv_sec * 1000000000u + (uint64_t)s.st_mtim.tv_nsec;
	uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (changed_ns == m->folder_changed_ns)
		return;
	images_read_folder(m);
	m->folder_changed_ns = now_ns > changed_ns + 20000000 ? changed_ns : 0;
}

/* First sight of a filled-in control block. */
static void image_know(cairn_images *m, cairn_image *image, const cairn_account *a)
{
	image->is_known = true;
	image->pid = a->pid;
	image->start_ns = a->start_ns;
	image->is_ours = process_runs(a->pid, a->executable);
	if (a->pid == m->main_pid)
		m->is_program_gone = false;
	for (size_t i = 0; i < m->watched_count; i++) {
		cairn_image *other = &m->watched[i];
		if (other == image || !other->is_known || other->pid != image->pid)
			continue;
		if (other->start_ns <= image->start_ns)
			other->is_superseded = true;
		else
			image->is_superseded = true;
	}
}

static void image_see_process(cairn_images *m, cairn_image *image, const cairn_image_process *p, uint64_t now_ns)
{
	if (!p->rss_bytes || !image->is_ours || image->is_superseded)
		return;
	m->is_main_counted |= image->pid == m->main_pid;
	image->rss_bytes = p->rss_bytes;
	image->seen_ns = now_ns;
	m->rss_bytes += p->rss_bytes;
	if (p->peak_rss_bytes > image->peak_rss_bytes) {
		image->peak_rss_bytes = p->peak_rss_bytes;
		image->peak_rss_ns = now_ns;
	}
}

/* Of `a`, what only watching could tell. */
static void image_complete(const cairn_image *image, cairn_account *a, uint64_t now_ns)
{
	uint64_t seen_ns = image->seen_ns ? image->seen_ns : now_ns;
	if (a->duration_ns == CAIRN_ACCOUNT_UNKNOWN)
		a->duration_ns = (a->is_running ? now_ns : seen_ns) - (a->start_ns < seen_ns ? a->start_ns : seen_ns);
	if (image->peak_rss_bytes && image->peak_rss_ns >= a->start_ns)
		a->peak_rss_ns = image->peak_rss_ns - a->start_ns;
	bool has_own = a->peak_rss_bytes != CAIRN_ACCOUNT_UNKNOWN;
	if (image->peak_rss_bytes && (!has_own || a->peak_rss_bytes < image->peak_rss_bytes))
		a->peak_rss_bytes = image->peak_rss_bytes;
	else if (has_own && a->peak_rss_bytes > image->peak_rss_bytes + image->peak_rss_bytes / 50)
		a->peak_rss_ns = a->duration_ns; /* after it was last seen */
	if (a->exit_rss_bytes == CAIRN_ACCOUNT_UNKNOWN && image->rss_bytes)
		a->exit_rss_bytes = image->rss_bytes;
}

static bool account_is_larger(const cairn_account *a, const cairn_account *b)
{
	uint64_t rss_a = a->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN ? a->live_peak_bytes : a->peak_rss_bytes;
	uint64_t rss_b = b->peak_rss_bytes == CAIRN_ACCOUNT_UNKNOWN ? b->live_peak_bytes : b->peak_rss_bytes;
	return rss_a != rss_b ? rss_a > rss_b : a->allocations > b->allocations;
}

static bool children_have_room(cairn_images *m)
{
	if (m->child_count < m->child_room)
		return true;
	size_t room = m->child_room ? m->child_room * 2 : 8;
	if (room > CAIRN_IMAGES_KEPT)
		room = CAIRN_IMAGES_KEPT;
	cairn_account *more = room > m->child_room ? realloc(m->children, room * sizeof *more) : NULL;
	if (!more)
		return false;
	m->children = more;
	m->child_room = room;
	return true;
}

/* Keeps the account, or where there is no room the larger of it and the smallest kept. Does not add to the sum. */
static void children_keep(cairn_images *m, const cairn_account *a)
{
	if (children_have_room(m)) {
		m->children[m->child_count++] = *a;
		return;
	}
	m->left_out++;
	size_t smallest = 0;
	for (size_t i = 1; i < m->child_count; i++)
		if (account_is_larger(&m->children[smallest], &m->children[i]))
			smallest = i;
	if (m->child_count && account_is_larger(a, &m->children[smallest]))
		m->children[smallest] = *a;
}

static void images_replace_program(cairn_images *m)
{
	m->program.is_replaced = true;
	m->replaced++;
	m->has_program = false;
	children_keep(m, &m->program);
}

/* What the file of an executable says of serving it, remembered for the next process that runs it: NULL, it can be. */
static const char *images_why_not(cairn_images *m, const char *executable)
{
	for (size_t i = 0; i < m->judged_count; i++)
		if (!strcmp(m->judged[i].executable, executable))
			return m->judged[i].why_not[0] ? m->judged[i].why_not : NULL;
	if (m->judged_count == IMAGES_JUDGED_MAX)
		return NULL;
	static cairn_program program; /* large */
	program = (cairn_program){ .state = CAIRN_PROGRAM_SERVED };
	snprintf(program.path, sizeof program.path, "%s", executable);
	cairn_program_inspect(&program);
	cairn_image_verdict *verdict = &m->judged[m->judged_count++];
	snprintf(verdict->executable, sizeof verdict->executable, "%s", executable);
	if (program.state != CAIRN_PROGRAM_SERVED)
		snprintf(verdict->why_not, sizeof verdict->why_not, "%s", program.why_not);
	return verdict->why_not[0] ? verdict->why_not : NULL;
}

/* An image that never asked cairn for a block was on cairn in name only when its file brings a malloc of its own. */
static void image_judge(cairn_images *m, cairn_account *a)
{
	const char *why_not = a->allocations || !a->executable[0] ? NULL : images_why_not(m, a->executable);
	if (!why_not)
		return;
	a->is_served = false;
	a->why_not = why_not;
}

/* The program is the last image of the process that was started; those before it are children in the list. */
static void images_fold(cairn_images *m, cairn_account *a)
{
	image_judge(m, a);
	bool is_earlier = a->pid == m->main_pid && m->has_program && m->program.start_ns > a->start_ns;
	cairn_account_add(&m->sum, a);
	a->is_replaced |= is_earlier;
	if (a->pid != m->main_pid || is_earlier) {
		m->replaced += a->is_replaced;
		children_keep(m, a);
		return;
	}
	if (m->has_program)
		images_replace_program(m);
	m->program = *a;
	m->has_program = true;
}

/* Does nobody have the file mapped any more? */
static bool image_is_over(cairn_images *m, const cairn_image *image, int fd)
{
	cairn_image_process p;
	if (m->has_leases && fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return true;
	}
	if (m->has_leases && errno == EAGAIN)
		return false;
	m->has_leases = false;
	if (image->is_superseded || image->pid == m->main_pid)
		return image->is_superseded || !m->is_main_alive;
	process_read(&p, image->pid);
	return !p.is_there || p.is_zombie;
}

static void image_fold(cairn_images *m, cairn_image *image, int fd, bool is_running, uint64_t now_ns)
{
	cairn_account a;
	if (!image_read(fd, &a))
		return;
	a.is_running = is_running;
	a.is_replaced = image->is_superseded;
	image_complete(image, &a, now_ns);
	images_fold(m, &a);
}

/* The program's image is over. When its process still has memory of its own, that is another program's. */
static void images_program_over(cairn_images *m)
{
	cairn_image_process p;
	process_read(&p, m->main_pid);
	m->is_program_gone = m->is_main_alive && p.is_there && !p.is_zombie && p.rss_bytes;
}

/* One image at one look. True: it is over and folded, its file removed. What /proc says counts for the image only
 * when the image was still there afterwards: otherwise it may be of the program that came next. */
static bool image_look(cairn_images *m, cairn_image *image, uint64_t now_ns)
{
	cairn_account a;
	cairn_image_process p = m->main;
	int fd = image_borrow(m, image);
	if (fd < 0)
		return false;
	bool is_seen = image_read(fd, &a) && image->is_known, is_over = false;
	if (is_seen) {
		if (image->pid != m->main_pid)
			process_read(&p, image->pid);
		is_over = image_is_over(m, image, fd);
	}
	if (is_over) {
		image_fold(m, image, fd, false, now_ns);
		if (image->pid == m->main_pid && !image->is_superseded)
			images_program_over(m);
		unlinkat(m->folder, image->name, 0);
	} else if (is_seen) {
		m->allocations += a.allocations;
		if (a.never_freed_bytes > a.inherited_bytes) /* those count at the parent */
			m->live_bytes += a.never_freed_bytes - a.inherited_bytes;
		image_see_process(m, image, &p, now_ns);
	}
	image_return(image, fd);
	return is_over;
}

/* Before any image is looked at, so that each knows whether its process has executed another. */
static void images_know_new(cairn_images *m)
{
	cairn_account a;
	for (size_t i = 0; i < m->watched_count; i++) {
		cairn_image *image = &m->watched[i];
		int fd = image->is_known ? -1 : image_borrow(m, image);
		if (fd < 0)
			continue;
		if (image_read(fd, &a))
			image_know(m, image, &a);
		image_return(image, fd);
	}
}

static void images_see_main(cairn_images *m, uint64_t now_ns)
{
	process_read(&m->main, m->main_pid);
	m->is_main_counted = false;
	if (!m->main.rss_bytes)
		return;
	m->main_rss_bytes = m->main.rss_bytes;
	if (m->main.peak_rss_bytes > m->main_peak_rss_bytes) {
		m->main_peak_rss_bytes = m->main.peak_rss_bytes;
		m->main_peak_rss_ns = now_ns;
	}
}

static void images_drop(cairn_images *m, size_t i)
{
	image_forget(m, &m->watched[i]);
	m->watched[i] = m->watched[--m->watched_count];
}

void cairn_images_look(cairn_images *m, uint64_t now_ns)
{
	m->rss_bytes = m->live_bytes = m->allocations = 0;
	m->folded = 0;
	images_find(m);
	images_know_new(m);
	images_see_main(m, now_ns);
	for (size_t i = 0; i < m->watched_count;) {
		if (!image_look(m, &m->watched[i], now_ns)) {
			i++;
			continue;
		}
		images_drop(m, i);
		m->folded++;
	}
	if (!m->is_main_counted)
		m->rss_bytes += m->main.rss_bytes;
	m->allocations += m->sum.allocations;
}

static int account_compare(const void *a, const void *b)
{
	return account_is_larger(b, a) - account_is_larger(a, b);
}

size_t cairn_images_end(cairn_images *m, uint64_t now_ns)
{
	size_t running = 0;
	m->is_main_alive = false;
	images_find(m);
	images_know_new(m);
	for (; m->watched_count; images_drop(m, m->watched_count - 1)) {
		cairn_image *image = &m->watched[m->watched_count - 1];
		int fd = image_borrow(m, image);
		if (fd < 0)
			continue;
		bool is_running = image->is_known && !image_is_over(m, image, fd);
		running += is_running;
		image_fold(m, image, fd, is_running, now_ns);
		image_return(image, fd);
	}
	if (m->has_program && m->is_program_gone)
		images_replace_program(m);
	m->allocations = m->sum.allocations;
	m->live_bytes = m->sum.never_freed_bytes;
	if (m->child_count)
		qsort(m->children, m->child_count, sizeof *m->children, account_compare);
	return running;
}

void cairn_images_close(cairn_images *m)
{
	while (m->watched_count)
		images_drop(m, m->watched_count - 1);
	free(m->watched);
	free(m->children);
	memset(m, 0, sizeof *m);
}

bool cairn_images_validate(const cairn_images *m)
{
	size_t open_count = 0;
	for (size_t i = 0; i < m->watched_count; i++)
		open_count += m->watched[i].fd >= 0;
	return m->child_count <= CAIRN_IMAGES_KEPT && m->child_count <= m->child_room && /* (M1) */
	       m->sum.processes == m->child_count + m->left_out + m->has_program &&      /* (M2) */
	       open_count == m->open_count && open_count <= CAIRN_IMAGES_OPEN;           /* (M3) */
}
