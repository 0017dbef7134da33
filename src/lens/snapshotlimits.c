/* lens/snapshotlimits.c - what bounds the memory of a process that is looked at, and what its cgroup is charged.
 *
 * The tightest stands first: the one with least room left. The machine's memory is one of them. A limit on swap, and
 * one whose use nobody can tell, are left out.
 * Not here: where they are read (os/bounds.c, os/cgroup.c), how fast they come nearer (the command). */
#include "lens/snapshot.h"

#include "lens/writer.h"
#include "os/bounds.h"

#include <string.h>

static uint64_t bound_left(const cairn_snapshot_limit *l)
{
	return l->limit_bytes > l->used_bytes ? l->limit_bytes - l->used_bytes : 0;
}

static void bound_put(cairn_snapshot *s, const cairn_bound *b)
{
	cairn_field name = { .used = 0 };
	if (s->limit_count == CAIRN_SNAPSHOT_LIMITS || b->used_bytes == CAIRN_CGROUP_NONE ||
		b->limit_bytes == CAIRN_CGROUP_NONE)
		return;
	cairn_snapshot_limit limit = {
		.limit_bytes = b->limit_bytes, .used_bytes = b->used_bytes, .left_ns = CAIRN_ACCOUNT_UNKNOWN
	};
	cairn_field_text(&name, cairn_bound_name(b->kind));
	if (b->where[0]) {
		const char *slash = strrchr(b->where, '/');
		cairn_field_text(&name, " ");
		cairn_field_name(&name, slash && slash[1] ? slash + 1 : b->where, 32);
	}
	memcpy(limit.name, name.text, name.used < sizeof limit.name ? name.used : sizeof limit.name - 1);
	uint32_t i = s->limit_count++;
	for (; i && bound_left(&s->limits[i - 1]) > bound_left(&limit); i--)
		s->limits[i] = s->limits[i - 1];
	s->limits[i] = limit;
}

void cairn_snapshot_fill_limits(cairn_snapshot *s)
{
	cairn_bound bounds[CAIRN_SNAPSHOT_LIMITS];
	size_t n = cairn_bounds_read(s->pid, bounds, CAIRN_SNAPSHOT_LIMITS);
	for (size_t i = 0; i < n; i++)
		bound_put(s, &bounds[i]);
}

static void cgroup_line(cairn_snapshot *s, const char *name, uint64_t bytes, const char *why)
{
	cairn_snapshot_line *line = &s->below[s->below_count];
	if (s->below_count == CAIRN_SNAPSHOT_LINES || bytes == CAIRN_CGROUP_NONE)
		return;
	memset(line, 0, sizeof *line);
	line->kind = CAIRN_SNAPSHOT_OUTSIDE;
	line->bytes = bytes;
	strncpy(line->name, name, sizeof line->name - 1);
	strncpy(line->why, why, sizeof line->why - 1);
	s->below_count++;
}

/* The kernel kills by these figures and not by the resident set. */
void cairn_snapshot_fill_cgroup(cairn_snapshot *s)
{
	cairn_cgroup g;
	cairn_cgroup_charge c;
	if (!cairn_cgroup_find(s->pid, &g))
		return;
	cairn_cgroup_read_charge(&g, &c);
	cgroup_line(s, "cgroup: charged", c.used_bytes,
		"all its processes, their page cache and the kernel's share: what its limit is about");
	cgroup_line(s, "cgroup: private memory", c.anon_bytes,
		"heaps, stacks and other private pages of all its processes");
	cgroup_line(s, "cgroup: file cache", c.cache_bytes,
		"files that were read or written; dropped by the kernel before it kills");
	cgroup_line(s, "cgroup: shared memory and tmpfs", c.shmem_bytes,
		"cannot be dropped; goes with the files or mappings");
	cgroup_line(
		s, "cgroup: kernel", c.kernel_bytes, "page tables, sockets, stacks in the kernel, directory entries");
}
