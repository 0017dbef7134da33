/* s55: a failing operator new calls the new handler until it gives up, then throws; nothrow returns nullptr */
#include "support.h"
#include <new>

static int handled;
static void three_times() {
	if (++handled == 3)
		std::set_new_handler(nullptr);
}
static void throws_other() { throw 7; }

template <typename F> static void gives_up(const char *what, F allocate) {
	handled = 0;
	std::set_new_handler(three_times);
	bool thrown = false;
	try {
		void *volatile p = allocate();
		(void)p;
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK_SAY(thrown && handled == 3, "%s: thrown %d, handler called %d times", what, thrown, handled);
}
int main() {
	volatile size_t absurd = (size_t)1 << 62;
	gives_up("new", [&] { return operator new(absurd); });
	gives_up("new[]", [&] { return operator new[](absurd); });
	gives_up("aligned new", [&] { return operator new(absurd, std::align_val_t(128)); });
	gives_up("aligned new[]", [&] { return operator new[](absurd, std::align_val_t(128)); });
	handled = 0;
	std::set_new_handler(three_times);
	CHECK(operator new(absurd, std::nothrow) == nullptr && handled == 3);
	CHECK(operator new[](absurd, std::align_val_t(64), std::nothrow) == nullptr);
	std::set_new_handler(throws_other);
	int caught = 0;
	try {
		void *volatile p = operator new(absurd);
		(void)p;
	} catch (int seven) {
		caught = seven;
	}
	CHECK(caught == 7);
	std::set_new_handler(nullptr);
	for (size_t i = 1; i < 3000; i++) {
		operator delete(operator new(i));
		operator delete[](operator new[](i), std::align_val_t(8));
		operator delete(operator new(i, std::align_val_t(64)), std::align_val_t(64));
	}
	churn(55, 5000);
	return 0;
}
