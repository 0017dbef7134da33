/* operator new and delete in every form, called by their symbols from C: with a C++ runtime that comes late, and
 * without one. What C++ itself makes of them is tested in tests/death and tests/reliability. */
#include "cairn/malloc.h"
#include "support/child.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#if CAIRN_INTERPOSE

extern void *_Znwm(size_t), *_Znam(size_t);
extern void *_ZnwmRKSt9nothrow_t(size_t, const void *), *_ZnamRKSt9nothrow_t(size_t, const void *);
extern void *_ZnwmSt11align_val_t(size_t, size_t), *_ZnamSt11align_val_t(size_t, size_t);
extern void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t, size_t, const void *);
extern void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t, size_t, const void *);
extern void _ZdlPv(void *), _ZdaPv(void *);
extern void _ZdlPvRKSt9nothrow_t(void *, const void *), _ZdaPvRKSt9nothrow_t(void *, const void *);
extern void _ZdlPvSt11align_val_t(void *, size_t), _ZdaPvSt11align_val_t(void *, size_t);
extern void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *, size_t, const void *);
extern void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *, size_t, const void *);
extern void _ZdlPvm(void *, size_t), _ZdaPvm(void *, size_t);
extern void _ZdlPvmSt11align_val_t(void *, size_t, size_t), _ZdaPvmSt11align_val_t(void *, size_t, size_t);

enum { NEWS = 8, DELETES = 12 };
static const char nothrow;

/* Not inlined: clang knows these functions, and leaves out a call whose block is only compared with NULL. */
static __attribute__((noinline)) void *new_by(int form, size_t size, size_t align)
{
	switch (form) {
	case 0: return _Znwm(size);
	case 1: return _Znam(size);
	case 2: return _ZnwmRKSt9nothrow_t(size, &nothrow);
	case 3: return _ZnamRKSt9nothrow_t(size, &nothrow);
	case 4: return _ZnwmSt11align_val_t(size, align);
	case 5: return _ZnamSt11align_val_t(size, align);
	case 6: return _ZnwmSt11align_val_tRKSt9nothrow_t(size, align, &nothrow);
	default: return _ZnamSt11align_val_tRKSt9nothrow_t(size, align, &nothrow);
	}
}

static void delete_by(int form, void *p, size_t size, size_t align)
{
	switch (form) {
	case 0: _ZdlPv(p); break;
	case 1: _ZdaPv(p); break;
	case 2: _ZdlPvRKSt9nothrow_t(p, &nothrow); break;
	case 3: _ZdaPvRKSt9nothrow_t(p, &nothrow); break;
	case 4: _ZdlPvSt11align_val_t(p, align); break;
	case 5: _ZdaPvSt11align_val_t(p, align); break;
	case 6: _ZdlPvSt11align_val_tRKSt9nothrow_t(p, align, &nothrow); break;
	case 7: _ZdaPvSt11align_val_tRKSt9nothrow_t(p, align, &nothrow); break;
	case 8: _ZdlPvm(p, size); break;
	case 9: _ZdaPvm(p, size); break;
	case 10: _ZdlPvmSt11align_val_t(p, size, align); break;
	default: _ZdaPvmSt11align_val_t(p, size, align); break;
	}
}

static bool is_aligned_form(int new_form) { return new_form >= 4; }

static void every_form_of_new_gives_a_block_of_ours(void)
{
	for (int form = 0; form < NEWS; form++)
		for (size_t size = 0; size < 1 << 20; size = size * 3 + 1) {
			size_t align = is_aligned_form(form) ? 256 : 16;
			char *p = new_by(form, size, align), *q = new_by(form, size, align);
			EXPECT(p && q && p != q && (uintptr_t)p % align == 0);
			EXPECT(cairn_malloc_usable_size(p) >= size);
			memset(p, 1, size);
			_ZdlPv(p);
			_ZdlPv(q);
		}
}

static void every_form_of_delete_frees(void)
{
	for (int form = 0; form < DELETES; form++)
		for (size_t size = 1; size < 1 << 20; size = size * 3 + 1) {
			bool aligned = (form >= 4 && form <= 7) || form >= 10;
			delete_by(form, new_by(aligned ? 4 : 0, size, 128), size, 128);
			delete_by(form, NULL, size, 128);
		}
	void *big = new_by(5, 1 << 20, 1 << 21);
	EXPECT((uintptr_t)big % (1 << 21) == 0);
	delete_by(11, big, 1 << 20, 1 << 21);
}

/* ---- No memory ---- */

static unsigned handled;
static void (*(*set_new_handler)(void (*)(void)))(void);

static void give_up_after_three(void)
{
	if (++handled == 3)
		set_new_handler(NULL);
}

static void run_nothrow(void *unused)
{
	(void)unused;
	REQUIRE(dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL));
	*(void **)&set_new_handler = dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
	REQUIRE(set_new_handler);
	static const int forms[] = { 2, 3, 6, 7 };
	for (int i = 0; i < 4; i++) {
		handled = 0;
		EXPECT(!new_by(forms[i], (size_t)1 << 62, 64)); /* no handler: at once */
		set_new_handler(give_up_after_three);
		EXPECT(!new_by(forms[i], (size_t)1 << 62, 64));
		EXPECT_EQ(handled, 3);
	}
}

static void nothrow_forms_ask_the_handler_and_then_give_null(void)
{
	in_a_child(run_nothrow, NULL);
}

static void quiet(void)
{
	dup2(open("/dev/null", O_WRONLY), 2);
}

static void run_throw(void *form)
{
	quiet();
	EXPECT(dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL));
	new_by(*(int *)form, (size_t)1 << 62, 64); /* std::bad_alloc, which nobody catches: std::terminate */
	_exit(0);
}

static void run_without_runtime(void *form)
{
	quiet();
	new_by(*(int *)form, (size_t)1 << 62, 64);
	_exit(0);
}

static void throwing_forms_never_return_null(void)
{
	static const int forms[] = { 0, 1, 4, 5 };
	for (int i = 0; i < 4; i++) {
		int form = forms[i];
		EXPECT_EQ(child_status(run_throw, &form) & 127, SIGABRT);
		EXPECT_EQ(child_status(run_without_runtime, &form) & 127, SIGABRT);
	}
}

static void nothrow_forms_need_no_runtime(void)
{
	EXPECT(!new_by(2, (size_t)1 << 62, 64));
	EXPECT(!new_by(7, (size_t)1 << 62, 64));
}

int main(void)
{
	RUN(every_form_of_new_gives_a_block_of_ours);
	RUN(every_form_of_delete_frees);
	RUN(nothrow_forms_need_no_runtime);
	RUN(nothrow_forms_ask_the_handler_and_then_give_null);
	RUN(throwing_forms_never_return_null);
	DONE();
}

#else

extern void *_Znwm(size_t) __attribute__((weak));
extern void _ZdlPv(void *) __attribute__((weak));

static void the_operators_stay_the_sanitizers(void)
{
	void *p = _Znwm ? _Znwm(100) : NULL;
	EXPECT_EQ(cairn_malloc_usable_size(p), 0);
	if (p)
		_ZdlPv(p);
}

int main(void)
{
	RUN(the_operators_stay_the_sanitizers);
	DONE();
}

#endif
