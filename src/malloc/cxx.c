/* malloc/cxx.c - operator new and delete, every form, without a C++ runtime of our own.
 *
 * They call malloc and free by their public names (malloc/interpose.c says why). When no memory is left, the
 * program's new handler runs until it gives up; then std::bad_alloc is thrown by libstdc++'s own function. Both are
 * found at run time: by weak reference, or by dlsym when libstdc++ was loaded later. A program without libstdc++ that
 * still calls operator new (another C++ runtime) aborts with one line, because nothing else is allowed to it.
 *
 * Compiled with -fexceptions: what the handler or libstdc++ throws passes through here. */
#if CAIRN_INTERPOSE
#include "base/bits.h"
#include "cairn/malloc.h"
#include "malloc/family.h"
#include "malloc/start.h"
#include "os/report.h"

#include <dlfcn.h>
#include <stdint.h>

#define PUBLIC __attribute__((visibility("default")))

extern void *cxx_malloc(size_t size) __asm__("malloc");
extern void cxx_free(void *p) __asm__("free");
extern void *cxx_aligned_alloc(size_t align, size_t size) __asm__("aligned_alloc");

typedef void (*new_handler)(void);
extern new_handler weak_get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern void weak_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

/* The program's handler, or NULL. */
static new_handler handler_now(void)
{
	new_handler (*get)(void) = weak_get_new_handler;
	if (!get)
		*(void **)&get = dlsym(RTLD_DEFAULT, "_ZSt15get_new_handlerv");
	return get ? get() : NULL;
}

static void throw_bad_alloc(void)
{
	void (*throw_it)(void) = weak_throw_bad_alloc;
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

/* The same for the nothrow forms, which return NULL. An exception from the handler ends in NULL too when C++ catches
 * it; in C it cannot be caught: it passes on, as an exception out of a noexcept function does, to terminate. */
static __attribute__((noinline)) void *new_or_null(size_t size, size_t align)
{
	for (;;) {
		new_handler handler = handler_now();
		if (!handler)
			return NULL;
		handler();
		void *p = try_alloc(size, align);
		if (p)
			return p;
	}
}

/* Sizes given to delete are the compiler's, and wrong ones (a base class without a virtual destructor) are common and
 * were harmless: looked at with CAIRN_CHECK=1 only. */
static void check_deleted_size(void *p, size_t align, size_t size, const char *who)
{
	if (cairn_is_checking())
		cairn_check_size(p, align, size, who);
}

#define NEW(symbol, ...)                                                                                               \
	PUBLIC void *symbol(size_t size __VA_ARGS__);                                                                  \
	PUBLIC void *symbol(size_t size __VA_ARGS__)
#define DELETE(symbol, ...)     PUBLIC void symbol(void *p __VA_ARGS__); PUBLIC void symbol(void *p __VA_ARGS__)
#define AND ,

/* clang-format off */
NEW(_Znwm)                                                      { void *p = cxx_malloc(size); return p ? p : new_or_throw(size, 0); }
NEW(_Znam)                                                      { void *p = cxx_malloc(size); return p ? p : new_or_throw(size, 0); }
NEW(_ZnwmRKSt9nothrow_t, AND const void *tag)                   { (void)tag; void *p = cxx_malloc(size); return p ? p : new_or_null(size, 0); }
NEW(_ZnamRKSt9nothrow_t, AND const void *tag)                   { (void)tag; void *p = cxx_malloc(size); return p ? p : new_or_null(size, 0); }
NEW(_ZnwmSt11align_val_t, AND size_t align)                     { void *p = try_alloc(size, align); return p ? p : new_or_throw(size, align); }
NEW(_ZnamSt11align_val_t, AND size_t align)                     { void *p = try_alloc(size, align); return p ? p : new_or_throw(size, align); }
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)tag; void *p = try_alloc(size, align); return p ? p : new_or_null(size, align); }
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)tag; void *p = try_alloc(size, align); return p ? p : new_or_null(size, align); }

DELETE(_ZdlPv)                                                  { cxx_free(p); }
DELETE(_ZdaPv)                                                  { cxx_free(p); }
DELETE(_ZdlPvRKSt9nothrow_t, AND const void *tag)               { (void)tag; cxx_free(p); }
DELETE(_ZdaPvRKSt9nothrow_t, AND const void *tag)               { (void)tag; cxx_free(p); }
DELETE(_ZdlPvSt11align_val_t, AND size_t align)                 { (void)align; cxx_free(p); }
DELETE(_ZdaPvSt11align_val_t, AND size_t align)                 { (void)align; cxx_free(p); }
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)align; (void)tag; cxx_free(p); }
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, AND size_t align AND const void *tag) { (void)align; (void)tag; cxx_free(p); }
DELETE(_ZdlPvm, AND size_t size)                                { check_deleted_size(p, 0, size, "operator delete"); cxx_free(p); }
DELETE(_ZdaPvm, AND size_t size)                                { check_deleted_size(p, 0, size, "operator delete[]"); cxx_free(p); }
DELETE(_ZdlPvmSt11align_val_t, AND size_t size AND size_t align) { check_deleted_size(p, align, size, "operator delete"); cxx_free(p); }
DELETE(_ZdaPvmSt11align_val_t, AND size_t size AND size_t align) { check_deleted_size(p, align, size, "operator delete[]"); cxx_free(p); }
/* clang-format on */
#endif
