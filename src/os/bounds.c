/* os/bounds.c - limits of all kinds in one list. What is in it is in bounds.h.
 *
 * The order: cgroups from the process's own up, RLIMIT_AS, RLIMIT_DATA, RAM. RLIMIT_RSS is left out: Linux has not
 * enforced it since 2.4.30.
 * Locks: none. Failure: see bounds.h. Not here: what a limit means to malloc (malloc/limit.c). */
#include "os/bounds.h"

#include <string.h>

typedef struct bounds_list {
	cairn_bound *to;
	size_t count, most;
} bounds_list;

static void bounds_add(bounds_list *l, cairn_bound_kind kind, uint64_t limit, uint64_t used, const char *where)
{
	if (limit == CAIRN_CGROUP_NONE || l->count == l->most)
		return;
	cairn_bound *b = &l->to[l->count++];
	size_t n = strlen(where), cut = n < CAIRN_BOUND_WHERE ? 0 : n + 1 - CAIRN_BOUND_WHERE;
	*b = (cairn_bound){ .kind = kind, .limit_bytes = limit, .used_bytes = used };
	memcpy(b->where, where + cut, n - cut + 1);
}

static void bounds_add_level(bounds_list *l, const cairn_cgroup *g)
{
	cairn_cgroup_level level;
	cairn_cgroup_read(g, true, &level);
	cairn_bound_kind max = g->is_v2 ? CAIRN_BOUND_CGROUP2 : CAIRN_BOUND_CGROUP1;
	bounds_add(l, max, level.max_bytes, level.used_bytes, g->path);
	bounds_add(l, CAIRN_BOUND_CGROUP2_HIGH, level.high_bytes, level.used_bytes, g->path);
	bounds_add(l, CAIRN_BOUND_CGROUP1_SWAP, level.swap_bytes, level.swap_used_bytes, g->path);
}

static void bounds_add_cgroups(bounds_list *l, uint32_t pid)
{
	cairn_cgroup g;
	if (!cairn_cgroup_find(pid, &g))
		return;
	uint64_t inherited = cairn_cgroup_inherited_limit(&g), seen = CAIRN_CGROUP_NONE;
	size_t from = l->count;
	do
		bounds_add_level(l, &g);
	while (cairn_cgroup_up(&g));
	for (size_t i = from; i < l->count; i++)
		if (l->to[i].kind == CAIRN_BOUND_CGROUP1 && l->to[i].limit_bytes < seen)
			seen = l->to[i].limit_bytes;
	if (inherited < seen)
		bounds_add(l, CAIRN_BOUND_CGROUP1, inherited, CAIRN_CGROUP_NONE, "an ancestor out of sight");
}

/* /proc/PID/name, below CAIRN_CGROUP_ROOT. */
static bool proc_path(uint32_t pid, const char *name, char *to)
{
	char path[64] = "/proc/self/";
	char *at = path + 6;
	if (pid) {
		uint32_t unit = 1;
		while (pid / unit >= 10)
			unit *= 10;
		for (; unit; unit /= 10)
			*at++ = (char)('0' + pid / unit % 10);
		*at++ = '/';
	} else {
		at = path + 11;
	}
	memcpy(at, name, strlen(name) + 1);
	return cairn_cgroup_rooted(path, to);
}

/* The soft limits of /proc/PID/limits: "Max data size   unlimited   unlimited   bytes". */
static void bounds_read_resources(uint32_t pid, uint64_t *address, uint64_t *data)
{
	char path[CAIRN_CGROUP_PATH], line[96];
	cairn_lines lines;
	if (!proc_path(pid, "limits", path) || !cairn_lines_begin(&lines, path))
		return;
	while (cairn_lines_next(&lines, line, sizeof line)) {
		cairn_lines_number(line, "Max address space", address);
		cairn_lines_number(line, "Max data size", data);
	}
}

/* KiB behind a name, as bytes. */
static void number_of_kib(const char *line, const char *name, uint64_t *to)
{
	uint64_t kib = CAIRN_CGROUP_NONE;
	if (cairn_lines_number(line, name, &kib) && kib != CAIRN_CGROUP_NONE)
		*to = kib * 1024;
}

void cairn_usage_read(uint32_t pid, cairn_usage *to)
{
	char path[CAIRN_CGROUP_PATH], line[96];
	cairn_lines lines;
	*to = (cairn_usage){ CAIRN_CGROUP_NONE, CAIRN_CGROUP_NONE, CAIRN_CGROUP_NONE };
	/* A tree of cgroups without processes has none of the figures of this one. */
	if ((!proc_path(pid, "status", path) || !cairn_lines_begin(&lines, path)) &&
		(pid || !cairn_lines_begin(&lines, "/proc/self/status")))
		return;
	while (cairn_lines_next(&lines, line, sizeof line)) {
		number_of_kib(line, "VmSize", &to->address_bytes);
		number_of_kib(line, "VmData", &to->data_bytes);
		number_of_kib(line, "VmRSS", &to->resident_bytes);
	}
}

static void bounds_add_ram(bounds_list *l)
{
	char path[CAIRN_CGROUP_PATH], line[96];
	cairn_lines lines;
	uint64_t total = CAIRN_CGROUP_NONE, available = CAIRN_CGROUP_NONE;
	if (!cairn_cgroup_rooted("/proc/meminfo", path) || !cairn_lines_begin(&lines, path))
		return;
	while (available == CAIRN_CGROUP_NONE && cairn_lines_next(&lines, line, sizeof line)) {
		number_of_kib(line, "MemTotal", &total);
		number_of_kib(line, "MemAvailable", &available);
	}
	cairn_lines_end(&lines);
	bool is_known = total != CAIRN_CGROUP_NONE && available <= total;
	bounds_add(l, CAIRN_BOUND_RAM, total, is_known ? total - available : CAIRN_CGROUP_NONE, "");
}

const char *cairn_bound_name(cairn_bound_kind kind)
{
	static const char names[][20] = { "memory cgroup", "cgroup with swap", "memory cgroup", "cgroup's high",
		"RLIMIT_AS", "RLIMIT_DATA", "RAM" };
	return names[kind];
}

size_t cairn_bounds_read(uint32_t pid, cairn_bound *to, size_t most)
{
	bounds_list list = { to, 0, most ? most - 1 : 0 }; /* RAM always has room */
	uint64_t address = CAIRN_CGROUP_NONE, data = CAIRN_CGROUP_NONE;
	cairn_usage usage;
	bounds_add_cgroups(&list, pid);
	bounds_read_resources(pid, &address, &data);
	cairn_usage_read(pid, &usage);
	bounds_add(&list, CAIRN_BOUND_ADDRESS, address, usage.address_bytes, "");
	bounds_add(&list, CAIRN_BOUND_DATA, data, usage.data_bytes, "");
	list.most = most;
	bounds_add_ram(&list);
	return list.count;
}

const cairn_bound *cairn_bounds_tightest(const cairn_bound *list, size_t count)
{
	const cairn_bound *least = NULL;
	for (size_t i = 0; i < count; i++) {
		bool counts = list[i].kind != CAIRN_BOUND_RAM && list[i].kind != CAIRN_BOUND_CGROUP1_SWAP;
		if (counts && (!least || list[i].limit_bytes < least->limit_bytes))
			least = &list[i];
	}
	return least;
}
