/* s42_own.h - a program with an allocator of its own: SYMBOLS of the family are exported. Every block it gives carries
 * a mark, and a free or realloc of a block without one is an error. */
#include "support.h"

/* The mark is what libc would read as a block's size, 0x5A0: its malloc_usable_size then answers nonsense, but does no
 * harm. */
enum { MARK = 0x5A1, ARENA = 64 << 20 };
static char arena[ARENA] __attribute__((aligned(4096)));
static size_t used;

typedef struct header {
	size_t bytes;
	size_t mark;
} header;

static void *bump(size_t align, size_t bytes) {
	size_t at = __atomic_load_n(&used, __ATOMIC_RELAXED), start, end;
	do {
		start = (at + sizeof(header) + align - 1) / align * align;
		end = start + (bytes + 15) / 16 * 16;
		if (end > ARENA)
			return NULL;
	} while (!__atomic_compare_exchange_n(&used, &at, end, false, __ATOMIC_SEQ_CST, 0));
	*(header *)(arena + start - sizeof(header)) = (header){ bytes, MARK };
	return arena + start;
}
static header *ours(void *p) {
	header *h = (header *)p - 1;
	bool is_inside = (char *)p > arena && (char *)p < arena + ARENA;
	CHECK_SAY(is_inside && h->mark == MARK, "the program's own free got %p", p);
	return h;
}
void *malloc(size_t bytes) { return bump(16, bytes); }
void free(void *p) {
	if (p)
		ours(p)->mark = 0;
}
void *calloc(size_t n, size_t bytes) { return bump(16, n * bytes); }
void *realloc(void *p, size_t bytes) {
	void *q = malloc(bytes);
	if (p && q) {
		memcpy(q, p, ours(p)->bytes < bytes ? ours(p)->bytes : bytes);
		free(p);
	}
	return q;
}
#if SYMBOLS >= 6
void *memalign(size_t align, size_t bytes) { return bump(align, bytes); }
int posix_memalign(void **out, size_t align, size_t bytes) {
	*out = bump(align, bytes);
	return *out ? 0 : ENOMEM;
}
#endif
#if SYMBOLS >= 8
void *aligned_alloc(size_t align, size_t bytes) { return bump(align, bytes); }
size_t malloc_usable_size(void *p) { return p ? ours(p)->bytes : 0; }
#endif

static bool is_own(void *p) { return (char *)p > arena && (char *)p < arena + ARENA; }

static void *work(void *arg) {
	for (size_t i = 1; i < 300; i++) {
		char *p = malloc(i * 10), *copy = strdup("text of some length"), *printed = NULL, *line = NULL;
		CHECK(is_own(p) && is_own(copy));
		p = reallocarray(p, i, 20); /* not exported by the program: must end in its realloc */
		CHECK(is_own(p));
		size_t usable = malloc_usable_size(p);
		CHECK_SAY(SYMBOLS < 8 || usable >= i * 20, "%zu", usable);
		CHECK(asprintf(&printed, "%zu %s", i, copy) > 0 && is_own(printed));
		FILE *f = fmemopen(copy, strlen(copy), "r");
		size_t room = 0;
		CHECK(f && getline(&line, &room, f) > 0 && is_own(line));
		fclose(f);
		free(line);
		free(printed);
		free(copy);
		free(p);
	}
	return arg;
}
int main(void) {
	work(NULL);
	pthread_t thread[4];
	for (int i = 0; i < 4; i++)
		thread[i] = thread_start(work, NULL, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
