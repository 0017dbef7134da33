/* os/objects.c - what the program and its libraries were linked against, by their dynamic sections.
 *
 *   _r_debug ──▶ object ──▶ object ──▶ ...      each: relocations ──▶ symbols ──▶ names
 *
 * The loader's list is read as it stands (dl_iterate_phdr would bring 64 KiB more of libc into a small program), and
 * the relocations it has just read itself.
 *
 * Threads: see the header. Failure: an object that is not as we know it calls nothing. */
#include "os/objects.h"

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

extern struct r_debug _r_debug __attribute__((weak));
#pragma weak _DYNAMIC

typedef struct object_tables {
	const char *names;
	const ElfW(Sym) *symbols;
	const ElfW(Rela) *relocations[2]; /* of functions, and all others */
	size_t bytes[2];
	size_t relative_count; /* at the beginning of the others, without a symbol */
	size_t own_name;       /* in names; 0: none */
} object_tables;

/* The loader has added the load address, but not where the section is read-only (the kernel's vdso). */
static const void *object_at(uintptr_t load, const ElfW(Dyn) *d)
{
	return (const void *)(d->d_un.d_ptr < load ? d->d_un.d_ptr + load : d->d_un.d_ptr);
}

static bool object_read(const void *dynamic, uintptr_t load, object_tables *t)
{
	*t = (object_tables){ 0 };
	for (const ElfW(Dyn) *d = dynamic; d && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_STRTAB: t->names = object_at(load, d); break;
		case DT_SYMTAB: t->symbols = object_at(load, d); break;
		case DT_JMPREL: t->relocations[0] = object_at(load, d); break;
		case DT_PLTRELSZ: t->bytes[0] = d->d_un.d_val; break;
		case DT_RELA: t->relocations[1] = object_at(load, d); break;
		case DT_RELASZ: t->bytes[1] = d->d_un.d_val; break;
		case DT_RELACOUNT: t->relative_count = d->d_un.d_val; break;
		case DT_SONAME: t->own_name = d->d_un.d_val; break;
		case DT_PLTREL:
			if (d->d_un.d_val != DT_RELA)
				return false;
			break;
		default: break;
		}
	}
	return t->names && t->symbols;
}

/* Not strcmp: a sanitizer's takes its place in programs that clang made for one, and is not ready this early. */
static bool is_same(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

static unsigned which_of(const char *name, const char *const names[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(name, names[i]))
			return 1u << i;
	return 0;
}

static bool is_runtime(const char *name)
{
	static const char *const runtimes[] = { "linux-vdso", "ld-linux", "libc.so", "libpthread", "libstdc++",
		"libgcc_s", "libcairn" };
	for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++)
		if (strncmp(name, runtimes[i], strlen(runtimes[i])) == 0)
			return true;
	return false;
}

unsigned cairn_object_calls(const void *dynamic, uintptr_t load, const char *const names[], size_t count)
{
	object_tables t;
	unsigned called = 0;
	if (!object_read(dynamic, load, &t) || (t.own_name && is_runtime(t.names + t.own_name)))
		return 0;
	for (int table = 0; table < 2; table++) {
		size_t n = t.relocations[table] ? t.bytes[table] / sizeof(ElfW(Rela)) : 0;
		for (size_t i = table ? t.relative_count : 0; i < n; i++) {
			size_t symbol = ELF64_R_SYM(t.relocations[table][i].r_info);
			if (symbol)
				called |= which_of(t.names + t.symbols[symbol].st_name, names, count);
		}
	}
	return called;
}

unsigned cairn_objects_call(const char *const names[], size_t count)
{
	const struct link_map *object = &_r_debug ? _r_debug.r_map : NULL;
	unsigned called = 0;
	for (; object; object = object->l_next)
		if (object->l_ld != _DYNAMIC)
			called |= cairn_object_calls(object->l_ld, object->l_addr, names, count);
	return called;
}
