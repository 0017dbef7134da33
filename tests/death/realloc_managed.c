/* EXPECT abort "cairn: realloc: belongs to a managed heap, which frees it: 0x.. (PROGRAM)" */
/* An object of a managed heap given to realloc. */
#include <cairn/gc.h>
#include <dlfcn.h>
#include <stdlib.h>

#define CAIRN(name) ((__typeof__(name) *)dlsym(RTLD_DEFAULT, #name)) /* libc has none of these */

int main(void)
{
	cairn_gc_heap *h = CAIRN(cairn_gc_open)(NULL);
	cairn_gc_mutator *m = CAIRN(cairn_gc_attach)(h);
	char *volatile p = CAIRN(cairn_gc_new_bytes_)(m, 100, false);
	p = realloc(p, 500);
	return 0;
}
