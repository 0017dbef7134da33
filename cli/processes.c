/* cli/processes.c - which processes run on cairn. See processes.h.
 *
 * The command itself is on cairn too, and is left out. Failure: what cannot be read is not listed. */
#include "processes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cairn/stats.h>

static uint64_t processes_now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Started at the same moment: as far as the kernel tells it, which counts in hundredths of a second. */
static const cairn_process *processes_of(const cairn_process *list, size_t count, uint32_t pid, uint64_t started_ns)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].pid == pid && list[i].started_ns < started_ns + 50000000 &&
		    started_ns < list[i].started_ns + 50000000)
			return &list[i];
	return NULL;
}

static void processes_insert(cairn_processes *p, const cairn_process *one)
{
	size_t i = p->count < CAIRN_PROCESSES_MOST ? p->count++ : CAIRN_PROCESSES_MOST - 1;
	for (; i && p->list[i - 1].rss_bytes < one->rss_bytes; i--)
		p->list[i] = p->list[i - 1];
	p->list[i] = *one;
}

static void processes_look(cairn_processes *p, uint32_t pid, const cairn_process *old, size_t old_count, uint64_t ns)
{
	static cairn_snapshot s; /* static: it is large */
	cairn_process one = { .pid = pid, .allocations_per_s = -1 };
	if (!cairn_snapshot_is_served(pid) || cairn_snapshot_glance(&s, pid))
		return;
	memcpy(one.name, s.name, sizeof one.name);
	one.name[sizeof one.name - 1] = 0;
	one.state = s.state;
	one.rss_bytes = s.rss_bytes;
	one.allocations = s.allocations;
	one.started_ns = s.started_ns;
	for (uint32_t i = 0; i < s.class_count && i < CAIRN_ACCOUNT_CLASSES; i++)
		one.live_bytes += s.classes[i].live_bytes;
	const cairn_process *before = processes_of(old, old_count, pid, one.started_ns);
	if (before && ns && one.allocations >= before->allocations)
		one.allocations_per_s = (double)(one.allocations - before->allocations) * 1e9 / (double)ns;
	p->left_out += p->count == CAIRN_PROCESSES_MOST;
	processes_insert(p, &one);
}

void cairn_processes_read(cairn_processes *p)
{
	static cairn_process old[CAIRN_PROCESSES_MOST];
	uint64_t begin = processes_now_ns(CLOCK_MONOTONIC), ns = p->read_ns ? begin - p->read_ns : 0;
	uint64_t cpu_ns = processes_now_ns(CLOCK_THREAD_CPUTIME_ID);
	size_t old_count = p->count;
	uint32_t self = (uint32_t)getpid();
	memcpy(old, p->list, sizeof old);
	p->count = p->left_out = 0;
	p->read_ns = begin;
	DIR *folder = opendir("/proc");
	for (struct dirent *e; folder && (e = readdir(folder));) {
		uint32_t pid = (uint32_t)strtoul(e->d_name, NULL, 10);
		if (pid && pid != self)
			processes_look(p, pid, old, old_count, ns);
	}
	if (folder)
		closedir(folder);
	p->cost_ns = processes_now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
}

size_t cairn_processes_find(const cairn_processes *p, const char *name, uint32_t *newest)
{
	size_t found = 0;
	uint64_t started = 0;
	*newest = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (strncmp(p->list[i].name, name, sizeof p->list[i].name - 1))
			continue;
		if (!found++ || p->list[i].started_ns > started) {
			started = p->list[i].started_ns;
			*newest = p->list[i].pid;
		}
	}
	return found;
}
