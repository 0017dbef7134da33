/* lens/variables.c - which variable of a program or library lies at an address. See the header.
 *
 * The file is bounded before it is believed: it may have been replaced since it was loaded. */
#include "lens/variables.h"

#include "os/vm.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct variable_file {
	const char *bytes;
	size_t size;
	const ElfW(Shdr) * sections;
	size_t section_count;
} variable_file;

static bool variable_is_inside(const variable_file *f, uint64_t offset, uint64_t bytes)
{
	return offset <= f->size && bytes <= f->size - offset;
}

static bool variable_read_header(variable_file *f)
{
	const ElfW(Ehdr) *e = (const void *)f->bytes;
	if (f->size < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_shentsize != sizeof *f->sections)
		return false;
	f->sections = (const void *)(f->bytes + e->e_shoff);
	f->section_count = e->e_shnum;
	return e->e_shoff % 8 == 0 && variable_is_inside(f, e->e_shoff, f->section_count * sizeof *f->sections);
}

static bool variable_holds(const ElfW(Sym) * s, uint64_t address)
{
	return ELF64_ST_TYPE(s->st_info) == STT_OBJECT && s->st_shndx != SHN_UNDEF && address >= s->st_value &&
	       address - s->st_value < s->st_size;
}

static bool variable_in_table(
	const variable_file *f, const ElfW(Shdr) * table, uint64_t address, char *name, size_t room, size_t *offset)
{
	if (table->sh_link >= f->section_count || table->sh_offset % 8 ||
		!variable_is_inside(f, table->sh_offset, table->sh_size))
		return false;
	const ElfW(Shdr) *names = &f->sections[table->sh_link];
	if (!variable_is_inside(f, names->sh_offset, names->sh_size))
		return false;
	const ElfW(Sym) *symbols = (const void *)(f->bytes + table->sh_offset);
	for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
		if (!variable_holds(&symbols[i], address) || symbols[i].st_name >= names->sh_size)
			continue;
		const char *from = f->bytes + names->sh_offset + symbols[i].st_name;
		size_t most = names->sh_size - symbols[i].st_name, length = strnlen(from, most);
		length = length < room ? length : room - 1;
		const char *dot = memchr(from, '.', length); /* compilers number what is static in functions: top.0 */
		length = dot && dot > from ? (size_t)(dot - from) : length;
		memcpy(name, from, length);
		name[length] = 0;
		*offset = address - symbols[i].st_value;
		return length > 0;
	}
	return false;
}

static bool variable_find(variable_file *f, uint64_t address, char *name, size_t room, size_t *offset)
{
	static const ElfW(Word) kinds[] = { SHT_SYMTAB, SHT_DYNSYM };
	if (!variable_read_header(f))
		return false;
	for (unsigned kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < f->section_count; i++)
			if (f->sections[i].sh_type == kinds[kind] &&
				variable_in_table(f, &f->sections[i], address, name, room, offset))
				return true;
	return false;
}

bool cairn_variable_at(const char *path, uint64_t address, char *name, size_t room, size_t *offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat is;
	bool found = false;
	if (fd < 0)
		return false;
	if (fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_size > 0) {
		variable_file f = { .size = (size_t)is.st_size };
		void *p = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			f.bytes = p;
			found = variable_find(&f, address, name, room, offset);
			munmap(p, f.size);
		}
	}
	close(fd);
	return found;
}
