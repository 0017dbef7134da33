/* EXPECT abort "cairn: free: belongs to a managed heap, which frees it: 0x.. (PROGRAM)" */
/* External bytes of a managed object: at the call. The program is not linked with the library that it runs on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

int main(void)
{
	void *(*open_heap)(const void *), *(*attach)(void *), *(*new_bytes)(void *, size_t, bool);
	*(void **)&open_heap = dlsym(RTLD_DEFAULT, "cairn_gc_open");
	*(void **)&attach = dlsym(RTLD_DEFAULT, "cairn_gc_attach");
	*(void **)&new_bytes = dlsym(RTLD_DEFAULT, "cairn_gc_new_bytes_");
	void *(*external)(void *, void *, size_t);
	*(void **)&external = dlsym(RTLD_DEFAULT, "cairn_gc_external");
	void *m = attach(open_heap(NULL)), *volatile object = new_bytes(m, 100, true);
	free(external(m, object, 100000));
	_Exit(0);
}
