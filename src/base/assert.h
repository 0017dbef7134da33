/* base/assert.h - what to do when we are wrong.
 *
 * Three kinds of error are never mixed (CONTRIBUTING.md): a refusal is a value, misuse by the program is one line and
 * abort (malloc/misuse.h), and our own bug is an assertion, here.
 *
 * CAIRN_DEBUG is a constant, not an #ifdef, so that a condition always compiles:
 *   0  release: assertions cost nothing          1  asan, tsan: assertions on
 *   2  debug: validators run on every entry of a module as well */
#ifndef CAIRN_BASE_ASSERT_H
#define CAIRN_BASE_ASSERT_H

#ifndef CAIRN_DEBUG
#define CAIRN_DEBUG 0
#endif

/* Prints "cairn: bug: FILE:LINE: WHAT" on one line and aborts. Defined in os/report.c: base makes no system call. */
_Noreturn void cairn_panic(const char *file, int line, const char *what);

#define cairn_assert(c)                                                                                               \
	do {                                                                                                          \
		if (CAIRN_DEBUG >= 1 && !(c))                                                                         \
			cairn_panic(__FILE__, __LINE__, #c);                                                          \
	} while (0)
#define cairn_assert_slow(c)                                                                                          \
	do {                                                                                                          \
		if (CAIRN_DEBUG >= 2 && !(c))                                                                         \
			cairn_panic(__FILE__, __LINE__, #c);                                                          \
	} while (0)

#define cairn_likely(c)   __builtin_expect(!!(c), 1)
#define cairn_unlikely(c) __builtin_expect(!!(c), 0)

#endif
