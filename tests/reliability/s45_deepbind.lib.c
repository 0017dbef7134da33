/* A library that is opened with RTLD_DEEPBIND: its malloc and free are libc's. */
#include "support.h"

char *s45_text(size_t bytes);
void *s45_large(size_t bytes);
void s45_free(void *p);

char *s45_text(size_t bytes) {
	char *p = malloc(bytes);
	memset(p, 'x', bytes - 1);
	p[bytes - 1] = 0;
	return p;
}
void *s45_large(size_t bytes) { return calloc(1, bytes); }
void s45_free(void *p) { free(p); }
