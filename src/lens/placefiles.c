/* lens/placefiles.c - what ELF files that are mapped, and threads, tell of the memory around them. See places.h.
 *
 * A file's program headers lie in its first page, which is mapped nearly always, so no file is opened: what is read is
 * what runs, in whatever namespace, and though the file was replaced since. */
#include "lens/places.h"

#include "base/bits.h"
#include "os/sys.h"
#include "wire/heapmap.h"

#include <elf.h>
#include <string.h>
#include <sys/syscall.h>

enum { FILE_HEADERS_MAX = 64, FILE_NOTES_MAX = 4096, LOADER_MAX_BYTES = 1 << 20 };
/* What of glibc's struct pthread may lie behind its list of robust mutexes; on x86-64 it is 1,568 bytes. On processors
 * whose thread-local data lies above it, that as well: only what nobody else claims is taken for it. */
enum { STACK_BEHIND_LIST_BYTES = 1568 };

typedef struct file_image {
	Elf64_Ehdr header;
	Elf64_Phdr parts[FILE_HEADERS_MAX];
	uint64_t bias;
} file_image;

/* Reading a page that is not there would bring it in: the process would have grown, and where it handles its own faults
 * (userfaultfd) it would be asked for the page, and we would wait for its answer. So what need not be read is read only
 * where it is resident. */
static bool file_page_is_there(cairn_peer *p, uint64_t at)
{
	uint64_t resident = 0, huge = 0;
	return cairn_peer_resident(p, (uintptr_t)cairn_round_down(at, p->page_bytes), 1, &resident, &huge) && resident;
}

static bool file_read(cairn_peer *p, uint64_t at, file_image *f)
{
	if (!cairn_peer_read(p, at, &f->header, sizeof f->header) || memcmp(f->header.e_ident, ELFMAG, SELFMAG) ||
		f->header.e_ident[EI_CLASS] != ELFCLASS64 || f->header.e_phentsize != sizeof f->parts[0] ||
		f->header.e_phnum > FILE_HEADERS_MAX)
		return false;
	if (!cairn_peer_read(p, at + f->header.e_phoff, f->parts, f->header.e_phnum * sizeof f->parts[0]))
		return false;
	for (unsigned i = 0; i < f->header.e_phnum; i++)
		if (f->parts[i].p_type == PT_LOAD) {
			f->bias = at - cairn_round_down(f->parts[i].p_vaddr - f->parts[i].p_offset, p->page_bytes);
			return true;
		}
	return false;
}

/* The part of a segment that is in no file: bss. The kernel maps it as anonymous memory. */
static void file_label_data(cairn_places *l, const file_image *f, const Elf64_Phdr *part, uint32_t object)
{
	size_t page = l->peer->page_bytes;
	uint64_t from = cairn_round_up(f->bias + part->p_vaddr + part->p_filesz, page);
	uint64_t to = cairn_round_up(f->bias + part->p_vaddr + part->p_memsz, page);
	cairn_places_label(l, from, to, CAIRN_PAINT_DATA, CAIRN_PLACE_DATA, object);
}

/* Two copies of the library may be there: one was preloaded, another asked for. The one that serves has a heap. */
static bool file_heap_is_used(cairn_peer *p, uint64_t heapmap)
{
	cairn_heapmap map;
	uint64_t region = 0;
	return cairn_peer_read(p, heapmap, &map, sizeof map) && map.magic == CAIRN_HEAPMAP_MAGIC &&
	       cairn_peer_read(p, (uintptr_t)map.regions, &region, sizeof region) && region;
}

/* Notes are {name bytes, contents bytes, type, name, contents}, each in multiples of 4. */
static void file_look_for_heapmap(cairn_places *l, const file_image *f, const Elf64_Phdr *part)
{
	char notes[FILE_NOTES_MAX];
	size_t bytes = part->p_memsz < sizeof notes ? part->p_memsz : sizeof notes;
	uint64_t start = f->bias + part->p_vaddr;
	if (!cairn_peer_read(l->peer, start, notes, bytes))
		return;
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= bytes;) {
		Elf64_Nhdr note;
		memcpy(&note, notes + at, sizeof note);
		size_t name = at + sizeof note, contents = name + cairn_round_up(note.n_namesz, 4);
		if (note.n_namesz > bytes || note.n_descsz > bytes || contents + note.n_descsz > bytes)
			return;
		if (note.n_namesz == 6 && !memcmp(notes + name, "cairn", 6) && note.n_type == CAIRN_HEAPMAP_NOTE &&
			note.n_descsz == 8) {
			uint64_t distance;
			memcpy(&distance, notes + contents, 8);
			uint64_t found = start + contents + distance;
			l->has_used_heap = file_heap_is_used(l->peer, found);
			if (!l->heapmap || l->has_used_heap)
				l->heapmap = found;
			return;
		}
		at = contents + cairn_round_up(note.n_descsz, 4);
	}
}

static void file_look(cairn_places *l, const cairn_vma *v)
{
	file_image f;
	if (!file_read(l->peer, v->start, &f))
		return;
	cairn_places_object(l, v->object)->is_code = true;
	for (unsigned i = 0; i < f.header.e_phnum; i++) {
		if (f.parts[i].p_type == PT_LOAD && f.parts[i].p_memsz > f.parts[i].p_filesz)
			file_label_data(l, &f, &f.parts[i], v->object);
		else if (f.parts[i].p_type == PT_NOTE && !l->has_used_heap)
			file_look_for_heapmap(l, &f, &f.parts[i]);
	}
}

/* Where the process's memory may not be read: what lies right behind a file's writable mapping is its bss. */
static void file_guess(cairn_places *l, const cairn_vma *v, const cairn_vma *next)
{
	if (v->object && v->is_writable && cairn_places_object(l, v->object)->is_code && !next->object &&
		next->start == v->end && next->is_writable)
		cairn_places_label(l, next->start, next->end, CAIRN_PAINT_LOADER, CAIRN_PLACE_DATA, v->object);
}

void cairn_places_look_at_files(cairn_places *l)
{
	const cairn_vma *v = l->vmas.items;
	for (size_t i = 0; i < l->vmas.count; i++) {
		cairn_object *o = cairn_places_object(l, v[i].object);
		if (!l->peer->has_memory) {
			if (i + 1 < l->vmas.count)
				file_guess(l, &v[i], &v[i + 1]);
			continue;
		}
		if (!v[i].object || o->name[0] != '/' || v[i].offset || !v[i].is_readable || v[i].is_shared ||
			o->is_looked_at)
			continue;
		if (!o->is_code && !file_page_is_there(l->peer, v[i].start))
			continue;
		o->is_looked_at = true;
		file_look(l, &v[i]);
	}
}

/* The kernel knows where each thread keeps its list of robust mutexes, which glibc has in the thread's own record: at
 * the top of its stack; the first thread's lies in what the loader mapped for thread-local data. */
static const cairn_vma *file_thread_record(const cairn_places *l, uint32_t thread_id, uint64_t *list)
{
	size_t bytes = 0;
	*list = 0;
	long r = cairn_sys(SYS_get_robust_list, (long)thread_id, (long)list, (long)&bytes, 0, 0, 0);
	const cairn_vma *v = r == 0 && *list ? cairn_places_at(l, *list) : NULL;
	return v && !v->object ? v : NULL;
}

bool cairn_places_stack(const cairn_places *l, uint32_t thread_id, uint64_t *start, uint64_t *end)
{
	uint64_t list;
	const cairn_vma *v = file_thread_record(l, thread_id, &list);
	if (!v || thread_id == l->peer->pid)
		return false;
	*start = v->start;
	*end = cairn_round_up(list + STACK_BEHIND_LIST_BYTES, l->peer->page_bytes);
	*end = *end < v->end ? *end : v->end;
	return true;
}

void cairn_places_label_stack(cairn_places *l, uint32_t thread_id)
{
	uint64_t list, start, end;
	const cairn_vma *v = file_thread_record(l, thread_id, &list);
	if (cairn_places_stack(l, thread_id, &start, &end)) {
		cairn_places_label(l, start, end, CAIRN_PAINT_STACK, CAIRN_PLACE_STACKS, CAIRN_NO_OBJECT);
		cairn_places_label(l, end, v->end, CAIRN_PAINT_LOADER, CAIRN_PLACE_STACKS, CAIRN_NO_OBJECT);
	} else if (v && v->end - v->start <= LOADER_MAX_BYTES) {
		cairn_places_label(l, v->start, v->end, CAIRN_PAINT_LOADER, CAIRN_PLACE_DATA, CAIRN_NO_OBJECT);
	}
}

/* Does a word of the page at `at` point to itself? In glibc's record of a thread the empty list of robust mutexes does.
 * */
static bool file_has_own_address(cairn_peer *p, uint64_t at)
{
	uint64_t words[512];
	if (!file_page_is_there(p, at) || !cairn_peer_read(p, at, words, sizeof words))
		return false;
	for (size_t i = 0; i < 512; i++)
		if (words[i] == at + i * 8)
			return true;
	return false;
}

/* A stack that libc keeps for the next thread looks like one in use: anonymous, behind a mapping without access, a
 * thread's record at its top. */
void cairn_places_label_ended(cairn_places *l)
{
	const cairn_vma *v = l->vmas.items;
	for (size_t i = 1; i < l->vmas.count && l->peer->has_memory; i++) {
		bool is_guarded = v[i - 1].end == v[i].start && !v[i - 1].object && !v[i - 1].is_readable &&
				  !v[i - 1].is_writable;
		if (v[i].object || !v[i].is_writable || v[i].is_shared || !v[i].rss_bytes || !is_guarded)
			continue;
		if (file_has_own_address(l->peer, v[i].end - 4096))
			cairn_places_label(
				l, v[i].start, v[i].end, CAIRN_PAINT_LOADER, CAIRN_PLACE_STACKS_ENDED, CAIRN_NO_OBJECT);
	}
}
