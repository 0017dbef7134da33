/* os/clock.c - time since boot, read in user space by the kernel's own code (the vDSO), which is found here.
 *
 * Not through libc's clock_gettime: that name may be another's (a sanitizer wraps it, and its wrapper is not ready when
 * malloc is first called). Where there is no vDSO (valgrind hides it) the system call is made.
 *
 * Failure: none; a kernel without the coarse clock does not exist for us. Threads: any; the look-up is idempotent. */
#include "os/clock.h"
#include "os/sys.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
#define CLOCK_VDSO_NAME "__vdso_clock_gettime"
#else
#define CLOCK_VDSO_NAME "__kernel_clock_gettime"
#endif

typedef int clock_function(clockid_t id, struct timespec *t);

/* The parts of the vDSO's dynamic section that a look-up needs. */
typedef struct vdso_tables {
	const char *base; /* what its addresses are relative to */
	const Elf64_Sym *symbols;
	const char *strings;
	const uint32_t *hash, *gnu_hash;
} vdso_tables;

static vdso_tables vdso_read(const Elf64_Ehdr *e)
{
	vdso_tables t = { 0 };
	const Elf64_Phdr *p = (const Elf64_Phdr *)((const char *)e + e->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD && !t.base)
			t.base = (const char *)e + p[i].p_offset - p[i].p_vaddr;
		if (p[i].p_type == PT_DYNAMIC)
			dynamic = (const Elf64_Dyn *)((const char *)e + p[i].p_offset);
	}
	for (; dynamic && t.base && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *at = t.base + dynamic->d_un.d_ptr;
		if (dynamic->d_tag == DT_SYMTAB)
			t.symbols = at;
		else if (dynamic->d_tag == DT_STRTAB)
			t.strings = at;
		else if (dynamic->d_tag == DT_HASH)
			t.hash = at;
		else if (dynamic->d_tag == DT_GNU_HASH)
			t.gnu_hash = at;
	}
	return t;
}

/* Symbols in the table: DT_HASH says it; a GNU hash table is walked to its last chain's end. */
static uint32_t vdso_symbol_count(const vdso_tables *t)
{
	if (t->hash)
		return t->hash[1];
	if (!t->gnu_hash)
		return 0;
	uint32_t bucket_count = t->gnu_hash[0], first = t->gnu_hash[1], bloom_words = t->gnu_hash[2], last = 0;
	const uint32_t *buckets = t->gnu_hash + 4 + 2 * bloom_words, *chains = buckets + bucket_count;
	for (uint32_t i = 0; i < bucket_count; i++)
		last = buckets[i] > last ? buckets[i] : last;
	if (last < first)
		return 0;
	while (!(chains[last - first] & 1))
		last++;
	return last + 1;
}

static clock_function *vdso_clock(void)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)cairn_sys_aux(AT_SYSINFO_EHDR, 0);
	if (!e)
		return NULL;
	vdso_tables t = vdso_read(e);
	if (!t.symbols || !t.strings)
		return NULL;
	for (uint32_t i = 0, n = vdso_symbol_count(&t); i < n; i++)
		if (t.symbols[i].st_value && !strcmp(t.strings + t.symbols[i].st_name, CLOCK_VDSO_NAME))
			return (clock_function *)(uintptr_t)(t.base + t.symbols[i].st_value);
	return NULL;
}

/* The system call in the vDSO's shape. */
static int clock_by_kernel(clockid_t id, struct timespec *t)
{
	return (int)cairn_sys(SYS_clock_gettime, id, (long)t, 0, 0, 0, 0);
}

static uint64_t clock_read_ns(clockid_t id)
{
	static clock_function
		*found; /* sync: atomic, relaxed: every thread finds the same, and nothing else is published */
	clock_function *read = __atomic_load_n(&found, __ATOMIC_RELAXED); /* see above */
	if (!read) {
		read = vdso_clock();
		read = read ? read : clock_by_kernel;
		__atomic_store_n(&found, read, __ATOMIC_RELAXED); /* see above */
	}
	struct timespec t = { 0, 0 };
	read(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cairn_clock_coarse_ns(void) { return clock_read_ns(CLOCK_MONOTONIC_COARSE); }
uint64_t cairn_clock_fine_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
uint64_t cairn_clock_thread_ns(void) { return clock_read_ns(CLOCK_THREAD_CPUTIME_ID); }
