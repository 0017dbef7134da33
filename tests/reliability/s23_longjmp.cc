/* s23: a new handler that leaves by longjmp leaves no lock held */
#include "support.h"
#include <csetjmp>
#include <new>

static jmp_buf back;
static int handled;

static void leave() {
	handled++;
	longjmp(back, 1);
}
static void *work(void *arg) {
	churn(23, 5000);
	free(malloc(3 * MIB));
	return arg;
}
int main() {
	std::set_new_handler(leave);
	for (int i = 0; i < 200; i++) {
		if (setjmp(back) == 0) {
			void *volatile p = i % 2 ? operator new((size_t)1 << 62) : operator new((size_t)1 << 62, std::align_val_t(64));
			CHECK(!p);
		}
		CHECK(handled == i + 1);
		work(nullptr);
		if (i % 20 == 0)
			pthread_join(thread_start(work, nullptr, 0), nullptr);
	}
	CHECK(fork() || (_exit(0), 0));
	return 0;
}
