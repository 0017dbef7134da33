/* Opens, while it runs, a library with a resolver that allocates. BUILD: -ldl */
#include "support.h"

int main(int argc, char **argv) {
	CHECK(argc == 2);
	void *library = dlopen(argv[1], RTLD_NOW);
	CHECK(library);
	int (*call)(void) = (int (*)(void))dlsym(library, "s02_call");
	CHECK(call && call() == 42);
	churn(2, 20000);
	return 0;
}
