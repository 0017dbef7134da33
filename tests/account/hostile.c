/* hostile.c - a process on cairn that falsifies the records by which it is read from outside, and then stays.
 *
 *   account-hostile random SEED EACH | cycle | caches | classes | chunks | table | names
 *
 * "random" writes random bytes over all resident memory that is cairn's or anonymous, one word of EACH. The others
 * leave the way to the records alone and make one kind of them as bad as they can. After that only system calls are
 * made. */
#include "known.h"

#include "malloc/outside.h"
#include "malloc/threads.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static __thread int in_thread_local_data;
static char maps[1 << 18];
static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Something for cairn to write down: blocks of all kinds, live and freed, by way of a thread cache and without one. */
static void allocate(void)
{
	static void *block[20000];
	for (size_t i = 0; i < 20000; i++)
		block[i] = keep(malloc(16 + i * 31 % 3000), 16);
	for (size_t i = 0; i < 20000; i += 3)
		free(block[i]);
	for (size_t i = 0; i < 20; i++)
		keep(malloc(100000 << i % 6), 4096);
}

static void writable(void *at, size_t bytes)
{
	uintptr_t start = (uintptr_t)at / KNOWN_PAGE * KNOWN_PAGE, end = (uintptr_t)at + bytes;
	if (mprotect((void *)start, end - start, PROT_READ | PROT_WRITE))
		_exit(4);
}

static void spoil_page(char *page, size_t each)
{
	for (size_t i = 0; i < KNOWN_PAGE / 8; i++)
		if (draw() % each == 0) {
			uint64_t n = draw();
			n = n % 3 == 0 ? n : n % 3 == 1 ? n >> n % 64 : ((uint64_t *)page)[i] ^ 1ull << n % 64;
			((uint64_t *)page)[i] = n;
		}
}

static void spoil(uintptr_t start, uintptr_t end, size_t each)
{
	uintptr_t own[] = { (uintptr_t)maps, (uintptr_t)&in_thread_local_data, (uintptr_t)&start };
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (start <= own[i] && own[i] < end)
			return;
	for (uintptr_t at = start; at < end; at += KNOWN_PAGE) {
		unsigned char is_there = 0;
		if (syscall(SYS_mincore, at, KNOWN_PAGE, &is_there) == 0 && is_there & 1)
			spoil_page((char *)at, each);
	}
}

static uintptr_t hex(const char **s)
{
	uintptr_t n = 0;
	for (;; (*s)++)
		if (**s >= '0' && **s <= '9')
			n = n * 16 + (uintptr_t)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			n = n * 16 + (uintptr_t)(**s - 'a' + 10);
		else
			return n;
}

/* What names no file, or names libcairn: "start-end rw-p offset device inode name". */
static void at_random(size_t each)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	for (ssize_t used = 0, n; (n = read(fd, maps + used, sizeof maps - 1 - (size_t)used)) > 0;)
		used += n;
	for (const char *line = maps, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *s = line, *name = memchr(line, '/', (size_t)(end - line));
		uintptr_t from = hex(&s);
		s++;
		uintptr_t to = hex(&s);
		bool is_cairn = name && memmem(name, (size_t)(end - name), "libcairn", 8);
		bool is_anonymous = !name && !memchr(line, '[', (size_t)(end - line));
		if (!strncmp(s, " rw-p", 5) && (is_cairn || is_anonymous))
			spoil(from, to, each);
	}
}

/* ---- by way of the note ---- */

static int find_map(struct dl_phdr_info *image, size_t bytes, void *to)
{
	(void)bytes;
	for (int i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &image->dlpi_phdr[i];
		const char *at = (const char *)(image->dlpi_addr + part->p_vaddr), *end = at + part->p_memsz;
		while (part->p_type == PT_NOTE && at < end) {
			const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
			const char *name = at + sizeof *note, *contents = name + (note->n_namesz + 3) / 4 * 4;
			if (note->n_namesz == 6 && !memcmp(name, "cairn", 6)) {
				uint64_t distance;
				memcpy(&distance, contents, 8);
				*(cairn_heapmap **)to = (cairn_heapmap *)(contents + distance);
				return 1;
			}
			at = contents + (note->n_descsz + 3) / 4 * 4;
		}
	}
	return 0;
}

static cairn_heapmap *the_map(void)
{
	cairn_heapmap *map = NULL;
	dl_iterate_phdr(find_map, &map);
	if (!map)
		_exit(5);
	writable(map, sizeof *map);
	return map;
}

static void *pages_of(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Regions that lead to themselves, each of the whole heap. */
static void cycle(void)
{
	cairn_page_region *r = *(cairn_page_region **)the_map()->regions;
	r->next = r;
	r->open_end = r->end;
}

/* All caches there can be, each the same one, all of whose magazines are full. */
static void caches(void)
{
	enum { SLOTS = 65535 };
	cairn_heapmap *map = the_map();
	char *group = pages_of(2 * CAIRN_CACHES_TOGETHER * CAIRN_CACHE_BYTES);
	uint64_t *slots = pages_of(SLOTS * 8), *leaf = pages_of(CAIRN_CACHE_LEAF_GROUPS * 8), *leaves = pages_of(4096);
	uint32_t *count = pages_of(4096);
	for (size_t i = 0; i < SLOTS; i++)
		slots[i] = draw();
	for (size_t i = 0; i < CAIRN_CACHES_TOGETHER; i++) {
		cairn_cache *c = (cairn_cache *)(group + i * CAIRN_CACHE_BYTES);
		for (size_t k = 1; k < CAIRN_CLASS_COUNT; k++) {
			c->cold[k].base = (void **)slots;
			c->cold[k].capacity = SLOTS;
			c->magazine[k].top = (void **)(slots + SLOTS);
		}
	}
	for (size_t i = 0; i < CAIRN_CACHE_LEAF_GROUPS; i++)
		leaf[i] = (uintptr_t)group;
	for (size_t i = 0; i < CAIRN_CACHE_LEAVES; i++)
		leaves[i] = (uintptr_t)leaf;
	*count = UINT32_MAX;
	map->cache_leaves = leaves;
	map->cache_count = count;
}

static void classes(void)
{
	cairn_heapmap *map = the_map();
	cairn_class *k = pages_of(sizeof(cairn_class) * CAIRN_CLASS_COUNT);
	memcpy(k, map->classes, sizeof(cairn_class) * CAIRN_CLASS_COUNT);
	for (size_t i = 1; i < CAIRN_CLASS_COUNT; i++) {
		k[i].bytes = i % 4 == 0 ? 0 : i % 4 == 1 ? UINT32_MAX : 16;
		k[i].granules = i % 3 ? 128 : 65535;
		k[i].capacity = i % 5 ? 4096 : 65535;
	}
	map->classes = k;
}

/* Every chunk's granules are spans of lengths that cannot be. */
static void chunks(void)
{
	cairn_page_region *r = *(cairn_page_region **)the_map()->regions;
	size_t count = (r->open_end - r->start) / CAIRN_CHUNK_BYTES;
	cairn_chunk *c = r->window->chunks + (r->start - r->window->base) / CAIRN_CHUNK_BYTES;
	for (size_t i = 0; i < count; i++) {
		c[i].lead = (uint32_t)draw();
		c[i].lead_granules = (uint8_t)draw();
		memset(c[i].back, 0, sizeof c[i].back);
		memset(&c[i].free, 0, sizeof c[i].free);
		for (size_t g = 0; c[i].spans && g < CAIRN_CHUNK_GRANULES; g++) {
			cairn_span *s = &c[i].spans[g];
			s->kind = (uint8_t)(draw() % 7);
			s->size_class = (uint8_t)draw();
			s->large_granules = draw() >> draw() % 64;
			s->large_bytes = s->large_granules * 16384 - draw() % 3;
		}
	}
}

static void table(void)
{
	cairn_mappings_table *t = pages_of(4096);
	cairn_mapping *entries = pages_of(64 << 20);
	for (size_t i = 0; i < (64 << 20) / sizeof *entries; i++)
		entries[i] = (cairn_mapping){ draw() >> 17, draw() >> 17, draw() >> 17, draw() };
	*t = (cairn_mappings_table){
		.entries = entries, .capacity = (size_t)1 << 58, .count = SIZE_MAX, .sequence = 1
	};
	the_map()->mappings = t;
}

static void names(void) { prctl(PR_SET_NAME, "\"\\),\n\x1b[31m\xff\xc3"); }

static __attribute__((noreturn)) void stay(void)
{
	syscall(SYS_write, 1, "ready\n", 6);
	for (;;)
		syscall(SYS_pause);
}

int main(int argc, char **argv)
{
	const known_kind kinds[] = {
		{ "cycle", cycle }, { "caches", caches }, { "classes", classes }, { "chunks", chunks },
		{ "table", table }, { "names", names }, { NULL, NULL },
	};
	state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2654435761u + 1 : 88172645463325252ull;
	size_t each = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	in_thread_local_data = argc;
	allocate();
	if (argc > 1 && !strcmp(argv[1], "random"))
		at_random(each);
	for (const known_kind *k = kinds; argc > 1 && k->name; k++)
		if (!strcmp(argv[1], k->name))
			k->make();
	stay();
}
