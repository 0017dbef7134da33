/* os/sandbox.c - looks through what the loaded images import. See sandbox.h. */
#include "os/sandbox.h"

#include <link.h>
#include <stdint.h>
#include <string.h>

typedef struct image_tables {
	const ElfW(Sym) * symbols;
	const char *names;
	const uint32_t *gnu_hash; /* buckets, index of the first symbol that is defined here, ... */
	const uint32_t *hash;     /* buckets, symbols, ... */
	size_t own_name;          /* in names; 0: none */
} image_tables;

/* Most dynamic linkers have turned these offsets into addresses, some leave them. */
static const void *image_address(const struct dl_phdr_info *info, ElfW(Addr) value)
{
	return (const void *)(value < info->dlpi_addr ? value + info->dlpi_addr : value);
}

static bool image_find_tables(const struct dl_phdr_info *info, image_tables *t)
{
	*t = (image_tables){ 0 };
	const ElfW(Dyn) *d = NULL;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			t->symbols = image_address(info, d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB)
			t->names = image_address(info, d->d_un.d_ptr);
		else if (d->d_tag == DT_GNU_HASH)
			t->gnu_hash = image_address(info, d->d_un.d_ptr);
		else if (d->d_tag == DT_HASH)
			t->hash = image_address(info, d->d_un.d_ptr);
		else if (d->d_tag == DT_SONAME)
			t->own_name = d->d_un.d_val;
	}
	return t->symbols && t->names;
}

/* How many symbols may be imported: with a GNU hash they stand before those that are defined. */
static size_t image_import_count(const image_tables *t)
{
	return t->gnu_hash ? t->gnu_hash[1] : t->hash ? t->hash[1] : 0;
}

static bool is_runtime(const image_tables *t)
{
	static const char *const runtimes[] = { "linux-vdso", "ld-linux", "libc.so", "libpthread", "libstdc++",
		"libgcc_s", "libcairn" };
	for (size_t i = 0; t->own_name && i < sizeof runtimes / sizeof runtimes[0]; i++)
		if (strncmp(t->names + t->own_name, runtimes[i], strlen(runtimes[i])) == 0)
			return true;
	return false;
}

static int image_can_filter(struct dl_phdr_info *info, size_t size, void *unused)
{
	static const char *const calls[] = { "prctl", "seccomp", "syscall", "seccomp_load" };
	(void)size, (void)unused;
	image_tables t;
	/* The kernel's own image comes as it lies in the file, and its tables may not be where they say. */
	if (!info->dlpi_name || strstr(info->dlpi_name, "vdso") || !image_find_tables(info, &t) || is_runtime(&t))
		return 0;
	for (size_t i = 1, n = image_import_count(&t); i < n; i++)
		for (size_t c = 0; t.symbols[i].st_shndx == SHN_UNDEF && c < sizeof calls / sizeof calls[0]; c++)
			if (strcmp(t.names + t.symbols[i].st_name, calls[c]) == 0)
				return 1;
	return 0;
}

bool cairn_sandbox_is_possible(void) { return dl_iterate_phdr(image_can_filter, NULL) != 0; }
