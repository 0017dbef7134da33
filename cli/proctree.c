/* cli/proctree.c - the resident memory of a process and all its descendants. See proctree.h.
 *
 * Children are listed by the thread that started them, in /proc/PID/task/THREAD/children. A child between vfork and
 * execve still has its parent's memory, all of it: counted twice, a program of 1 GiB would peak at 2 GiB whenever a
 * look falls into that moment. kcmp tells; where it is not allowed, such a child is known by the same figures.
 *
 * Invariant: (R1) a process is read once, however often it is listed. Failure: what cannot be read is not counted. */
#include "proctree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROCTREE_MAX = 4096, PROCTREE_TEXT = 4096 };

typedef struct proctree_process {
	pid_t pid;
	unsigned parent;                    /* its place in the list */
	unsigned long long pages, resident; /* of address space, of memory */
} proctree_process;

static proctree_process proctree_list[PROCTREE_MAX];

static ssize_t proctree_file(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, bytes - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

bool cairn_proctree_is_known(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	return access(path, R_OK) == 0;
}

static bool proctree_shares(const proctree_process *child, const proctree_process *parent)
{
	long same = syscall(SYS_kcmp, child->pid, parent->pid, KCMP_VM, 0, 0);
	return same < 0 ? child->pages == parent->pages && child->resident == parent->resident : same == 0;
}

static void proctree_measure(proctree_process *p)
{
	char path[64], text[128];
	snprintf(path, sizeof path, "/proc/%d/statm", (int)p->pid);
	proctree_file(path, text, sizeof text);
	if (sscanf(text, "%llu %llu", &p->pages, &p->resident) != 2)
		p->pages = p->resident = 0;
}

/* Appends the children that the text lists; returns the new count. */
static unsigned proctree_append(unsigned count, unsigned parent, const char *text)
{
	char *end;
	for (long pid; (pid = strtol(text, &end, 10)) > 0 && end != text && count < PROCTREE_MAX; text = end) {
		bool is_known = false;
		for (unsigned i = 0; i < count && !is_known; i++)
			is_known = proctree_list[i].pid == (pid_t)pid; /* (R1) */
		if (!is_known)
			proctree_list[count++] = (proctree_process){ .pid = (pid_t)pid, .parent = parent };
	}
	return count;
}

static unsigned proctree_children(unsigned count, unsigned parent)
{
	char path[320], text[PROCTREE_TEXT];
	struct dirent *entry;
	snprintf(path, sizeof path, "/proc/%d/task", (int)proctree_list[parent].pid);
	DIR *threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)proctree_list[parent].pid, entry->d_name);
		if (entry->d_name[0] != '.' && proctree_file(path, text, sizeof text) > 0)
			count = proctree_append(count, parent, text);
	}
	if (threads)
		closedir(threads);
	return count;
}

void cairn_proctree_read(cairn_proctree *t, pid_t root)
{
	static long page_bytes;
	unsigned count = 1;
	if (!page_bytes)
		page_bytes = sysconf(_SC_PAGESIZE);
	*t = (cairn_proctree){ .processes = 0 };
	proctree_list[0] = (proctree_process){ .pid = root };
	for (unsigned i = 0; i < count; i++) {
		proctree_process *p = &proctree_list[i];
		proctree_measure(p);
		count = proctree_children(count, i);
		if (!p->resident || (i && proctree_shares(p, &proctree_list[p->parent])))
			continue;
		t->rss_bytes += p->resident * (uint64_t)page_bytes;
		t->processes++;
	}
}
