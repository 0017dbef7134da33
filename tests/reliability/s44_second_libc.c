/* s44: a block of a second libc (dlmopen) may be freed and grown */
#include "support.h"

enum way { FREE, SHRINK, GROW, MANY };

static int strangers(void *arg) {
	int way = *(int *)arg;
	void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	CHECK_SAY(libc, "%s", dlerror());
	char *(*other_strdup)(const char *) = (char *(*)(const char *))dlsym(libc, "strdup");
	void *(*other_malloc)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
	CHECK(other_strdup && other_malloc);
	free(malloc(1));
	for (size_t i = 0; i < (way == MANY ? 100 : 1); i++) {
		char *small = other_strdup("from the other libc"), *large = other_malloc(300 * KIB);
		CHECK(small && large);
		CHECK(malloc_usable_size(small) < KIB); /* 0, or right */
		if (way == SHRINK || way == GROW) { /* refused, or done right */
			char *moved = realloc(small, way == GROW ? 200 : 20);
			CHECK(!moved || strcmp(moved, "from the other libc") == 0);
			small = moved ? moved : small;
		}
		free(small);
		if (way == MANY)
			free(large); /* libc itself: "double free or corruption" */
		churn((uint32_t)i + 1, 200);
	}
	churn(44, 20000);
	return 0;
}
int main(void) {
	static const char *const names[] = { "free", "realloc to less", "realloc to more", "many frees" };
	int failed = 0;
	for (int way = FREE; way <= MANY; way++) {
		bool well = ended_well(names[way], in_child(strangers, &way, 20));
		if (way >= SHRINK && !well) /* libc's own malloc does not survive these either */
			NOTE("%s: ends the program\n", names[way]);
		failed += way >= SHRINK && !is_cairn() ? 0 : !well;
	}
	CHECK(failed == 0);
	return 0;
}
