/* malloc/cxx.c - operator new and delete, every form, without a C++ runtime of our own.
 *
 * Who replaces what: a program may define operator new(size_t) and operator delete(void *) alone, and every other form
 * must then end in those two ([new.delete.single], [new.delete.array]). So the forms call each other as the standard's
 * defaults do, by their public names, and so do they call malloc and free (malloc/interpose.c says why).
 *
 *   new[] ──▶ new ──▶ malloc        delete[](size) ──▶ delete[] ──▶ delete ──▶ free
 *   nothrow new[] ──▶ nothrow new ──▶ malloc, or the runtime's own nothrow new ──▶ new
 *
 * When no memory is left the program's new handler runs until it gives up; then std::bad_alloc is thrown by the C++
 * runtime's own function. The preloaded library finds both at run time: by weak reference, or by dlsym when the runtime
 * was loaded later. A program without a C++ runtime that still calls operator new aborts with one line, because nothing
 * else is allowed to it. What a handler throws out of a nothrow form must be caught, which C cannot: then the
 * runtime's own nothrow form does the work.
 *
 * In libcairn.a (CAIRN_CXX_LINKED) this file is a member of its own, which only C++ programs pull, so it may refer to
 * the runtime as they do; its definitions are weak, and the nothrow forms are left to the runtime.
 *
 * Compiled with -fexceptions: what the handler or the runtime throws passes through here. */
#if CAIRN_INTERPOSE
#include "base/bits.h"
#include "cairn/malloc.h"
#include "malloc/family.h"
#include "malloc/start.h"
#include "os/report.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>

#ifndef CAIRN_CXX_LINKED
#define CAIRN_CXX_LINKED 0
#endif

/* Weak: a program linked with libcairn.a may define some forms itself. And a compiler may not take a call by name for
 * a call of the definition here, which clang otherwise does. */
#define OPERATOR  __attribute__((visibility("default"), weak))
#if CAIRN_CXX_LINKED
#define RUNTIME
#else
#define RUNTIME __attribute__((weak))
#endif

extern void *cxx_malloc(size_t size) __asm__("malloc");
extern void cxx_free(void *p) __asm__("free");
extern void *cxx_aligned_alloc(size_t align, size_t size) __asm__("aligned_alloc");

typedef void (*new_handler)(void);
extern new_handler runtime_get_new_handler(void) __asm__("_ZSt15get_new_handlerv") RUNTIME;
extern void runtime_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") RUNTIME;

/* The program's handler, or NULL. */
static new_handler handler_now(void)
{
	new_handler (*get)(void) = runtime_get_new_handler;
	if (!get)
		*(void **)&get = dlsym(RTLD_DEFAULT, "_ZSt15get_new_handlerv");
	return get ? get() : NULL;
}

static void throw_bad_alloc(void)
{
	void (*throw_it)(void) = runtime_throw_bad_alloc;
	if (!throw_it)
		*(void **)&throw_it = dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv");
	if (throw_it)
		throw_it();
	cairn_line l = { 0 };
	cairn_line_text(&l, "cairn: operator new: no memory, and no C++ runtime found to throw std::bad_alloc (");
	cairn_line_text(&l, cairn_program_name());
	cairn_line_text(&l, ")");
	cairn_report_abort(&l);
}

static void *try_alloc(size_t size, size_t align)
{
	return align > 16 ? cxx_aligned_alloc(align, size) : cxx_malloc(size);
}

/* The loop of [new.delete.single]: allocate, or let the handler find memory, or give up. */
static __attribute__((noinline)) void *new_or_throw(size_t size, size_t align)
{
	for (;;) {
		new_handler handler = handler_now();
		if (!handler)
			throw_bad_alloc();
		handler();
		void *p = try_alloc(size, align);
		if (p)
			return p;
	}
}

/* clang-format off */
#define NEW(symbol, ...) \
	OPERATOR void *symbol(size_t size __VA_ARGS__); \
	OPERATOR void *symbol(size_t size __VA_ARGS__)
/* clang-format on */
#define DELETE(symbol, ...)     OPERATOR void symbol(void *p __VA_ARGS__); OPERATOR void symbol(void *p __VA_ARGS__)
#define AND ,

/* clang-format off */
NEW(_Znwm)                                                      { void *p = cxx_malloc(size); return p ? p : new_or_throw(size, 0); }
NEW(_ZnwmSt11align_val_t, AND size_t align)                     { void *p = try_alloc(size, align); return p ? p : new_or_throw(size, align); }
NEW(_Znam)                                                      { return _Znwm(size); }
NEW(_ZnamSt11align_val_t, AND size_t align)                     { return _ZnwmSt11align_val_t(size, align); }

DELETE(_ZdlPv)                                                  { cxx_free(p); }
DELETE(_ZdlPvSt11align_val_t, AND size_t align)                 { (void)align; cxx_free(p); }
DELETE(_ZdaPv)                                                  { _ZdlPv(p); }
DELETE(_ZdaPvSt11align_val_t, AND size_t align)                 { _ZdlPvSt11align_val_t(p, align); }
DELETE(_ZdlPvRKSt9nothrow_t, AND const void *tag)               { (void)tag; _ZdlPv(p); }
DELETE(_ZdaPvRKSt9nothrow_t, AND const void *tag)               { (void)tag; _ZdaPv(p); }
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)tag; _ZdlPvSt11align_val_t(p, align); }
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)tag; _ZdaPvSt11align_val_t(p, align); }
/* clang-format on */

extern __typeof__(_ZdlPv) own_delete __attribute__((alias("_ZdlPv"), visibility("hidden")));

/* Sizes given to delete are the compiler's, and wrong ones (a base class without a virtual destructor) are common and
 * were harmless: looked at with CAIRN_CHECK=1 only, and only where the block is ours and not a program's own new's. */
static void check_deleted_size(void *p, size_t align, size_t size, const char *who)
{
	if (cairn_is_checking && _ZdlPv == own_delete)
		cairn_check_size(p, align, size, who);
}

/* clang-format off */
DELETE(_ZdlPvm, AND size_t size)                                { check_deleted_size(p, 0, size, "operator delete"); _ZdlPv(p); }
DELETE(_ZdaPvm, AND size_t size)                                { check_deleted_size(p, 0, size, "operator delete[]"); _ZdaPv(p); }
DELETE(_ZdlPvmSt11align_val_t, AND size_t size AND size_t align) { check_deleted_size(p, align, size, "operator delete"); _ZdlPvSt11align_val_t(p, align); }
DELETE(_ZdaPvmSt11align_val_t, AND size_t size AND size_t align) { check_deleted_size(p, align, size, "operator delete[]"); _ZdaPvSt11align_val_t(p, align); }
/* clang-format on */

#if !CAIRN_CXX_LINKED
/* ---- nothrow ---- */

typedef void *(*nothrow_new)(size_t size, const void *tag);
typedef void *(*nothrow_aligned_new)(size_t size, size_t align, const void *tag);

extern __typeof__(_Znwm) own_new __attribute__((alias("_Znwm"), visibility("hidden")));
extern __typeof__(_ZnwmSt11align_val_t) own_aligned_new
	__attribute__((alias("_ZnwmSt11align_val_t"), visibility("hidden")));

/* The form of that name that would serve without us: the C++ runtime's, which calls operator new and catches. */
static void *runtime_form(const char *symbol, void *_Atomic *known)
{
	void *f = atomic_load_explicit(known, memory_order_relaxed); /* every thread finds the same */
	if (!f) {
		f = dlsym(RTLD_NEXT, symbol);
		atomic_store_explicit(known, f, memory_order_relaxed); /* likewise */
	}
	return f;
}

static __attribute__((noinline)) void *new_or_null(size_t size, const void *tag)
{
	static void *_Atomic known; /* sync: atomic, relaxed */
	if (_Znwm == own_new && !handler_now())
		return NULL;
	nothrow_new form = (nothrow_new)runtime_form("_ZnwmRKSt9nothrow_t", &known);
	return form ? form(size, tag) : _Znwm(size);
}

static __attribute__((noinline)) void *aligned_new_or_null(size_t size, size_t align, const void *tag)
{
	static void *_Atomic known; /* sync: atomic, relaxed */
	if (_ZnwmSt11align_val_t == own_aligned_new && !handler_now())
		return NULL;
	nothrow_aligned_new form = (nothrow_aligned_new)runtime_form("_ZnwmSt11align_val_tRKSt9nothrow_t", &known);
	return form ? form(size, align, tag) : _ZnwmSt11align_val_t(size, align);
}

NEW(_ZnwmRKSt9nothrow_t, AND const void *tag)
{
	void *p = _Znwm == own_new ? cxx_malloc(size) : NULL;
	return p ? p : new_or_null(size, tag);
}

NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag)
{
	void *p = _ZnwmSt11align_val_t == own_aligned_new ? try_alloc(size, align) : NULL;
	return p ? p : aligned_new_or_null(size, align, tag);
}

/* clang-format off */
NEW(_ZnamRKSt9nothrow_t, AND const void *tag)                   { return _ZnwmRKSt9nothrow_t(size, tag); }
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { return _ZnwmSt11align_val_tRKSt9nothrow_t(size, align, tag); }
/* clang-format on */
#endif
#endif
