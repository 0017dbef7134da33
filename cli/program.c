/* cli/program.c - which file a command names, and whether cairn can serve it. See program.h.
 *
 * What makes cairn step aside, and what happens to the preload then:
 *
 *   static, set-user-ID, set-group-ID, file capabilities    kept: ld.so ignores it, children may use it
 *   own malloc, sanitizer, another libc, class or machine   left out: halves of two allocators, or noise from ld.so
 *   another allocator inside under other names              kept: malloc itself is cairn's; a note says the rest
 *
 * Inspecting is a matter of manners: what it gets wrong shows in the end as an account that nobody wrote.
 *
 * Locks: none. Failure: a file that cannot be read is taken as one that can be served (it may be executable only). */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PROGRAM_SCRIPTS_MAX = 5, PROGRAM_LINE_MAX = 256, PROGRAM_INSPECT_MS = 5000 };

static int program_check(const char *path)
{
	struct stat s;
	if (stat(path, &s) < 0)
		return errno;
	if (S_ISDIR(s.st_mode))
		return EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int program_take(cairn_program *p, const char *folder, size_t folder_length, const char *name)
{
	const char *slash = folder_length ? "/" : "";
	int n = snprintf(p->path, sizeof p->path, "%.*s%s%s", (int)folder_length, folder, slash, name);
	if (n < 0 || (size_t)n >= sizeof p->path)
		return ENAMETOOLONG;
	return program_check(p->path);
}

int cairn_program_find(cairn_program *p, const char *name)
{
	int error = ENOENT;
	memset(p, 0, sizeof *p);
	if (!*name)
		return ENOENT;
	if (strchr(name, '/'))
		return program_take(p, "", 0, name);
	const char *path = getenv("PATH");
	for (const char *at = path ? path : "/bin:/usr/bin";; at++) {
		size_t n = strcspn(at, ":");
		int here = n < PATH_MAX ? program_take(p, at, n, name) : ENAMETOOLONG;
		if (!here)
			return 0;
		if (here != ENOENT && here != ENOTDIR && here != ENAMETOOLONG && here != EISDIR)
			error = here;
		at += n;
		if (!*at)
			return error;
	}
}

/* The interpreter of a "#!" line, or false: not a script. */
static bool program_interpreter(const char *path, char *interpreter, bool *is_elf)
{
	char line[PROGRAM_LINE_MAX + 1] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, line, PROGRAM_LINE_MAX);
	if (fd >= 0)
		close(fd);
	*is_elf = n < 0 || !memcmp(line, "\177ELF", 4); /* what cannot be read is taken as one */
	if (n < 3 || line[0] != '#' || line[1] != '!')
		return false;
	const char *from = line + 2 + strspn(line + 2, " \t");
	size_t length = strcspn(from, " \t\r\n");
	memcpy(interpreter, from, length);
	interpreter[length] = 0;
	return length > 0;
}

static void program_follow_scripts(cairn_program *p)
{
	char interpreter[PROGRAM_LINE_MAX + 1];
	bool is_elf = false;
	memcpy(p->image, p->path, sizeof p->image);
	for (int i = 0; i < PROGRAM_SCRIPTS_MAX && program_interpreter(p->image, interpreter, &is_elf); i++)
		memcpy(p->image, interpreter, strlen(interpreter) + 1);
	if (!is_elf && !strcmp(p->image, p->path) && faccessat(AT_FDCWD, p->path, R_OK, AT_EACCESS) == 0) {
		p->is_shell_script = true; /* only if the kernel refuses it: binfmt_misc may know it */
		memcpy(p->image, "/bin/sh", sizeof "/bin/sh");
	}
}

/* Runs in the child. */
static void program_read_elf(const char *path, int to)
{
	cairn_elf_facts facts = { .is_elf = false };
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0) {
		void *file = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file != MAP_FAILED)
			cairn_elf_read(&facts, file, (size_t)s.st_size);
	}
	if (write(to, &facts, sizeof facts) < 0)
		_exit(1);
	_exit(0);
}

/* In a process of its own: the file may be cut while it is read, and its pages are not to count as this command's
 * memory, which the kernel charges to the program that it executes. */
bool cairn_program_facts(const char *path, cairn_elf_facts *facts)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		program_read_elf(path, ends[1]);
	close(ends[1]);
	struct pollfd wait = { .fd = ends[0], .events = POLLIN };
	ssize_t n = pid > 0 && poll(&wait, 1, PROGRAM_INSPECT_MS) > 0 ? read(ends[0], facts, sizeof *facts) : -1;
	close(ends[0]);
	if (pid > 0) {
		if (n < 0)
			kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return n == (ssize_t)sizeof *facts;
}

static void program_aside(cairn_program *p, cairn_program_state state, const char *why, const char *what)
{
	p->state = state;
	snprintf(p->why_not, sizeof p->why_not, "%s%.100s", why, what);
}

/* Would the kernel run it with other rights than ours? Then the dynamic linker takes no preload from us. */
static bool program_is_privileged(const char *path)
{
	struct stat s;
	struct statvfs v;
	char value[64];
	if (stat(path, &s) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (statvfs(path, &v) == 0 && (v.f_flag & ST_NOSUID))
		return false;
	if (((s.st_mode & S_ISUID) && s.st_uid != getuid()) ||
	    ((s.st_mode & S_ISGID) && (s.st_mode & S_IXGRP) && s.st_gid != getgid()))
		return true;
	return getuid() != 0 && getxattr(path, "security.capability", value, sizeof value) > 0;
}

static bool program_is_glibc(const char *interpreter)
{
	const char *base = strrchr(interpreter, '/');
	base = base ? base + 1 : interpreter;
	return !strncmp(base, "ld-linux", 8) || !strncmp(base, "ld-2.", 5);
}

static void program_judge_elf(cairn_program *p, const cairn_elf_facts *f)
{
	if (!f->is_native)
		program_aside(p, CAIRN_PROGRAM_ASIDE, "it is made for another machine or word size", "");
	else if (f->sanitizer[0])
		program_aside(p, CAIRN_PROGRAM_ASIDE, "it was built with a malloc of its own by ", f->sanitizer);
	else if (f->is_static)
		program_aside(p, CAIRN_PROGRAM_UNREACHABLE, "it is linked statically, so nothing can be preloaded", "");
	else if (!program_is_glibc(f->interpreter))
		program_aside(p, CAIRN_PROGRAM_ASIDE, "it uses another C library, through ", f->interpreter);
	else if (f->has_malloc)
		program_aside(p, CAIRN_PROGRAM_ASIDE, "it brings a malloc of its own", f->allocator[0] ? ", " : "");
	else if (f->allocator[0])
		snprintf(p->note, sizeof p->note, "It has %s inside too: what that allocates is not in these figures.",
			 f->allocator);
}

void cairn_program_inspect(cairn_program *p)
{
	cairn_elf_facts facts;
	program_follow_scripts(p);
	if (cairn_program_facts(p->image, &facts) && facts.is_elf)
		program_judge_elf(p, &facts);
	if (p->state == CAIRN_PROGRAM_SERVED && program_is_privileged(p->image))
		program_aside(p, CAIRN_PROGRAM_UNREACHABLE,
			      "it runs with more rights than its caller, and ld.so then preloads nothing", "");
}
