/* cli/elfread.c - a small ELF reader. See elfread.h.
 *
 * Invariants:
 *   (E1) Nothing outside [file, file + bytes) is read: every access goes through elf_copy or elf_text_is.
 *   (E2) Every loop ends: counts from the file are bounded by how many entries the file has room for.
 *
 * Symbols are looked up in the dynamic symbol table as the dynamic linker does it, through the GNU or the old hash
 * table; names inside (jemalloc's je_malloc) are searched for in the full symbol table, where it was not stripped.
 *
 * Failure: a file that breaks its own rules is_damaged; what was found until then stands. */
#include "elfread.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>

#if defined __x86_64__
enum { ELF_MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { ELF_MACHINE = EM_AARCH64 };
#else
#error "cairn knows x86-64 and aarch64"
#endif

enum { ELF_HEADERS_MAX = 4096, ELF_DYNAMIC_MAX = 65536, ELF_CHAIN_MAX = 1 << 20 };

typedef struct elf_view {
	const unsigned char *file;
	uint64_t bytes;
	cairn_elf_facts *facts;
	Elf64_Ehdr header;
	uint64_t symbols, strings, strings_bytes; /* dynamic tables: file offsets */
	uint64_t gnu_hash, old_hash;              /* file offsets; 0 none */
} elf_view;

static bool elf_copy(elf_view *e, void *to, uint64_t offset, uint64_t n)
{
	if (offset > e->bytes || n > e->bytes - offset) {
		e->facts->is_damaged = true;
		return false;
	}
	memcpy(to, e->file + offset, n);
	return true;
}

/* Is this text at the offset, its end included unless only a beginning is asked for? */
static bool elf_text_is(elf_view *e, uint64_t offset, const char *text, bool is_beginning)
{
	size_t n = strlen(text) + !is_beginning;
	return offset < e->bytes && n <= e->bytes - offset && !memcmp(e->file + offset, text, n);
}

static uint32_t elf_word(elf_view *e, uint64_t offset)
{
	uint32_t w = 0;
	elf_copy(e, &w, offset, sizeof w);
	return w;
}

static bool elf_segment(elf_view *e, unsigned i, Elf64_Phdr *p)
{
	return i < e->header.e_phnum && i < ELF_HEADERS_MAX && e->header.e_phentsize == sizeof *p &&
	       e->header.e_phoff <= e->bytes && elf_copy(e, p, e->header.e_phoff + i * sizeof *p, sizeof *p);
}

/* Where in the file the loaded program's address is; 0, which is the ELF header, when it is nowhere. */
static uint64_t elf_offset_of(elf_view *e, uint64_t address)
{
	Elf64_Phdr p;
	for (unsigned i = 0; elf_segment(e, i, &p); i++)
		if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
			return p.p_offset + (address - p.p_vaddr);
	return 0;
}

/* Names that tell a sanitizer, or an allocator that goes by another name than malloc. */
static const char *const elf_telling[][3] = {
	{ "__asan_init", "AddressSanitizer", NULL }, { "__tsan_init", "ThreadSanitizer", NULL },
	{ "__msan_init", "MemorySanitizer", NULL },  { "__hwasan_init", "HWAddressSanitizer", NULL },
	{ "__lsan_init", "LeakSanitizer", NULL },    { "je_malloc", NULL, "jemalloc" },
	{ "_rjem_malloc", NULL, "jemalloc" },        { "_rjem_mallocx", NULL, "jemalloc" },
	{ "tc_malloc", NULL, "tcmalloc" },           { "TCMallocInternalMalloc", NULL, "tcmalloc" },
	{ "mi_malloc", NULL, "mimalloc" },           { "mi_heap_malloc", NULL, "mimalloc" },
	{ "rpmalloc", NULL, "rpmalloc" },
};
enum { ELF_TELLING = sizeof elf_telling / sizeof *elf_telling };

static void elf_set(char *to, size_t room, const char *text)
{
	size_t n = strnlen(text, room - 1);
	memcpy(to, text, n);
	to[n] = 0;
}

static void elf_told(elf_view *e, size_t i)
{
	if (elf_telling[i][1])
		elf_set(e->facts->sanitizer, sizeof e->facts->sanitizer, elf_telling[i][1]);
	else
		elf_set(e->facts->allocator, sizeof e->facts->allocator, elf_telling[i][2]);
}

/* Is this symbol defined here, under that name? */
static bool elf_symbol_is(elf_view *e, uint64_t i, const char *name)
{
	Elf64_Sym s;
	if (!elf_copy(e, &s, e->symbols + i * sizeof s, sizeof s) || s.st_shndx == SHN_UNDEF)
		return false;
	return ELF64_ST_BIND(s.st_info) != STB_LOCAL && s.st_name < e->strings_bytes &&
	       elf_text_is(e, e->strings + s.st_name, name, false);
}

static bool elf_find_gnu(elf_view *e, const char *name)
{
	uint32_t h = 5381, table[4];
	for (const char *s = name; *s; s++)
		h = h * 33 + (unsigned char)*s;
	if (!elf_copy(e, table, e->gnu_hash, sizeof table) || !table[0])
		return false;
	uint64_t buckets = e->gnu_hash + sizeof table + (uint64_t)table[2] * 8;
	uint64_t chains = buckets + (uint64_t)table[0] * 4;
	uint64_t i = elf_word(e, buckets + (uint64_t)(h % table[0]) * 4);
	for (unsigned n = 0; i >= table[1] && n < ELF_CHAIN_MAX && !e->facts->is_damaged; n++, i++) {
		uint32_t hash = elf_word(e, chains + (i - table[1]) * 4);
		if ((hash | 1) == (h | 1) && elf_symbol_is(e, i, name))
			return true;
		if (hash & 1)
			break;
	}
	return false;
}

static bool elf_find_old(elf_view *e, const char *name)
{
	uint32_t h = 0, table[2];
	for (const char *s = name; *s; s++) {
		h = (h << 4) + (unsigned char)*s;
		h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
	}
	if (!elf_copy(e, table, e->old_hash, sizeof table) || !table[0])
		return false;
	uint64_t buckets = e->old_hash + sizeof table, chains = buckets + (uint64_t)table[0] * 4;
	uint64_t i = elf_word(e, buckets + (uint64_t)(h % table[0]) * 4);
	for (unsigned n = 0; i && n < ELF_CHAIN_MAX && !e->facts->is_damaged; n++) {
		if (elf_symbol_is(e, i, name))
			return true;
		i = elf_word(e, chains + i * 4);
	}
	return false;
}

static bool elf_exports(elf_view *e, const char *name)
{
	if (!e->symbols || !e->strings)
		return false;
	return e->gnu_hash ? elf_find_gnu(e, name) : e->old_hash && elf_find_old(e, name);
}

static void elf_check_needed(elf_view *e, uint64_t library)
{
	static const char *const known[][2] = {
		{ "libasan.so", "AddressSanitizer" }, { "libclang_rt.asan", "AddressSanitizer" },
		{ "libtsan.so", "ThreadSanitizer" }, { "libclang_rt.tsan", "ThreadSanitizer" },
		{ "liblsan.so", "LeakSanitizer" }, { "libhwasan.so", "HWAddressSanitizer" },
		{ "libclang_rt.hwasan", "HWAddressSanitizer" },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (elf_text_is(e, library, known[i][0], true))
			elf_set(e->facts->sanitizer, sizeof e->facts->sanitizer, known[i][1]);
}

/* Two passes over the dynamic section: the tables first, for the names of needed libraries are in one of them. */
static void elf_read_dynamic(elf_view *e, const Elf64_Phdr *segment, bool is_second)
{
	uint64_t count = segment->p_filesz / sizeof(Elf64_Dyn);
	Elf64_Dyn d;
	for (uint64_t i = 0; i < count && i < ELF_DYNAMIC_MAX; i++) {
		if (!elf_copy(e, &d, segment->p_offset + i * sizeof d, sizeof d) || d.d_tag == DT_NULL)
			return;
		if (is_second && d.d_tag == DT_NEEDED && e->strings && d.d_un.d_val < e->strings_bytes)
			elf_check_needed(e, e->strings + d.d_un.d_val);
		if (is_second)
			continue;
		switch (d.d_tag) {
		case DT_SYMTAB: e->symbols = elf_offset_of(e, d.d_un.d_ptr); break;
		case DT_STRTAB: e->strings = elf_offset_of(e, d.d_un.d_ptr); break;
		case DT_STRSZ: e->strings_bytes = d.d_un.d_val; break;
		case DT_GNU_HASH: e->gnu_hash = elf_offset_of(e, d.d_un.d_ptr); break;
		case DT_HASH: e->old_hash = elf_offset_of(e, d.d_un.d_ptr); break;
		default: break;
		}
	}
}

static void elf_read_segments(elf_view *e)
{
	Elf64_Phdr p;
	e->facts->is_static = true;
	for (unsigned i = 0; elf_segment(e, i, &p); i++) {
		if (p.p_type == PT_INTERP) {
			size_t n = p.p_filesz < CAIRN_ELF_TEXT ? p.p_filesz : CAIRN_ELF_TEXT - 1;
			e->facts->is_static = false;
			if (elf_copy(e, e->facts->interpreter, p.p_offset, n))
				e->facts->interpreter[n] = 0;
		} else if (p.p_type == PT_DYNAMIC) {
			elf_read_dynamic(e, &p, false);
			elf_read_dynamic(e, &p, true);
		}
	}
}

static void elf_check_exports(elf_view *e)
{
	for (size_t i = 0; i < ELF_TELLING; i++)
		if (elf_exports(e, elf_telling[i][0]))
			elf_told(e, i);
	e->facts->has_malloc = elf_exports(e, "malloc");
}

/* Functions defined in the full symbol table; the section's link names its texts. */
static void elf_read_symbol_table(elf_view *e, const Elf64_Shdr *table)
{
	Elf64_Shdr texts;
	if (table->sh_link >= e->header.e_shnum ||
	    !elf_copy(e, &texts, e->header.e_shoff + table->sh_link * sizeof texts, sizeof texts))
		return;
	for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym s;
		if (!elf_copy(e, &s, table->sh_offset + i * sizeof s, sizeof s))
			return;
		if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_shndx == SHN_UNDEF || s.st_name >= texts.sh_size)
			continue;
		for (size_t k = 0; k < ELF_TELLING; k++)
			if (elf_text_is(e, texts.sh_offset + s.st_name, elf_telling[k][0], false))
				elf_told(e, k);
	}
}

static void elf_read_sections(elf_view *e)
{
	Elf64_Shdr s;
	if (e->header.e_shentsize != sizeof s || e->header.e_shoff > e->bytes)
		return;
	for (unsigned i = 0; i < e->header.e_shnum && i < ELF_HEADERS_MAX; i++) {
		if (!elf_copy(e, &s, e->header.e_shoff + i * sizeof s, sizeof s))
			return;
		if (s.sh_type == SHT_SYMTAB) {
			elf_read_symbol_table(e, &s);
			return;
		}
	}
}

void cairn_elf_read(cairn_elf_facts *facts, const void *file, size_t bytes)
{
	elf_view e = { .file = file, .bytes = bytes, .facts = facts };
	memset(facts, 0, sizeof *facts);
	if (bytes < EI_NIDENT || memcmp(file, ELFMAG, SELFMAG))
		return;
	facts->is_elf = true;
	const unsigned char *ident = file;
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
		return;
	if (!elf_copy(&e, &e.header, 0, sizeof e.header))
		return;
	facts->is_native = e.header.e_machine == ELF_MACHINE;
	if (!facts->is_native)
		return;
	elf_read_segments(&e);
	elf_check_exports(&e);
	elf_read_sections(&e);
}
