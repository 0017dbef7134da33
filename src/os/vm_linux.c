/* os/vm_linux.c - ranges of virtual memory, by Linux's system calls.
 *
 * Invariants:
 *   (V1) What reserve and map return is aligned as asked, as long as asked, and was mapped by this call: nothing that
 *        was there before is ever replaced.
 *   (V2) After a purge that returned true, every byte of the range reads zero.
 *   (V3) All our mappings have the same flags but for huge pages and for what is hidden, so that the kernel joins
 *        neighbours: opening the next piece of a range lengthens a mapping and makes no new one.
 *   (V4) Ranges are whole OS pages. The kernel rounds a length up, so that an end within a page empties, hides or moves
 *        what lies behind it.
 *   (V5) What reserve, map and extend return is noted as cairn's own (os/mappings.h) until it is released. Trial
 *        mappings are not.
 *
 * Locks: none; the kernel's. Failure: NULL or false, nothing changed. Every system call but mmap may be refused by a
 * filter at any time; nothing is retried and nothing is printed.
 * Design, and what reservations cost: docs/design/os.md. */
#include "base/assert.h"
#include "base/bits.h"
#include "os/mappings.h"
#include "os/sys.h"
#include "os/vm.h"

#include <elf.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

enum { VM_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, VM_OPEN = PROT_READ | PROT_WRITE };
enum { VM_PAGE_FALLBACK_BYTES = 4096, VM_SEARCHES = 64 };

/* Does this advice zero here? Emulators take it for the mere advice that it is called, or say "done" to what they do
 * not know (qemu-user to DONTNEED_LOCKED). */
enum { PURGE_UNKNOWN, PURGE_ZEROES, PURGE_KEEPS };

/* Does a move leave its source mapped? Emulators make the call and take the source out of their own books (qemu-user):
 * the next call that names it, or a second move from it, then fails, or ends the program. */
enum { MOVE_UNKNOWN, MOVE_KEEPS_SOURCE, MOVE_FORGETS_SOURCE };

/* All five are read and written relaxed: each is a fact about the machine that stands for itself, and two threads that
 * find one out at once find the same. */
static _Atomic size_t vm_page;               /* sync: atomic; as cairn sees it, 0: not asked yet */
static _Atomic size_t vm_kernel_page;        /* sync: atomic; as the kernel sees it */
static _Atomic int vm_dontneed_effect;        /* sync: atomic */
static _Atomic int vm_dontneed_locked_effect; /* sync: atomic */
static _Atomic int vm_move_effect;            /* sync: atomic */

/* ---- page size ---- */

static size_t vm_kernel_page_bytes(void)
{
	/* Relaxed, here and below: see vm_page. */
	size_t bytes = atomic_load_explicit(&vm_kernel_page, memory_order_relaxed);
	if (cairn_unlikely(!bytes)) {
		bytes = cairn_sys_aux(AT_PAGESZ, VM_PAGE_FALLBACK_BYTES);
		atomic_store_explicit(&vm_kernel_page, bytes, memory_order_relaxed);
	}
	return bytes;
}

size_t cairn_vm_page_bytes(void)
{
	/* Relaxed, here and below: see vm_page. */
	size_t bytes = atomic_load_explicit(&vm_page, memory_order_relaxed);
	if (cairn_unlikely(!bytes)) {
		bytes = vm_kernel_page_bytes();
		atomic_store_explicit(&vm_page, bytes, memory_order_relaxed);
	}
	return bytes;
}

void cairn_vm_page_bytes_inject(size_t bytes)
{
	cairn_assert(cairn_is_power_of_two(bytes) && bytes >= vm_kernel_page_bytes());
	atomic_store_explicit(&vm_page, bytes, memory_order_relaxed); /* relaxed: see vm_page */
}

static bool vm_is_whole(const void *p, size_t bytes) { return !(((size_t)p | bytes) & (cairn_vm_page_bytes() - 1)); }

/* ---- reserve, open, release ---- */

static char *vm_mmap(void *at, size_t bytes, int protection, int more_flags)
{
	long p = cairn_sys(SYS_mmap, (long)at, (long)bytes, protection, VM_FLAGS | more_flags, -1, 0);
	return p < 0 && p > -4096 ? NULL : (char *)p;
}

static void vm_unmap(void *p, size_t bytes) { cairn_sys(SYS_munmap, (long)p, (long)bytes, 0, 0, 0, 0); }

/* Forgotten first: behind munmap the place may be another thread's. */
void cairn_vm_release(void *p, size_t bytes)
{
	cairn_mappings_forget(p, bytes);
	vm_unmap(p, bytes);
}

static void *vm_noted(void *p, size_t bytes)
{
	if (p)
		cairn_mappings_note(p, bytes, CAIRN_MAPPING_OWN); /* V5 */
	return p;
}

/* Kernels before 4.17 take MAP_FIXED_NOREPLACE for a hint and may choose another place. */
static bool vm_map_exactly(void *at, size_t bytes, int protection)
{
	char *p = vm_mmap(at, bytes, protection, MAP_FIXED_NOREPLACE);
	if (p && p != at)
		vm_unmap(p, bytes);
	return p && p == at;
}

static char *vm_map_trimmed(size_t bytes, size_t align, int protection)
{
	size_t more = bytes + align;
	if (more < bytes)
		return NULL;
	char *p = vm_mmap(NULL, more, protection, 0);
	if (!p)
		return NULL;
	size_t before = cairn_round_up((size_t)p, align) - (size_t)p;
	if (before)
		vm_unmap(p, before);
	if (align - before)
		vm_unmap(p + before + bytes, align - before);
	return p + before;
}

/* There is address space for bytes, but not for bytes + align (RLIMIT_AS): looks for a free place below `from`. */
static char *vm_map_searching(char *from, size_t bytes, size_t align, int protection)
{
	size_t step = cairn_round_up(bytes, align);
	for (unsigned i = 1; i <= VM_SEARCHES && (size_t)from > i * step; i++)
		if (vm_map_exactly(from - i * step, bytes, protection))
			return from - i * step;
	return NULL;
}

/* The kernel hands out addresses downwards, so below a place that it has chosen there is often room: a mapping moved
 * down to the next multiple of align needs no more address space than asked, which counts under RLIMIT_AS. */
static char *vm_map_aligned(size_t bytes, size_t align, int protection)
{
	char *p = vm_mmap(NULL, bytes, protection, 0);
	if (!p || !((size_t)p & (align - 1)))
		return p;
	vm_unmap(p, bytes);
	char *below = (char *)cairn_round_down((size_t)p, align);
	if (vm_map_exactly(below, bytes, protection))
		return below;
	p = vm_map_trimmed(bytes, align, protection);
	return p ? p : vm_map_searching(below, bytes, align, protection);
}

void *cairn_vm_reserve(void *hint, size_t bytes, size_t align)
{
	cairn_assert(cairn_is_power_of_two(align) && align >= cairn_vm_page_bytes());
	if (hint && !((size_t)hint & (align - 1)) && vm_map_exactly(hint, bytes, PROT_NONE))
		return vm_noted(hint, bytes);
	return vm_noted(vm_map_aligned(bytes, align, PROT_NONE), bytes);
}

bool cairn_vm_reserve_at(void *at, size_t bytes)
{
	return vm_map_exactly(at, bytes, PROT_NONE) && vm_noted(at, bytes);
}

void *cairn_vm_map(size_t bytes) { return vm_noted(vm_map_aligned(bytes, cairn_vm_page_bytes(), VM_OPEN), bytes); }

bool cairn_vm_would_grant(size_t bytes)
{
	long at = cairn_sys(SYS_mmap, 0, (long)bytes, VM_OPEN, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0 && at > -4096)
		return false;
	vm_unmap((void *)at, bytes);
	return true;
}

/* Does mprotect refuse even what changes nothing? Then it is a filter that speaks, not a limit. */
static bool vm_mprotect_is_filtered(void)
{
	size_t page = cairn_vm_page_bytes();
	char *trial = vm_map_aligned(page, page, VM_OPEN);
	if (!trial)
		return false;
	long r = cairn_sys(SYS_mprotect, (long)trial, (long)page, VM_OPEN, 0, 0, 0);
	vm_unmap(trial, page);
	return r != 0;
}

bool cairn_vm_renew(void *p, size_t bytes)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	return vm_mmap(p, bytes, VM_OPEN, MAP_FIXED) == p;
}

/* Where a filter refuses mprotect, the same is had by mapping anew over what is reserved. Not where a limit does: the
 * kernel would not count it, and the process would get over its limit. */
bool cairn_vm_open(void *p, size_t bytes)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	long r = cairn_sys(SYS_mprotect, (long)p, (long)bytes, VM_OPEN, 0, 0, 0);
	if (r == 0 || (r == -ENOMEM && !vm_mprotect_is_filtered()))
		return r == 0;
	return cairn_vm_renew(p, bytes);
}

bool cairn_vm_close(void *p, size_t bytes)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	return cairn_sys(SYS_mprotect, (long)p, (long)bytes, PROT_NONE, 0, 0, 0) == 0;
}

bool cairn_vm_extend(void *p, size_t bytes, size_t more)
{
	if (cairn_sys(SYS_mremap, (long)p, (long)bytes, (long)(bytes + more), 0, 0, 0) != (long)p)
		return false;
	cairn_mappings_extend((char *)p + bytes, more); /* V5 */
	return true;
}

/* ---- purge ---- */

/* The length is rounded up here as well, so that with an injected page a wrong end does what it would do on a kernel
 * of such pages, and a test can see it. */
static long vm_advise(void *p, size_t bytes, int advice)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	bytes = cairn_round_up(bytes, cairn_vm_page_bytes());
	return cairn_sys(SYS_madvise, (long)p, (long)bytes, advice, 0, 0, 0);
}

/* TSan does not see our mmap and munmap: to it a trial page is what lay there before. */
__attribute__((no_sanitize("thread"))) static int vm_try_purge(int advice)
{
	size_t bytes = vm_kernel_page_bytes();
	volatile char *page = (volatile char *)vm_mmap(NULL, bytes, VM_OPEN, 0);
	if (!page)
		return PURGE_UNKNOWN;
	int effect = PURGE_UNKNOWN;
	page[0] = 1;
	if (cairn_sys(SYS_madvise, (long)page, (long)bytes, advice, 0, 0, 0) == 0)
		effect = page[0] ? PURGE_KEEPS : PURGE_ZEROES;
	vm_unmap((void *)page, bytes);
	return effect;
}

/* Advice that was refused on the trial page decides nothing: the next purge tries again. */
static long vm_discard(void *p, size_t bytes, int advice, _Atomic int *known)
{
	int effect = atomic_load_explicit(known, memory_order_relaxed); /* relaxed: see vm_page */
	if (cairn_unlikely(effect == PURGE_UNKNOWN)) {
		effect = vm_try_purge(advice);
		if (effect == PURGE_UNKNOWN)
			return -EINVAL;
		atomic_store_explicit(known, effect, memory_order_relaxed);
	}
	return effect == PURGE_ZEROES ? vm_advise(p, bytes, advice) : -ENOSYS;
}

/* EINVAL: the range, or part of it, or under mlockall(MCL_FUTURE) the trial page, is locked. DONTNEED_LOCKED, which
 * takes locked and other pages, is Linux 5.18. */
bool cairn_vm_purge(void *p, size_t bytes)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	long r = vm_discard(p, bytes, MADV_DONTNEED, &vm_dontneed_effect);
	if (r == -EINVAL)
		r = vm_discard(p, bytes, MADV_DONTNEED_LOCKED, &vm_dontneed_locked_effect);
	return r == 0;
}

bool cairn_vm_purge_unlocked(void *p, size_t bytes)
{
	cairn_assert(vm_is_whole(p, bytes)); /* V4 */
	return vm_discard(p, bytes, MADV_DONTNEED, &vm_dontneed_effect) == 0;
}

/* ---- move ---- */

/* mremap empties `to` before it finds out that it cannot go on (no memory, `from` lies in two mappings), and may so
 * leave a hole there. The hole is closed again, unless another thread's mmap was quicker or a limit is in the way. */
static bool vm_restore(void *to, size_t bytes)
{
	return cairn_vm_is_mapped(to) || vm_map_exactly(to, bytes, VM_OPEN);
}

static bool vm_remap(void *from, void *to, size_t bytes)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	return cairn_sys(SYS_mremap, (long)from, (long)bytes, (long)bytes, flags, (long)to, 0) == (long)to;
}

/* Moves the first of two trial pages onto the second. */
static int vm_try_move(void)
{
	size_t bytes = vm_kernel_page_bytes();
	char *from = vm_mmap(NULL, 2 * bytes, VM_OPEN, 0);
	if (!from)
		return MOVE_UNKNOWN;
	char *to = from + bytes;
	int effect = MOVE_UNKNOWN;
	if (vm_remap(from, to, bytes))
		effect = cairn_vm_is_mapped(from) ? MOVE_KEEPS_SOURCE : MOVE_FORGETS_SOURCE;
	vm_unmap(from, bytes);
	if (effect != MOVE_UNKNOWN || vm_restore(to, bytes)) /* what is in a hole may be another thread's by now */
		vm_unmap(to, bytes);
	return effect;
}

/* Only where the process has no vdso, as under emulators: the trial takes a call, mincore, that a filter may kill for.
 * A move that was refused on the trial pages decides nothing: the next one tries again. */
static bool vm_can_move(void)
{
	int effect = atomic_load_explicit(&vm_move_effect, memory_order_relaxed); /* relaxed: see vm_page */
	if (cairn_unlikely(effect == MOVE_UNKNOWN)) {
		effect = cairn_sys_aux(AT_SYSINFO_EHDR, 0) ? MOVE_KEEPS_SOURCE : vm_try_move();
		if (effect == MOVE_UNKNOWN)
			return false;
		atomic_store_explicit(&vm_move_effect, effect, memory_order_relaxed);
	}
	return effect == MOVE_KEEPS_SOURCE;
}

cairn_vm_moved cairn_vm_move(void *from, void *to, size_t bytes)
{
	cairn_assert(vm_is_whole(from, bytes) && vm_is_whole(to, bytes)); /* V4 */
	if (!vm_can_move())
		return CAIRN_VM_KEPT;
	if (vm_remap(from, to, bytes))
		return CAIRN_VM_MOVED;
	return vm_restore(to, bytes) ? CAIRN_VM_KEPT : CAIRN_VM_LOST;
}

/* ---- advice and questions ---- */

bool cairn_vm_hide(void *p, size_t bytes) { return vm_advise(p, bytes, MADV_DONTDUMP) == 0; }
bool cairn_vm_show(void *p, size_t bytes) { return vm_advise(p, bytes, MADV_DODUMP) == 0; }

void cairn_vm_huge(void *p, size_t bytes) { vm_advise(p, bytes, MADV_HUGEPAGE); }
void cairn_vm_no_huge(void *p, size_t bytes) { vm_advise(p, bytes, MADV_NOHUGEPAGE); }
void cairn_vm_populate(void *p, size_t bytes) { vm_advise(p, bytes, MADV_POPULATE_WRITE); }

static long vm_mincore(const void *p, unsigned char *resident)
{
	size_t page = cairn_round_down((size_t)p, vm_kernel_page_bytes());
	return cairn_sys(SYS_mincore, (long)page, 1, (long)resident, 0, 0, 0);
}

bool cairn_vm_is_resident(void *p)
{
	unsigned char resident = 0;
	return vm_mincore(p, &resident) == 0 && (resident & 1);
}

size_t cairn_vm_resident_bytes(void *p, size_t bytes)
{
	enum { AT_ONCE = 512 };
	unsigned char resident[AT_ONCE];
	size_t page = vm_kernel_page_bytes(), pages = 0; /* mincore answers for each of the kernel's */
	for (size_t at = 0; at < bytes; at += AT_ONCE * page) {
		size_t n = bytes - at < AT_ONCE * page ? bytes - at : AT_ONCE * page;
		if (cairn_sys(SYS_mincore, (long)p + (long)at, (long)n, (long)resident, 0, 0, 0))
			return 0;
		for (size_t i = 0; i < n / page; i++)
			pages += resident[i] & 1;
	}
	return pages * page;
}

/* Where mincore is refused the answer is "yes": the caller then leaves the pointer alone. */
bool cairn_vm_is_mapped(const void *p)
{
	unsigned char resident = 0;
	return vm_mincore(p, &resident) != -ENOMEM;
}

/* status: a line a figure, in KiB. */
size_t cairn_vm_peak_rss_bytes(void)
{
	char text[1024 + 1];
	size_t n = cairn_sys_read_file("/proc/self/status", text, sizeof text - 1), kib = 0;
	text[n] = 0;
	const char *line = strstr(text, "VmHWM:");
	for (line = line ? line + 6 : ""; *line && *line != '\n'; line++)
		if (*line >= '0' && *line <= '9')
			kib = kib * 10 + (size_t)(*line - '0');
	return kib * 1024;
}

/* statm: size resident shared ..., in the kernel's pages. */
size_t cairn_vm_rss_bytes(void)
{
	char text[128];
	size_t n = cairn_sys_read_file("/proc/self/statm", text, sizeof text);
	size_t i = 0, pages = 0;
	while (i < n && text[i] != ' ')
		i++;
	for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pages = pages * 10 + (size_t)(text[i] - '0');
	return pages * vm_kernel_page_bytes();
}
