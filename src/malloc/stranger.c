/* malloc/stranger.c - telling strangers apart. The table is in stranger.h. */
#include "malloc/stranger.h"

#include "cairn/malloc.h"
#include "malloc/misuse.h"
#include "os/sys.h"
#include "os/thread.h"
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

/* glibc's own malloc, by the names that it exports beside the interposable ones. Absent in other libcs. */
extern void __libc_free(void *p) __attribute__((weak));
extern void *__libc_realloc(void *p, size_t bytes) __attribute__((weak));

typedef struct image_search {
	uintptr_t p;
	bool found;
} image_search;

static int image_has(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	image_search *search = arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		if (h->p_type == PT_LOAD && search->p - (info->dlpi_addr + h->p_vaddr) < h->p_memsz)
			search->found = true;
	}
	return search->found;
}

/* One line of /proc/self/maps: "START-END ... NAME". */
typedef struct maps_line {
	uintptr_t start, end;
	bool is_heap; /* named [heap] */
} maps_line;

static uintptr_t parse_hex(const char **s)
{
	uintptr_t n = 0;
	for (;; (*s)++) {
		unsigned digit = (unsigned)**s - '0' < 10  ? (unsigned)**s - '0'
				 : (unsigned)**s - 'a' < 6 ? (unsigned)**s - 'a' + 10
							   : 16;
		if (digit > 15)
			return n;
		n = n * 16 + digit;
	}
}

static maps_line parse_line(const char *line, size_t length)
{
	maps_line m = { 0 };
	m.start = parse_hex(&line);
	line++;
	m.end = parse_hex(&line);
	(void)length;
	m.is_heap = strstr(line, "[heap]") != NULL;
	return m;
}

/* Finds the line of /proc/self/maps that holds p. False: none, or the file cannot be read. */
static bool find_mapping(uintptr_t p, maps_line *found)
{
	char text[1024 + 1];
	long fd = cairn_sys(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0, 0, 0);
	size_t kept = 0;
	bool is_found = false;
	while (fd >= 0 && !is_found) {
		long n = cairn_sys(SYS_read, fd, (long)text + (long)kept, (long)(sizeof text - 1 - kept), 0, 0, 0);
		if (n <= 0)
			break;
		kept += (size_t)n;
		text[kept] = 0;
		char *line = text, *end;
		for (; !is_found && (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			*found = parse_line(line, (size_t)(end - line));
			is_found = p >= found->start && p < found->end;
		}
		kept = line == text && kept == sizeof text - 1
			       ? 0
			       : kept - (size_t)(line - text); /* a line too long is skipped */
		memmove(text, line, kept);
	}
	if (fd >= 0)
		cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	return is_found;
}

cairn_stranger cairn_stranger_of(const void *p)
{
	uintptr_t address = (uintptr_t)p;
	image_search search = { address, false };
	maps_line mapping;
	if (find_mapping(address, &mapping)) {
		if (mapping.is_heap)
			return CAIRN_STRANGER_LIBC;
		if ((uintptr_t)&search >= mapping.start && (uintptr_t)&search < mapping.end)
			return CAIRN_STRANGER_MISUSE; /* this thread's stack */
		if (cairn_thread_stack_has(address, mapping.end))
			return CAIRN_STRANGER_MISUSE;
	} else if (!cairn_vm_is_mapped(p)) {
		return CAIRN_STRANGER_MISUSE;
	}
	dl_iterate_phdr(image_has, &search);
	return search.found ? CAIRN_STRANGER_MISUSE : CAIRN_STRANGER_MAPPED;
}

void cairn_stranger_free(void *p, const char *who)
{
	switch (cairn_stranger_of(p)) {
	case CAIRN_STRANGER_LIBC:
		if (__libc_free)
			__libc_free(p);
		return;
	case CAIRN_STRANGER_MAPPED: cairn_misuse_left_alone(who, p); return;
	case CAIRN_STRANGER_MISUSE: cairn_misuse_not_ours(who, p);
	}
}

void *cairn_stranger_realloc(void *p, size_t bytes, const char *who)
{
	cairn_stranger kind = cairn_stranger_of(p);
	if (kind == CAIRN_STRANGER_LIBC && __libc_realloc)
		return __libc_realloc(p, bytes);
	maps_line mapping;
	if (kind != CAIRN_STRANGER_MAPPED || !find_mapping((uintptr_t)p, &mapping))
		cairn_misuse_not_ours(who, p);
	/* Its size cannot be known: what lies there up to the mapping's end is copied, and the old block left alone. */
	size_t there = mapping.end - (uintptr_t)p;
	void *to = bytes ? cairn_malloc(bytes) : NULL;
	if (to)
		memcpy(to, p, bytes < there ? bytes : there);
	if (to || !bytes)
		cairn_misuse_left_alone(who, p);
	return to;
}
