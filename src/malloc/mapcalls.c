/* malloc/mapcalls.c - mmap, mmap64 and mremap under their public names, so that what the program maps is noted.
 *
 *   program ──▶ ours ──▶ the next definition: another library's, or libc's ──▶ its result, untouched
 *                                                                        └──▶ anonymous memory: os/mappings.h
 *
 * In libcairn.so alone: a static program that brought its own would meet libc.a's a second time. Nothing of the call is
 * changed: arguments, result and errno are the next definition's, which may be anything (a wrapper that allocates), so
 * nothing is held while it runs. cairn's own mappings do not pass through here (os/sys.h). Libc's own calls do not
 * either, nor those of a library opened with RTLD_DEEPBIND: they are not noted.
 *
 * The next definition is asked for once, in this file's constructor: the loader's lock may not be taken by a signal
 * handler or in fork's child. Whoever comes before it (an IFUNC resolver, an audit library, a sanitizer's start), or
 * where there is none, has the system call, and errno as libc sets it. Before the library is relocated the names of
 * libc read NULL (os/sys.c, Y2): then a refusal leaves errno as it is. */
#if CAIRN_INTERPOSE
#include "os/mappings.h"
#include "os/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define PUBLIC __attribute__((visibility("default")))

extern int *mapcalls_errno(void) __asm__("__errno_location") __attribute__((weak));

typedef void *mmap_call(void *at, size_t bytes, int rights, int flags, int fd, off_t offset);
typedef void *mremap_call(void *old, size_t old_bytes, size_t bytes, int flags, ...);

/* sync: atomic, relaxed: NULL or the function, and either will do; const after the constructor. */
static mmap_call *next_mmap, *next_mmap64;
static mremap_call *next_mremap;

__attribute__((constructor)) static void mapcalls_begin(void)
{
	mmap_call *map, *map64;
	mremap_call *remap;
	*(void **)&map = dlsym(RTLD_NEXT, "mmap");
	*(void **)&map64 = dlsym(RTLD_NEXT, "mmap64");
	*(void **)&remap = dlsym(RTLD_NEXT, "mremap");
	__atomic_store_n(&next_mmap, map, __ATOMIC_RELAXED); /* see there, all three */
	__atomic_store_n(&next_mmap64, map64, __ATOMIC_RELAXED);
	__atomic_store_n(&next_mremap, remap, __ATOMIC_RELAXED);
}

/* Raw, so that injected faults are cairn's alone. */
static void *mapcalls_result(long p)
{
	if (p >= 0 || p <= -4096)
		return (void *)p;
	if (mapcalls_errno)
		*mapcalls_errno() = (int)-p;
	return MAP_FAILED;
}

static void *mapcalls_map(mmap_call *next, void *at, size_t bytes, int rights, int flags, int fd, off_t offset)
{
	if (next)
		return next(at, bytes, rights, flags, fd, offset);
	return mapcalls_result(cairn_sys_raw(SYS_mmap, (long)at, (long)bytes, rights, flags, fd, offset));
}

PUBLIC void *mmap(void *at, size_t bytes, int rights, int flags, int fd, off_t offset)
{
	mmap_call *next = __atomic_load_n(&next_mmap, __ATOMIC_RELAXED); /* see there, all three */
	void *p = mapcalls_map(next, at, bytes, rights, flags, fd, offset);
	if ((flags & MAP_ANONYMOUS) && p != MAP_FAILED)
		cairn_mappings_note(p, bytes, (uintptr_t)__builtin_return_address(0));
	return p;
}

PUBLIC void *mmap64(void *at, size_t bytes, int rights, int flags, int fd, off64_t offset)
{
	mmap_call *next = __atomic_load_n(&next_mmap64, __ATOMIC_RELAXED); /* likewise */
	void *p = mapcalls_map(next, at, bytes, rights, flags, fd, offset);
	if ((flags & MAP_ANONYMOUS) && p != MAP_FAILED)
		cairn_mappings_note(p, bytes, (uintptr_t)__builtin_return_address(0));
	return p;
}

/* The fifth argument is handed on as it stands, given or not, as libc hands it to the kernel. What was moved may be of
 * a file: nobody looks for that in the table. */
PUBLIC void *mremap(void *old, size_t old_bytes, size_t bytes, int flags, ...)
{
	mremap_call *next = __atomic_load_n(&next_mremap, __ATOMIC_RELAXED);
	va_list rest;
	va_start(rest, flags);
	void *to = va_arg(rest, void *);
	va_end(rest);
	void *p = next ? next(old, old_bytes, bytes, flags, to) :
	                 mapcalls_result(cairn_sys_raw(
				 SYS_mremap, (long)old, (long)old_bytes, (long)bytes, flags, (long)to, 0));
	if (p != MAP_FAILED)
		cairn_mappings_note(p, bytes, (uintptr_t)__builtin_return_address(0));
	return p;
}
#endif
