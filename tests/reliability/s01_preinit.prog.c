/* Calls malloc, calloc, realloc and free from .preinit_array: no constructor of any library has run. */
#include "support.h"

static unsigned char *early[200];

static void before_everything(int argc, char **argv, char **env) {
	(void)argc, (void)argv, (void)env;
	for (size_t i = 0; i < 200; i++) {
		early[i] = i % 2 ? malloc(1 + i * i) : calloc(1 + i * i, 1);
		CHECK(early[i]);
		early[i] = realloc(early[i], 10 + 2 * i * i);
		CHECK(early[i]);
		memset(early[i], (int)i, 10 + 2 * i * i);
	}
	for (size_t i = 0; i < 200; i += 3) {
		free(early[i]);
		early[i] = NULL;
	}
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **, char **) = before_everything;

int main(void) {
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; early[i] && k < 10 + 2 * i * i; k++)
			CHECK(early[i][k] == (unsigned char)i);
	for (size_t i = 0; i < 200; i++)
		free(early[i]);
	churn(1, 20000);
	puts("200 blocks before main");
	return 0;
}
