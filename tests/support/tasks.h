/* support/tasks.h - the threads of this process, as the kernel lists them; an identity to change to; and work for a
 * janitor.
 * Nothing here is imported that could set a filter: os/sandbox.h looks for that. */
#ifndef CAIRN_SUPPORT_TASKS_H
#define CAIRN_SUPPORT_TASKS_H

#include "cairn/malloc.h"
#include "support/test.h"

#include <dirent.h>
#include <grp.h>
#include <unistd.h>

enum { TASKS_NOBODY = 65534 };

/* The number behind `name` in the status of a thread, or -1 where either is not there. */
__attribute__((unused)) static long long task_number(const char *task, const char *name, int base)
{
	char path[300], text[4096];
	snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *at = strstr(text, name);
	return at ? (long long)strtoull(at + strlen(name), NULL, base) : -1;
}

__attribute__((unused)) static bool task_is_janitor(const char *task)
{
	char path[300], name[32] = "";
	snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
	if (fd >= 0)
		close(fd);
	return n == 6 && !memcmp(name, "cairn\n", 6);
}

/* How many threads there are of which that is true. */
__attribute__((unused)) static int tasks_that(bool (*is)(const char *task))
{
	int n = 0;
	DIR *dir = opendir("/proc/self/task");
	for (struct dirent *task; dir && (task = readdir(dir));)
		n += task->d_name[0] != '.' && is(task->d_name);
	if (dir)
		closedir(dir);
	return n;
}

__attribute__((unused)) static bool task_has_capabilities(const char *task)
{
	return task_number(task, "CapPrm:", 16) > 0 || task_number(task, "CapEff:", 16) > 0;
}

__attribute__((unused)) static bool task_is_not_nobody(const char *task)
{
	long long uid = task_number(task, "\nUid:", 10);
	return uid >= 0 &&
	       (uid != TASKS_NOBODY || task_number(task, "\nGid:", 10) != TASKS_NOBODY || task_has_capabilities(task));
}

__attribute__((unused)) static bool become_nobody(void)
{
	return !setgroups(0, NULL) && !setgid(TASKS_NOBODY) && !setuid(TASKS_NOBODY);
}

/* After at most so long: is every thread nobody's? */
__attribute__((unused)) static bool tasks_are_nobodys_within_ms(int ms)
{
	for (; ms > 0 && tasks_that(task_is_not_nobody); ms -= 10)
		usleep(10000);
	return !tasks_that(task_is_not_nobody);
}

/* 80 MB. */
__attribute__((unused)) static void use_and_free(void)
{
	enum { BLOCKS = 4000, BYTES = 20000 };
	static void *blocks[BLOCKS];
	for (int i = 0; i < BLOCKS; i++)
		memset(blocks[i] = cairn_malloc(BYTES), 1, BYTES);
	for (int i = 0; i < BLOCKS; i++)
		cairn_free(blocks[i]);
}

/* For a thread. */
__attribute__((unused)) static void *allocate_a_little(void *p)
{
	cairn_free(cairn_malloc(100));
	return p;
}

#endif
