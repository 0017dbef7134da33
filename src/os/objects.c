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
} object_tables;

/* The loader has added the load address, but not where the section is read-only (the kernel's vdso). */
static const void *object_at(const struct link_map *object, const ElfW(Dyn) *d)
{
	return (const void *)(d->d_un.d_ptr < object->l_addr ? d->d_un.d_ptr + object->l_addr : d->d_un.d_ptr);
}

static bool object_read(const struct link_map *object, object_tables *t)
{
	*t = (object_tables){ 0 };
	for (const ElfW(Dyn) *d = object->l_ld; d && d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_STRTAB: t->names = object_at(object, d); break;
		case DT_SYMTAB: t->symbols = object_at(object, d); break;
		case DT_JMPREL: t->relocations[0] = object_at(object, d); break;
		case DT_PLTRELSZ: t->bytes[0] = d->d_un.d_val; break;
		case DT_RELA: t->relocations[1] = object_at(object, d); break;
		case DT_RELASZ: t->bytes[1] = d->d_un.d_val; break;
		case DT_RELACOUNT: t->relative_count = d->d_un.d_val; break;
		case DT_PLTREL:
			if (d->d_un.d_val != DT_RELA)
				return false;
			break;
		default: break;
		}
	}
	return t->names && t->symbols;
}

static bool object_calls(const struct link_map *object, const char *name)
{
	object_tables t;
	if (!object_read(object, &t))
		return false;
	for (int table = 0; table < 2; table++) {
		size_t count = t.relocations[table] ? t.bytes[table] / sizeof(ElfW(Rela)) : 0;
		for (size_t i = table ? t.relative_count : 0; i < count; i++) {
			size_t symbol = ELF64_R_SYM(t.relocations[table][i].r_info);
			if (symbol && !strcmp(t.names + t.symbols[symbol].st_name, name))
				return true;
		}
	}
	return false;
}

bool cairn_objects_call(const char *name)
{
	const struct link_map *object = &_r_debug ? _r_debug.r_map : NULL;
	for (; object; object = object->l_next)
		if (object->l_ld != _DYNAMIC && object_calls(object, name))
			return true;
	return false;
}
