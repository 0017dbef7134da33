/* No memory: the new handler is asked, the throwing forms throw, the nothrow forms give null whatever the handler throws. */
#include <cstdio>
#include <new>

static int asked;
static void gives_up() { if (++asked == 3) std::set_new_handler(nullptr); }
static void throws_bad_alloc() { asked++; throw std::bad_alloc(); }
static void throws_other() { asked++; throw 7; }

struct alignas(256) Wide { char c[256]; };

static int failed;
static void expect(bool ok, const char *what) { if (!ok) { failed = 1; printf("not so: %s\n", what); } }

template <typename T, typename F> static bool throws(F allocate) {
	try {
		void *volatile p = allocate();
		(void)p;
	} catch (const T &) {
		return true;
	}
	return false;
}

int main() {
	volatile size_t n = (size_t)1 << 60;
	expect(throws<std::bad_alloc>([&] { return new char[n]; }), "new[] throws without a handler");
	expect(throws<std::bad_alloc>([&] { return new Wide[n / 256]; }), "aligned new[] throws without a handler");
	void (*const handlers[])() = { gives_up, throws_bad_alloc, throws_other, nullptr };
	const int wanted[] = { 3, 1, 1, 0 };
	for (int i = 0; i < 4; i++)
		for (int form = 0; form < 4; form++) {
			asked = 0;
			std::set_new_handler(handlers[i]);
			void *p = form == 0 ? operator new(n, std::nothrow)
			        : form == 1 ? operator new[](n, std::nothrow)
			        : form == 2 ? operator new(n, std::align_val_t(256), std::nothrow)
			                    : operator new[](n, std::align_val_t(256), std::nothrow);
			/* A nothrow form catches everything: [new.delete.single], and libstdc++ since GCC 4. */
			expect(p == nullptr && asked == wanted[i], "nothrow gives null");
		}
	std::set_new_handler(throws_other);
	expect(throws<int>([&] { return operator new(n); }), "what the handler throws comes out of new");
	return failed;
}
