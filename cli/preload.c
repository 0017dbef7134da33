/* cli/preload.c - libraries to preload. See preload.h.
 *
 * A library that ld.so does not want is no error to ld.so: it prints a line and the program runs without it. So ld.so
 * is asked before: with LD_TRACE_LOADED_OBJECTS it lists in its order of search what it would load, and starts nothing.
 * The first object of the list that exports malloc is where the program's calls will go.
 *
 * Failure: one line and false. What cannot be asked (an unreadable program, another word of ld.so's) is left to the
 * first run, whose status tells. */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elfread.h"

extern char **environ;

#if defined __x86_64__
#define PRELOAD_TRIPLET "x86_64-linux-gnu"
#else
#define PRELOAD_TRIPLET "aarch64-linux-gnu"
#endif

#define PRELOAD_MISSING " => not found"
#define PRELOAD_SPLITS  " :$\t\n" /* ld.so splits at these, or expands them */

enum { PRELOAD_LIST_BYTES = 65536, PRELOAD_WAIT_MS = 10000 };

static bool preload_refuse(const char *asked, const char *why)
{
	fprintf(stderr, "cairn: --with %.200s: %s\n", asked, why);
	return false;
}

/* ---- Where it is ---- */

/* The last that matches: of libx.so.1 and libx.so.2 the second. */
static bool preload_match(char *path, size_t bytes, const char *folder, size_t folder_length, const char *pattern,
			  const char *name)
{
	char text[PATH_MAX], file[256];
	glob_t found;
	snprintf(file, sizeof file, pattern, name, name);
	int n = snprintf(text, sizeof text, "%.*s/%s", (int)folder_length, folder, file);
	if (n < 0 || (size_t)n >= sizeof text || glob(text, 0, NULL, &found))
		return false;
	n = found.gl_pathc ? snprintf(path, bytes, "%s", found.gl_pathv[found.gl_pathc - 1]) : -1;
	globfree(&found);
	return n > 0 && (size_t)n < bytes;
}

static bool preload_match_name(char *path, size_t bytes, const char *folder, size_t folder_length, const char *name)
{
	static const char *const patterns[] = { "lib%s.so", "lib%s.so.[0-9]*", "lib%s_minimal.so",
						"lib%s_minimal.so.[0-9]*", "%s*/lib%s.so" };
	if (strstr(name, ".so"))
		return preload_match(path, bytes, folder, folder_length, "%s", name);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (preload_match(path, bytes, folder, folder_length, patterns[i], name))
			return true;
	return false;
}

static bool preload_search(char *path, size_t bytes, const char *name)
{
	static const char *const folders[] = { "/usr/local/lib", "/usr/local/lib/" PRELOAD_TRIPLET, "/usr/local/lib64",
					       "/usr/lib/" PRELOAD_TRIPLET, "/lib/" PRELOAD_TRIPLET, "/usr/lib64",
					       "/lib64", "/usr/lib", "/lib" };
	const char *own = getenv("LD_LIBRARY_PATH");
	for (; own && *own; own += strcspn(own, ":") + (own[strcspn(own, ":")] == ':'))
		if (preload_match_name(path, bytes, own, strcspn(own, ":"), name))
			return true;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (preload_match_name(path, bytes, folders[i], strlen(folders[i]), name))
			return true;
	return false;
}

/* "libjemalloc.so.2" is called jemalloc. */
static void preload_name(cairn_preload *l, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	if (!strncmp(base, "lib", 3) && base[3] && base[3] != '.')
		base += 3;
	const char *end = strstr(base, ".so");
	size_t n = end && end > base ? (size_t)(end - base) : strlen(base);
	for (size_t i = 0; i < n && i < CAIRN_PRELOAD_NAME - 1; i++)
		l->name[i] = base[i] > ' ' && base[i] < 127 ? base[i] : '?';
	l->name[n < CAIRN_PRELOAD_NAME ? n : CAIRN_PRELOAD_NAME - 1] = 0;
}

/* What the file itself says, before ld.so is asked. */
static bool preload_check_file(const char *asked, const char *path)
{
	cairn_elf_facts facts;
	struct stat s;
	if (stat(path, &s) < 0 || access(path, R_OK) < 0) {
		char why[200];
		snprintf(why, sizeof why, "%s; give the path of a shared library, or a name such as jemalloc",
			 strerror(errno));
		return preload_refuse(asked, why);
	}
	if (!S_ISREG(s.st_mode) || !cairn_program_facts(path, &facts) || !facts.is_elf)
		return preload_refuse(asked, "it is no shared library; give the path of the .so file itself");
	if (!facts.is_native)
		return preload_refuse(asked, "it is made for another machine or word size; give one made for this");
	if (strpbrk(path, PRELOAD_SPLITS))
		return preload_refuse(asked, "ld.so takes no path with a blank, colon or $; give a link to it");
	if (!facts.has_malloc)
		return preload_refuse(asked, "it has no malloc, so nothing would change; give an allocator's library");
	return true;
}

bool cairn_preload_take(cairn_preload *l, const char *name, const char *path)
{
	if (name)
		snprintf(l->name, sizeof l->name, "%s", name);
	else
		preload_name(l, path);
	snprintf(l->path, sizeof l->path, "%s", path);
	return !strpbrk(path, PRELOAD_SPLITS);
}

bool cairn_preload_find(cairn_preload *l, const char *asked)
{
	char path[PATH_MAX];
	bool is_path = strchr(asked, '/') || (strstr(asked, ".so") && access(asked, F_OK) == 0);
	preload_name(l, asked);
	if (is_path)
		snprintf(path, sizeof path, "%s", asked);
	else if (strpbrk(asked, "*?[%") || strlen(asked) > 100 || !preload_search(path, sizeof path, asked))
		return preload_refuse(asked, "not found in the library folders; give its path, or install it");
	if (!realpath(path, l->path))
		snprintf(l->path, sizeof l->path, "%s", path);
	return preload_check_file(asked, l->path);
}

/* ---- What ld.so says ---- */

/* The environment for asking: as it will be, and the question. NULL: no memory. Returns owned. */
static char **preload_environment(const char *library, char *preload, size_t bytes)
{
	static char question[] = "LD_TRACE_LOADED_OBJECTS=1";
	const char *old = getenv("LD_PRELOAD");
	size_t count = 0, kept = 0;
	while (environ && environ[count])
		count++;
	char **env = calloc(count + 3, sizeof *env);
	for (size_t i = 0; env && i < count; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) && strncmp(environ[i], "LD_TRACE_", 9))
			env[kept++] = environ[i];
	snprintf(preload, bytes, "LD_PRELOAD=%s%s%s", library, *library && old ? ":" : "", old ? old : "");
	if (env) {
		env[kept++] = preload;
		env[kept] = question;
	}
	return env;
}

static pid_t preload_spawn(const char *image, char *const env[], int to)
{
	posix_spawn_file_actions_t actions;
	char *arguments[] = { (char *)image, NULL };
	pid_t pid = -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, to, 1);
	posix_spawn_file_actions_adddup2(&actions, to, 2);
	if (posix_spawn(&pid, image, &actions, NULL, arguments, env))
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static size_t preload_read(int from, char *text, size_t bytes)
{
	struct pollfd wait = { .fd = from, .events = POLLIN };
	size_t used = 0;
	ssize_t n = 1;
	while (n > 0 && used < bytes - 1 && poll(&wait, 1, PRELOAD_WAIT_MS) > 0) {
		n = read(from, text + used, bytes - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = 0;
	return used;
}

/* All that ld.so writes. False: it could not be asked. */
static bool preload_ask(const cairn_program *p, const char *library, char *text, size_t bytes)
{
	static char preload[PATH_MAX + 65536];
	int ends[2];
	char **env = preload_environment(library, preload, sizeof preload);
	if (!env || pipe2(ends, O_CLOEXEC) < 0)
		return free(env), false;
	pid_t pid = preload_spawn(p->image, env, ends[1]);
	close(ends[1]);
	free(env);
	size_t used = pid > 0 ? preload_read(ends[0], text, bytes) : 0;
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL); /* it has said all, or never will */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return used > 0;
}

/* The path in a line like "\tlibm.so.6 => /lib/libm.so.6 (0x7f...)" or "\t/tmp/libx.so (0x7f...)". False: none. */
static bool preload_line_path(const char *line, char *path, size_t bytes)
{
	size_t length = strcspn(line, "\n");
	const char *end = memmem(line, length, " (0x", 4), *arrow = memmem(line, length, " => ", 4);
	const char *from = arrow ? arrow + 4 : line + 1;
	if (line[0] != '\t' || !end || end <= from || *from != '/' || (size_t)(end - from) >= bytes)
		return false;
	memcpy(path, from, (size_t)(end - from));
	path[end - from] = 0;
	return true;
}

static const char *preload_next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

static void preload_read_plan(cairn_preload_plan *plan, const char *text, const char *image)
{
	char path[PATH_MAX];
	cairn_elf_facts facts;
	for (const char *line = text; *line; line = preload_next_line(line)) {
		if (!preload_line_path(line, path, sizeof path) || !strcmp(path, image))
			continue;
		const char *base = strrchr(path, '/') + 1;
		plan->is_known = true;
		if (!strcmp(base, "libc.so.6"))
			memcpy(plan->libc, path, sizeof path);
		if (!plan->malloc_of[0] && cairn_program_facts(path, &facts) && facts.has_malloc)
			memcpy(plan->malloc_of, path, sizeof path);
	}
}

/* Is this line about the library, and why it will not do? */
static bool preload_is_complaint(const char *line, const char *library, bool is_complete)
{
	size_t length = strcspn(line, "\n");
	if (line[0] == '\t')
		return is_complete && memmem(line, length, PRELOAD_MISSING, strlen(PRELOAD_MISSING));
	return memmem(line, length, library, strlen(library)) &&
	       (memmem(line, length, "cannot", 6) || memmem(line, length, "not found", 9));
}

/* is_complete: without the library nothing was missing. */
static bool preload_complain(const cairn_preload *l, const char *text, bool is_complete)
{
	for (const char *line = text; *line; line = preload_next_line(line)) {
		if (!preload_is_complaint(line, l->path, is_complete))
			continue;
		line += strspn(line, "\t ");
		fprintf(stderr, "cairn: %s: ld.so refuses it (%.*s); give a library built for this system\n", l->path,
			(int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

bool cairn_preload_plan_make(cairn_preload_plan *plan, const cairn_program *p, const cairn_preload *l,
			     const cairn_preload_plan *without)
{
	static char text[PRELOAD_LIST_BYTES]; /* static: it is large */
	memset(plan, 0, sizeof *plan);
	if (access(p->image, R_OK) < 0 || !preload_ask(p, l->path, text, sizeof text))
		return true;
	plan->is_incomplete = strstr(text, PRELOAD_MISSING) != NULL;
	if (l->path[0] && preload_complain(l, text, without && !without->is_incomplete))
		return false;
	preload_read_plan(plan, text, p->image);
	if (!l->path[0] || !plan->is_known || !strcmp(plan->malloc_of, l->path))
		return true;
	fprintf(stderr, "cairn: %s: malloc would stay that of %s; it cannot be compared here\n", l->path,
		plan->malloc_of);
	return false;
}
