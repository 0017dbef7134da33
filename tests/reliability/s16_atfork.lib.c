/* A library whose fork handlers allocate in all three phases. */
#include "support.h"

static void use(void) {
	for (size_t i = 1; i < 200; i++)
		free(malloc(i * i));
	free(calloc(1, 2 * MIB));
}
__attribute__((constructor)) static void begin(void) { pthread_atfork(use, use, use); }
