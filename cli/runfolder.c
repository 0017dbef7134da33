/* cli/runfolder.c - the folder of one run. See runfolder.h.
 *
 * Invariants:
 *   (F1) A folder is removed only by who holds its lock, and only when it belongs to this user.
 *   (F2) After cairn_runfolder_make the folder is locked and still has its name: who was removed between making and
 *        locking makes another.
 *   (F3) Nothing is followed: names are opened and removed relative to the folder's descriptor, links are removed as
 *        links, and a folder inside (nobody but a stranger makes one) is left alone.
 *
 * Failure: false; the run goes on without an account. */
#include "runfolder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "wire/control.h"

static const char runfolder_prefix[] = "cairn-run.";
enum {
	RUNFOLDER_TRIES = 8,
	RUNFOLDER_ROOM_BYTES = 32 << 20, /* a process needs 12 KiB and 4 KiB a thread: 2,700 of them at a time */
	RUNFOLDER_ROOM_FILES = 4096,
};

static bool name_is_path(const char *name) { return !strcmp(name, ".") || !strcmp(name, ".."); }

/* A stream of the folder's names with a descriptor of its own, which shares no offset with ours. */
static DIR *runfolder_list(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	if (!d && own >= 0)
		close(own);
	return d;
}

static void runfolder_empty(int fd, const char *kept)
{
	DIR *d = runfolder_list(fd);
	for (struct dirent *e; d && (e = readdir(d));)
		if (!name_is_path(e->d_name) && !(kept && !strcmp(e->d_name, kept)))
			unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
}

static bool runfolder_is_own(int fd)
{
	struct stat s;
	return fstat(fd, &s) == 0 && s.st_uid == geteuid() && s.st_nlink > 0;
}

static void runfolder_clean_one(int base, const char *name)
{
	int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (runfolder_is_own(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		runfolder_empty(fd, NULL);
		unlinkat(base, name, AT_REMOVEDIR);
	}
	close(fd);
}

static void runfolder_clean(const char *base)
{
	DIR *d = opendir(base);
	for (struct dirent *e; d && (e = readdir(d));)
		if (!strncmp(e->d_name, runfolder_prefix, sizeof runfolder_prefix - 1))
			runfolder_clean_one(dirfd(d), e->d_name);
	if (d)
		closedir(d);
}

/* (F2) */
static bool runfolder_lock(cairn_runfolder *f)
{
	struct stat by_fd, by_name;
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd >= 0 && flock(f->fd, LOCK_EX) == 0 && fchmod(f->fd, 01777) == 0 && fstat(f->fd, &by_fd) == 0 &&
	    stat(f->path, &by_name) == 0 && by_fd.st_ino == by_name.st_ino && by_fd.st_dev == by_name.st_dev)
		return true;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	return false;
}

/* Past RLIMIT_FSIZE a write is SIGXFSZ. */
static bool file_may_have(rlim_t bytes)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || bytes <= limit.rlim_cur)
		return true;
	errno = EFBIG;
	return false;
}

/* Written whole, so that it has its block when there are no more to be had. */
static bool runfolder_make_lost(cairn_runfolder *f)
{
	static const char zeros[CAIRN_LOST_BYTES];
	if (!file_may_have(sizeof zeros))
		return false;
	f->lost = openat(f->fd, CAIRN_LOST_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (f->lost < 0)
		return false;
	if (fchmod(f->lost, 0666) == 0 && pwrite(f->lost, zeros, sizeof zeros, 0) == (ssize_t)sizeof zeros)
		return true;
	f->error = errno;
	close(f->lost);
	errno = f->error;
	return false;
}

static bool runfolder_make_one(cairn_runfolder *f, const char *base)
{
	for (int i = 0; i < RUNFOLDER_TRIES; i++) {
		snprintf(f->path, sizeof f->path, "%s/%s%d.XXXXXX", base, runfolder_prefix, (int)getpid());
		if (!mkdtemp(f->path))
			return false;
		if (!runfolder_lock(f)) {
			rmdir(f->path);
			continue;
		}
		if (runfolder_make_lost(f))
			return true;
		int error = errno;
		cairn_runfolder_remove(f, false);
		errno = error;
		return false;
	}
	return false;
}

/* A file system without a limit says 0 of 0. */
static bool base_has_room(const char *base)
{
	struct statvfs s;
	return statvfs(base, &s) == 0 &&
	       (!s.f_blocks || (uint64_t)s.f_bavail * s.f_frsize >= RUNFOLDER_ROOM_BYTES) &&
	       (!s.f_files || s.f_favail >= RUNFOLDER_ROOM_FILES);
}

bool cairn_runfolder_make(cairn_runfolder *f)
{
	const char *bases[] = { "/dev/shm", getenv("TMPDIR"), "/tmp", "/var/tmp" };
	enum { COUNT = sizeof bases / sizeof *bases };
	f->fd = f->lost = -1;
	f->has_link = false;
	errno = 0;
	for (int i = 0; i < 2 * COUNT; i++) {
		const char *base = bases[i % COUNT];
		bool is_first_time = i < COUNT;
		if (!base || base[0] != '/' || strlen(base) > sizeof f->path / 2)
			continue;
		if (is_first_time)
			runfolder_clean(base);
		if ((!is_first_time || base_has_room(base)) && runfolder_make_one(f, base))
			return true;
	}
	f->error = errno;
	return false;
}

uint64_t cairn_runfolder_lost(const cairn_runfolder *f, int *error)
{
	cairn_lost lost;
	bool is_known = f->fd >= 0 && pread(f->lost, &lost, sizeof lost, 0) == (ssize_t)sizeof lost;
	*error = is_known ? (int)lost.error : 0;
	return is_known ? lost.processes : 0;
}

/* ld.so splits LD_PRELOAD at blanks and colons and expands $ORIGIN and its like. */
static bool path_is_preloadable(const char *path) { return !strpbrk(path, " \t\n:$"); }

const char *cairn_runfolder_library(cairn_runfolder *f, const char *library, char *link, unsigned link_bytes)
{
	if (path_is_preloadable(library))
		return library;
	if (f->fd < 0 || !path_is_preloadable(f->path) || symlinkat(library, f->fd, "lib") < 0)
		return NULL;
	f->has_link = true;
	int n = snprintf(link, link_bytes, "%s/lib", f->path);
	return n > 0 && (unsigned)n < link_bytes ? link : NULL;
}

void cairn_runfolder_remove(cairn_runfolder *f, bool has_survivors)
{
	bool keep = has_survivors && f->has_link;
	if (f->fd < 0)
		return;
	if (keep)
		fchmod(f->fd, 0555);
	runfolder_empty(f->fd, keep ? "lib" : NULL);
	if (!keep)
		rmdir(f->path);
	if (f->lost >= 0)
		close(f->lost);
	close(f->fd);
	f->fd = f->lost = -1;
}
