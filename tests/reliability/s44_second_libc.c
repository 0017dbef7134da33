/* s44: a block of a second libc (dlmopen) may be freed and grown */
#include "support.h"

static int strangers(void *arg) {
	bool grow = *(int *)arg;
	void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	CHECK_SAY(libc, "%s", dlerror());
	char *(*other_strdup)(const char *) = (char *(*)(const char *))dlsym(libc, "strdup");
	void *(*other_malloc)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
	CHECK(other_strdup && other_malloc);
	for (size_t i = 0; i < 100; i++) {
		char *small = other_strdup("from the other libc"), *large = other_malloc(300 * KIB);
		CHECK(small && large);
		CHECK(malloc_usable_size(small) < KIB); /* 0, or right */
		if (grow) {
			char *grown = realloc(small, 200 + i);
			CHECK(!grown || strcmp(grown, "from the other libc") == 0);
			small = grown ? grown : small;
		}
		free(small);
		free(large);
		churn((uint32_t)i + 1, 200);
	}
	churn(44, 20000);
	return 0;
}
int main(void) {
	int only_free = 0, grow = 1;
	bool a = ended_well("free", in_child(strangers, &only_free, 20));
	bool b = ended_well("realloc, then free", in_child(strangers, &grow, 20));
	CHECK(a && b);
	return 0;
}
