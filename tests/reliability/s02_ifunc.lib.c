/* A library whose exported function is chosen by a resolver that allocates. */
#include "support.h"

int s02_picked(void);
void *s02_early(void);

static void *early;
static int picked(void) { return 42; }

static int (*pick(void))(void) __attribute__((used));
static int (*pick(void))(void) {
	early = malloc(100);
	void *other = calloc(1, 5000);
	free(other);
	return early && other ? picked : NULL;
}
int s02_picked(void) __attribute__((ifunc("pick")));
void *s02_early(void) { return early; }
