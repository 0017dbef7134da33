/* os/cgroup.c - memory cgroups. What is read, and where it is looked for, is in cgroup.h.
 *
 * Invariants:
 *   (K1) path is terminated, and top_bytes <= its length.
 *   (K2) At most one descriptor is open at a time, and none when a function returns.
 *
 * Locks: none. Failure: see cgroup.h. Not here: limits of other kinds (os/bounds.c), what is done about them
 * (malloc/limit.c). */
#include "os/cgroup.h"

#include "os/env.h"
#include "os/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

enum { CGROUP_LINE = 900 }; /* of mountinfo: a root and a mount point of 256 and more */
#define CGROUP_UNLIMITED (1ull << 60) /* v1 says so with the most pages that a counter holds */

/* ---- lines */

bool cairn_lines_begin(cairn_lines *l, const char *path)
{
	l->at = l->got = 0;
	l->fd = cairn_sys(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	return l->fd >= 0;
}

void cairn_lines_end(cairn_lines *l)
{
	if (l->fd >= 0)
		cairn_sys(SYS_close, l->fd, 0, 0, 0, 0, 0);
	l->fd = -1;
}

/* The next character, or -1 at the end. */
static int lines_char(cairn_lines *l)
{
	if (l->at == l->got) {
		long n = l->fd < 0 ? 0 : cairn_sys(SYS_read, l->fd, (long)l->piece, sizeof l->piece, 0, 0, 0);
		l->got = n > 0 ? (size_t)n : 0;
		l->at = 0;
		if (!l->got)
			return -1;
	}
	return (unsigned char)l->piece[l->at++];
}

bool cairn_lines_next(cairn_lines *l, char *line, size_t most)
{
	size_t length = 0;
	int c = lines_char(l);
	if (c < 0) {
		cairn_lines_end(l);
		return false;
	}
	for (; c >= 0 && c != '\n'; c = lines_char(l))
		if (length + 1 < most)
			line[length++] = (char)c;
	line[length] = 0;
	return true;
}

static bool text_begins(const char *text, const char *with)
{
	while (*with && *text == *with)
		text++, with++;
	return !*with;
}

/* Digits at s; NONE where there are none ("max", "unlimited"). */
static uint64_t text_number(const char *s)
{
	uint64_t n = 0;
	if (*s < '0' || *s > '9')
		return CAIRN_CGROUP_NONE;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	return n;
}

bool cairn_lines_number(const char *line, const char *name, uint64_t *to)
{
	if (!text_begins(line, name))
		return false;
	line += strlen(name);
	if (*line != ' ' && *line != '\t' && *line != ':')
		return false;
	while (*line == ' ' || *line == '\t' || *line == ':')
		line++;
	uint64_t n = text_number(line);
	*to = n;
	return true;
}

/* ---- paths */

/* Adds text to a path of CAIRN_CGROUP_PATH bytes; false: too long, and the path is as it was. */
static bool path_add(char *path, const char *text, size_t bytes)
{
	size_t length = strlen(path);
	if (length + bytes >= CAIRN_CGROUP_PATH)
		return false;
	memcpy(path + length, text, bytes);
	path[length + bytes] = 0;
	return true;
}

static const char *injected_root; /* for tests */

void cairn_cgroup_root_inject(const char *folder) { injected_root = folder; }

static const char *cgroup_root(void)
{
	return injected_root ? injected_root : cairn_env_text("CAIRN_CGROUP_ROOT");
}

bool cairn_cgroup_rooted(const char *path, char *to)
{
	const char *root = cgroup_root();
	to[0] = 0;
	return (!root || path_add(to, root, strlen(root))) && path_add(to, path, strlen(path));
}

/* The file `name` of g's folder. */
static bool cgroup_file(const cairn_cgroup *g, const char *name, char *path)
{
	size_t length = strlen(g->path);
	memcpy(path, g->path, length + 1);
	return path_add(path, "/", 1) && path_add(path, name, strlen(name));
}

static uint64_t cgroup_number(const cairn_cgroup *g, const char *name)
{
	char path[CAIRN_CGROUP_PATH], text[32];
	size_t n = cgroup_file(g, name, path) ? cairn_sys_read_file(path, text, sizeof text - 1) : 0;
	text[n] = 0;
	return text_number(text);
}

/* A limit: what is as good as none is none. */
static uint64_t cgroup_limit(const cairn_cgroup *g, const char *name)
{
	uint64_t n = cgroup_number(g, name);
	return n >= CGROUP_UNLIMITED ? CAIRN_CGROUP_NONE : n;
}

/* ---- /proc/PID/cgroup */

/* Is `word` one of the list of words, parted by commas, that ends at `end`? */
static bool list_has_word(const char *list, char end, const char *word)
{
	size_t length = strlen(word);
	while (*list && *list != end) {
		size_t n = 0;
		while (list[n] && list[n] != ',' && list[n] != end)
			n++;
		if (n == length && !memcmp(list, word, n))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* The path of pid's memory cgroup, and of which version it is. False: none. */
static bool cgroup_of(uint32_t pid, char *to, bool *is_v2)
{
	char name[40] = "/proc/self/cgroup", path[CAIRN_CGROUP_PATH], line[CAIRN_CGROUP_PATH];
	cairn_lines lines;
	if (pid) {
		char digits[12];
		size_t n = 0;
		for (uint32_t rest = pid; rest; rest /= 10)
			digits[n++] = (char)('0' + rest % 10);
		char *at = name + 6;
		while (n)
			*at++ = digits[--n];
		memcpy(at, "/cgroup", 8);
	}
	if (!cairn_cgroup_rooted(name, path) || !cairn_lines_begin(&lines, path))
		return false;
	to[0] = 0;
	while (cairn_lines_next(&lines, line, sizeof line)) {
		char *controllers = strchr(line, ':'), *rest = controllers ? strchr(controllers + 1, ':') : NULL;
		bool is_v1 = rest && list_has_word(controllers + 1, ':', "memory");
		if (!rest || (!is_v1 && (rest != controllers + 1 || to[0])))
			continue;
		memcpy(to, rest + 1, strlen(rest + 1) + 1);
		*is_v2 = !is_v1;
		if (is_v1)
			break;
	}
	cairn_lines_end(&lines);
	return to[0] == '/';
}

/* ---- /proc/self/mountinfo */

/* The nth field (0 the first) of a line whose fields are parted by single blanks; "" when there are fewer. */
static char *line_field(char *line, unsigned n)
{
	while (n && *line)
		n -= *line++ == ' ';
	return line;
}

/* Ends the field, and reads \040 and the like as the characters they stand for. */
static void field_decode(char *field)
{
	char *to = field;
	for (; *field && *field != ' '; to++) {
		bool is_code = field[0] == '\\' && field[1] >= '0' && field[1] <= '3' && field[2] && field[3];
		*to = is_code ? (char)((field[1] - '0') << 6 | (field[2] - '0') << 3 | (field[3] - '0')) : *field;
		field += is_code ? 4 : 1;
	}
	*to = 0;
}

/* Does `path` lie at or below `top`? What is left of it then ("" or "/..."), else NULL. */
static const char *path_below(const char *path, const char *top)
{
	size_t n = strlen(top);
	if (n == 1)
		return path[1] ? path : path + 1;
	if (strncmp(path, top, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

/* One line of mountinfo: the wanted hierarchy, and where in it `of` lies? Fills in g then. */
static bool mount_shows(char *line, const char *of, cairn_cgroup *g)
{
	char *behind = strstr(line, " - ");
	if (!behind || !text_begins(behind + 3, g->is_v2 ? "cgroup2 " : "cgroup "))
		return false;
	if (!g->is_v2 && !list_has_word(line_field(behind + 3, 2), ' ', "memory"))
		return false;
	char *root = line_field(line, 3), *mount = line_field(line, 4);
	field_decode(mount);
	field_decode(root);
	const char *below = path_below(of, root);
	if (text_begins(root, "/.."))
		below = ""; /* it shows more than our namespace; of that only its top is surely above us */
	return below && cairn_cgroup_rooted(mount, g->path) && (g->top_bytes = strlen(g->path)) &&
	       path_add(g->path, below, strlen(below));
}

static bool mount_find(const char *of, cairn_cgroup *g)
{
	char line[CGROUP_LINE];
	cairn_lines lines;
	if (!cairn_cgroup_rooted("/proc/self/mountinfo", g->path) || !cairn_lines_begin(&lines, g->path))
		return false;
	bool found = false;
	while (!found && cairn_lines_next(&lines, line, sizeof line))
		found = mount_shows(line, of, g);
	cairn_lines_end(&lines);
	return found;
}

bool cairn_cgroup_find(uint32_t pid, cairn_cgroup *g)
{
	char of[CAIRN_CGROUP_PATH];
	g->is_v2 = true;
	if (!cgroup_of(pid, of, &g->is_v2)) {
		/* A folder that is no root: the cgroup itself. */
		if (!cgroup_root() || !cairn_cgroup_rooted("", g->path))
			return false;
		g->top_bytes = strlen(g->path);
		return cgroup_number(g, "memory.current") != CAIRN_CGROUP_NONE ||
		       cgroup_number(g, "memory.max") != CAIRN_CGROUP_NONE;
	}
	return !text_begins(of, "/..") && mount_find(of, g);
}

bool cairn_cgroup_up(cairn_cgroup *g)
{
	size_t n = strlen(g->path);
	if (n <= g->top_bytes)
		return false;
	do
		n--;
	while (n > g->top_bytes && g->path[n] != '/');
	g->path[n] = 0;
	return true;
}

/* ---- what the files say */

void cairn_cgroup_read(const cairn_cgroup *g, bool with_use, cairn_cgroup_level *level)
{
	*level = (cairn_cgroup_level){ CAIRN_CGROUP_NONE, CAIRN_CGROUP_NONE, CAIRN_CGROUP_NONE, CAIRN_CGROUP_NONE,
		CAIRN_CGROUP_NONE };
	level->max_bytes = cgroup_limit(g, g->is_v2 ? "memory.max" : "memory.limit_in_bytes");
	if (g->is_v2)
		level->high_bytes = cgroup_limit(g, "memory.high");
	if (!with_use)
		return;
	level->used_bytes = cgroup_number(g, g->is_v2 ? "memory.current" : "memory.usage_in_bytes");
	if (g->is_v2)
		return;
	level->swap_bytes = cgroup_limit(g, "memory.memsw.limit_in_bytes");
	level->swap_used_bytes = cgroup_number(g, "memory.memsw.usage_in_bytes");
}

/* The figures behind `names` in a file of lines; those that are not there stay as they are. */
static bool cgroup_figures(
	const cairn_cgroup *g, const char *file, const char *const *names, uint64_t *const *to, size_t n)
{
	char path[CAIRN_CGROUP_PATH], line[96];
	cairn_lines lines;
	if (!cgroup_file(g, file, path) || !cairn_lines_begin(&lines, path))
		return false;
	while (cairn_lines_next(&lines, line, sizeof line))
		for (size_t i = 0; i < n; i++)
			if (cairn_lines_number(line, names[i], to[i]))
				break;
	return true;
}

uint64_t cairn_cgroup_inherited_limit(const cairn_cgroup *g)
{
	static const char *const names[] = { "hierarchical_memory_limit" };
	uint64_t limit = CAIRN_CGROUP_NONE, *const to[] = { &limit };
	if (!g->is_v2)
		cgroup_figures(g, "memory.stat", names, to, 1);
	return limit >= CGROUP_UNLIMITED ? CAIRN_CGROUP_NONE : limit;
}

static void charge_read_v1(const cairn_cgroup *g, cairn_cgroup_charge *c, uint64_t *active, uint64_t *inactive)
{
	static const char *const stat[] = { "total_rss", "total_cache", "total_shmem", "total_active_file",
		"total_inactive_file" };
	static const char *const oom[] = { "oom_kill" };
	uint64_t *const to[] = { &c->anon_bytes, &c->file_bytes, &c->shmem_bytes, active, inactive };
	uint64_t *const kills[] = { &c->oom_kills };
	cgroup_figures(g, "memory.stat", stat, to, 5);
	cgroup_figures(g, "memory.oom_control", oom, kills, 1);
	c->used_bytes = cgroup_number(g, "memory.usage_in_bytes");
	c->kernel_bytes = cgroup_number(g, "memory.kmem.usage_in_bytes");
	c->sock_bytes = cgroup_number(g, "memory.kmem.tcp.usage_in_bytes");
	c->limit_hits = cgroup_number(g, "memory.failcnt");
}

static void charge_read_v2(const cairn_cgroup *g, cairn_cgroup_charge *c, uint64_t *active, uint64_t *inactive)
{
	static const char *const stat[] = { "anon", "file", "shmem", "active_file", "inactive_file", "kernel", "slab",
		"sock" };
	static const char *const events[] = { "max", "oom_kill" };
	uint64_t *const to[] = { &c->anon_bytes, &c->file_bytes, &c->shmem_bytes, active, inactive, &c->kernel_bytes,
		&c->slab_bytes, &c->sock_bytes };
	uint64_t *const counts[] = { &c->limit_hits, &c->oom_kills };
	cgroup_figures(g, "memory.stat", stat, to, 8);
	cgroup_figures(g, "memory.events", events, counts, 2);
	c->used_bytes = cgroup_number(g, "memory.current");
}

void cairn_cgroup_read_charge(const cairn_cgroup *g, cairn_cgroup_charge *charge)
{
	uint64_t active = CAIRN_CGROUP_NONE, inactive = CAIRN_CGROUP_NONE;
	memset(charge, 0xff, sizeof *charge); /* every figure NONE */
	(g->is_v2 ? charge_read_v2 : charge_read_v1)(g, charge, &active, &inactive);
	if (active != CAIRN_CGROUP_NONE && inactive != CAIRN_CGROUP_NONE)
		charge->cache_bytes = active + inactive;
}

uint64_t cairn_cgroup_held_bytes(const cairn_cgroup *g)
{
	static const char *const v1[] = { "total_active_file", "total_inactive_file" };
	static const char *const v2[] = { "active_file", "inactive_file" };
	uint64_t active = 0, inactive = 0, *const to[] = { &active, &inactive };
	uint64_t used = cgroup_number(g, g->is_v2 ? "memory.current" : "memory.usage_in_bytes");
	if (used == CAIRN_CGROUP_NONE)
		return CAIRN_CGROUP_NONE;
	cgroup_figures(g, "memory.stat", g->is_v2 ? v2 : v1, to, 2);
	return used > active + inactive ? used - active - inactive : 0;
}

/* ---- pressure */

/* "avg10=1.23" of a line, in hundredths. */
static uint32_t pressure_avg10(const char *line)
{
	const char *at = strstr(line, "avg10=");
	uint32_t n = 0;
	for (at = at ? at + 6 : ""; (*at >= '0' && *at <= '9') || *at == '.'; at++)
		n = *at == '.' ? n : n * 10 + (uint32_t)(*at - '0');
	return n; /* the kernel writes two digits behind the point */
}

static bool pressure_read(const char *path, cairn_cgroup_pressure *p)
{
	char line[128];
	cairn_lines lines;
	bool found = false;
	if (!cairn_lines_begin(&lines, path))
		return false;
	while (cairn_lines_next(&lines, line, sizeof line)) {
		bool is_full = text_begins(line, "full ");
		const char *total = strstr(line, "total=");
		if (!total || (!is_full && !text_begins(line, "some ")))
			continue;
		*(is_full ? &p->full_avg10 : &p->some_avg10) = pressure_avg10(line);
		*(is_full ? &p->full_us : &p->some_us) = text_number(total + 6);
		found = true;
	}
	return found;
}

bool cairn_cgroup_read_pressure(const cairn_cgroup *g, cairn_cgroup_pressure *p)
{
	char path[CAIRN_CGROUP_PATH];
	*p = (cairn_cgroup_pressure){ 0 };
	if (g && g->is_v2 && cgroup_file(g, "memory.pressure", path) && pressure_read(path, p))
		return true;
	return cairn_cgroup_rooted("/proc/pressure/memory", path) && pressure_read(path, p);
}
