/* os/vm.h - ranges of virtual memory: the kernel's promise turned into pages.
 *
 *   (none) ──reserve──▶ RESERVED ──open──▶ OPEN ──purge──▶ OPEN, contents zero, no frame behind it
 *   OPEN ──close──▶ RESERVED, contents kept
 *   RESERVED or OPEN ──release──▶ (none)
 *
 * RESERVED is PROT_NONE: it costs address space only, is not in a core file, and counts against neither RLIMIT_DATA nor
 * overcommit=2. OPEN is readable and writable; a frame comes at first touch.
 *
 * All ranges are multiples of cairn_vm_page_bytes(). errno is never touched. Threads: any.
 * Failure: NULL or false, and nothing has changed.
 * Not here: who uses a range (page/), memory for our own records (os/meta.h). */
#ifndef CAIRN_OS_VM_H
#define CAIRN_OS_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Size of an OS page in bytes: 4096, 16384 or 65536, read from the kernel at the first call. */
size_t cairn_vm_page_bytes(void);
void cairn_vm_page_bytes_inject(size_t bytes); /* for tests: a larger page than the machine's, a power of two */

/* Address space, aligned to align (a power of two >= the OS page), at hint when hint is not NULL and the kernel agrees
 * (the hint is taken exactly or not at all: then the kernel chooses). Returns owned. */
void *cairn_vm_reserve(void *hint, size_t bytes, size_t align);
/* Exactly at `at`, or false (also where something is already mapped). */
bool cairn_vm_reserve_at(void *at, size_t bytes);
bool cairn_vm_open(void *p, size_t bytes);
/* Makes an open range inaccessible; contents stay until it is opened. For finding errors: each such range may be a
 * mapping of its own, and a process has some 65,000. False: refused. */
bool cairn_vm_close(void *p, size_t bytes);
/* Lengthens the mapping that ends at p + bytes by more, in place, with the same protection and advice: it stays one
 * mapping, so it works also where the process may have no more of them. False: something lies behind, or refused. */
bool cairn_vm_extend(void *p, size_t bytes, size_t more);
/* Reserved and open in one, not placed: for metadata. Zeroed. Returns owned. */
void *cairn_vm_map(size_t bytes);
void cairn_vm_release(void *p, size_t bytes);
/* Would the kernel hand out that much memory at once? Its overcommit rules are asked by a trial mapping; ours escape
 * them, because they are reserved before anybody knows what for. */
bool cairn_vm_would_grant(size_t bytes);

/* Gives the frames back (MADV_DONTNEED, and MADV_DONTNEED_LOCKED where the range is locked): afterwards the range
 * reads zero and is not resident. False: the kernel kept them (a filter, an old kernel with locked pages, or an
 * emulator whose DONTNEED does not zero: probed once): contents are unchanged, or must be taken as unknown. */
bool cairn_vm_purge(void *p, size_t bytes);
/* The same; false also where some of the range is locked, for whoever locked it wants it resident. */
bool cairn_vm_purge_unlocked(void *p, size_t bytes);

/* Hidden, an open range is in no core file (MADV_DONTDUMP); contents stay. False: refused. */
bool cairn_vm_hide(void *p, size_t bytes);
bool cairn_vm_show(void *p, size_t bytes); /* undoes it, for all that is hidden in the range */
/* Maps an open range anew: open, zero, not hidden, without advice. For where a filter refuses to show. */
bool cairn_vm_renew(void *p, size_t bytes);

/* Moves the pages of an open range to another open range of the same size (mremap with DONTUNMAP: no copy); afterwards
 * `from` is open and reads zero. Not where an emulator would forget `from`: probed once. */
typedef enum cairn_vm_moved {
	CAIRN_VM_MOVED,
	CAIRN_VM_KEPT, /* not possible: nothing moved */
	CAIRN_VM_LOST, /* not possible, and `to` is not open any more: it must never be used again */
} cairn_vm_moved;
cairn_vm_moved cairn_vm_move(void *from, void *to, size_t bytes);

void cairn_vm_huge(void *p, size_t bytes);    /* MADV_HUGEPAGE; advice, cannot fail */
void cairn_vm_no_huge(void *p, size_t bytes); /* MADV_NOHUGEPAGE */
/* Frames behind all of an open range, as if it were written to (MADV_POPULATE_WRITE, Linux 5.14); contents stay.
 * Advice: where the kernel does not know it nothing is done. */
void cairn_vm_populate(void *p, size_t bytes);
bool cairn_vm_is_resident(void *p);           /* is the OS page at p resident? mincore; false when it cannot be known */
size_t cairn_vm_resident_bytes(void *p, size_t bytes); /* of the range; 0 when it cannot be known */
/* Is there any mapping at p at all? mincore's ENOMEM. */
bool cairn_vm_is_mapped(const void *p);

size_t cairn_vm_peak_rss_bytes(void);         /* the highest it was in this program image (VmHWM); 0 unknown */
size_t cairn_vm_rss_bytes(void);              /* this process's resident set, from /proc/self/statm; 0 unknown */

#endif
