/* numbers.c - integers of 64 bits, and reals. Where an integer does not fit, that is an error; a real takes part in
 * what makes the result real. */
#include <math.h>
#include "scheme.h"

bool is_number(const object *o) { return o->kind == INTEGER || o->kind == REAL; }
static double as_real(const object *o) { return o->kind == INTEGER ? (double)integer_of(o) : real_of(o); }

typedef bool exact_operation(int64_t a, int64_t b, int64_t *to); /* false: it does not fit */
typedef double real_operation(double a, double b);

static bool exact_add(int64_t a, int64_t b, int64_t *to) { return !__builtin_add_overflow(a, b, to); }
static bool exact_subtract(int64_t a, int64_t b, int64_t *to) { return !__builtin_sub_overflow(a, b, to); }
static bool exact_multiply(int64_t a, int64_t b, int64_t *to) { return !__builtin_mul_overflow(a, b, to); }
static double real_add(double a, double b) { return a + b; }
static double real_subtract(double a, double b) { return a - b; }
static double real_multiply(double a, double b) { return a * b; }

static object *both(object *a, object *b, exact_operation *exact, real_operation *inexact, const char *who)
{
	int64_t result;
	if (!is_number(a) || !is_number(b))
		return fail_kind(who, "a number", is_number(a) ? b : a);
	if (a->kind == REAL || b->kind == REAL)
		return make_real(inexact(as_real(a), as_real(b)));
	if (exact(integer_of(a), integer_of(b), &result))
		return make_integer(result);
	char text[64];
	snprintf(text, sizeof text, "%s: the result does not fit 64 bits:", who);
	fail(text, a);
	mem_set((condition *)raised(), irritants, LIST2(a, b));
	return NULL;
}

object *number_add(object *a, object *b) { return both(a, b, exact_add, real_add, "+"); }
object *number_subtract(object *a, object *b) { return both(a, b, exact_subtract, real_subtract, "-"); }
object *number_multiply(object *a, object *b) { return both(a, b, exact_multiply, real_multiply, "*"); }

object *number_compare(object *a, object *b, int wanted, const char *who)
{
	if (!is_number(a) || !is_number(b))
		return fail_kind(who, "a number", is_number(a) ? b : a);
	if (a->kind == INTEGER && b->kind == INTEGER)
		return boolean(wanted & (integer_of(a) < integer_of(b) ? 1 : integer_of(a) == integer_of(b) ? 2 : 4));
	double x = as_real(a), y = as_real(b);
	return boolean(wanted & (x < y ? 1 : x == y ? 2 : x > y ? 4 : 0));
}

static object *fold(object_ref *args, int n, object *(*operation)(object *, object *), object *sum)
{
	for (int i = 0; sum && i < n; i++)
		sum = operation(sum, ARG(i));
	return sum;
}

static object *add(object_ref *args, int n) { return fold(args, n, number_add, make_integer(0)); }
static object *multiply(object_ref *args, int n) { return fold(args, n, number_multiply, make_integer(1)); }
static object *subtract(object_ref *args, int n)
{
	return n == 1 ? number_subtract(make_integer(0), ARG(0)) : fold(args + 1, n - 1, number_subtract, ARG(0));
}

static object *divide_two(object *a, object *b)
{
	if (!is_number(a) || !is_number(b))
		return fail_kind("/", "a number", is_number(a) ? b : a);
	if (b->kind == INTEGER && integer_of(b) == 0)
		return fail("/: division by zero:", a);
	if (a->kind == INTEGER && b->kind == INTEGER && integer_of(b) != -1 && integer_of(a) % integer_of(b) == 0)
		return make_integer(integer_of(a) / integer_of(b));
	return b->kind == INTEGER && integer_of(b) == -1 ? number_subtract(make_integer(0), a)
							 : make_real(as_real(a) / as_real(b));
}
static object *divide(object_ref *args, int n)
{
	return n == 1 ? divide_two(make_integer(1), ARG(0)) : fold(args + 1, n - 1, divide_two, ARG(0));
}

static object *compare(object_ref *args, int n, int wanted, const char *who)
{
	for (int i = 0; i + 1 < n; i++) {
		object *is = number_compare(ARG(i), ARG(i + 1), wanted, who);
		if (is != the_true)
			return is;
	}
	return the_true;
}
static object *equal(object_ref *args, int n) { return compare(args, n, 2, "="); }
static object *less(object_ref *args, int n) { return compare(args, n, 1, "<"); }
static object *more(object_ref *args, int n) { return compare(args, n, 4, ">"); }
static object *at_most(object_ref *args, int n) { return compare(args, n, 3, "<="); }
static object *at_least(object_ref *args, int n) { return compare(args, n, 6, ">="); }

/* ---- Division of integers; reals that are whole take part ---- */

static object *divided(object_ref *args, const char *who, int64_t (*exact)(int64_t, int64_t), real_operation *inexact)
{
	object *a = ARG(0), *b = ARG(1);
	if (!is_number(a) || !is_number(b))
		return fail_kind(who, "a number", is_number(a) ? b : a);
	if (as_real(b) == 0) {
		char text[64];
		snprintf(text, sizeof text, "%s: division by zero:", who);
		return fail(text, a);
	}
	if (a->kind == REAL || b->kind == REAL)
		return make_real(inexact(as_real(a), as_real(b)));
	return integer_of(b) == -1 ? exact == NULL ? number_subtract(make_integer(0), a) : make_integer(0)
				   : make_integer(exact ? exact(integer_of(a), integer_of(b))
							: integer_of(a) / integer_of(b));
}

static int64_t exact_remainder(int64_t a, int64_t b) { return a % b; }
static int64_t exact_modulo(int64_t a, int64_t b) { return a % b && (a < 0) != (b < 0) ? a % b + b : a % b; }
static double real_quotient(double a, double b) { return trunc(a / b); }
static double real_modulo(double a, double b) { return a - b * floor(a / b); }

static object *quotient(object_ref *args, int n) { return (void)n, divided(args, "quotient", NULL, real_quotient); }
static object *remainder_of(object_ref *args, int n)
{
	return (void)n, divided(args, "remainder", exact_remainder, fmod);
}
static object *modulo(object_ref *args, int n) { return (void)n, divided(args, "modulo", exact_modulo, real_modulo); }

/* ---- Reals ---- */

static object *real_function(object_ref *args, const char *who, double (*function)(double), bool keeps_integers)
{
	object *a = ARG(0);
	if (!is_number(a))
		return fail_kind(who, "a number", a);
	return keeps_integers && a->kind == INTEGER ? a : make_real(function(as_real(a)));
}
#define REAL_FUNCTION(name, c, keeps)                                                                                  \
	static object *name(object_ref *args, int n) { return (void)n, real_function(args, #c, c, keeps); }
REAL_FUNCTION(do_floor, floor, true)
REAL_FUNCTION(do_ceiling, ceil, true)
REAL_FUNCTION(do_truncate, trunc, true)
REAL_FUNCTION(do_round, rint, true)
REAL_FUNCTION(do_sin, sin, false)
REAL_FUNCTION(do_cos, cos, false)
REAL_FUNCTION(do_exp, exp, false)

static object *do_sqrt(object_ref *args, int n)
{
	object *a = ARG(0), *root = real_function(args, "sqrt", sqrt, false);
	(void)n;
	if (root && a->kind == INTEGER && real_of(root) == floor(real_of(root)) && integer_of(a) < 1ll << 52)
		return make_integer((int64_t)real_of(root));
	return root;
}

static object *do_atan(object_ref *args, int n)
{
	if (!is_number(ARG(0)) || !is_number(ARG(n - 1)))
		return fail_kind("atan", "a number", ARG(0));
	return make_real(n == 1 ? atan(as_real(ARG(0))) : atan2(as_real(ARG(0)), as_real(ARG(1))));
}

static object *do_log(object_ref *args, int n) { return (void)n, real_function(args, "log", log, false); }

static object *expt(object_ref *args, int n)
{
	object *base = ARG(0), *power = ARG(n - 1), *result = make_integer(1);
	if (!is_number(base) || !is_number(power))
		return fail_kind("expt", "a number", is_number(base) ? power : base);
	if (power->kind == REAL || base->kind == REAL || integer_of(power) < 0)
		return make_real(pow(as_real(base), as_real(power)));
	for (int64_t left = integer_of(power); left && result; left >>= 1) {
		if (left & 1)
			result = number_multiply(result, base);
		if (left > 1 && result && !(base = number_multiply(base, base)))
			return NULL;
	}
	return result;
}

static object *exact(object_ref *args, int n)
{
	object *a = ARG(n - 1);
	if (!is_number(a))
		return fail_kind("exact", "a number", a);
	if (a->kind == INTEGER)
		return a;
	if (real_of(a) != floor(real_of(a)) || fabs(real_of(a)) >= 0x1p63)
		return fail_kind("exact", "an integer's value", a);
	return make_integer((int64_t)real_of(a));
}

static object *inexact(object_ref *args, int n)
{
	object *a = ARG(n - 1);
	return is_number(a) ? make_real(as_real(a)) : fail_kind("inexact", "a number", a);
}

/* ---- Kinds, and text ---- */

static object *do_is_number(object_ref *args, int n) { return (void)n, boolean(is_number(ARG(0))); }
static object *is_exact(object_ref *args, int n) { return (void)n, boolean(ARG(0)->kind == INTEGER); }
static object *is_inexact(object_ref *args, int n) { return (void)n, boolean(ARG(0)->kind == REAL); }
static object *is_integer(object_ref *args, int n)
{
	object *a = ARG(n - 1);
	bool is_whole = a->kind == REAL && isfinite(real_of(a)) && real_of(a) == floor(real_of(a));
	return boolean(a->kind == INTEGER || is_whole);
}

static size_t write_integer(int64_t value, int radix, char *to)
{
	char digits[80];
	size_t n = 0, written = 0;
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do
		digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[left % radix];
	while (left /= radix);
	if (value < 0)
		to[written++] = '-';
	while (n)
		to[written++] = digits[--n];
	return written;
}

/* The shortest that reads as the same. */
static size_t write_real(double value, char *to, size_t size)
{
	if (!isfinite(value))
		return snprintf(to, size, "%s", isnan(value) ? "+nan.0" : value < 0 ? "-inf.0" : "+inf.0");
	int n = 0;
	for (int digits = 1; digits <= 17; digits++) {
		n = snprintf(to, size, "%.*g", digits, value);
		if (strtod(to, NULL) == value)
			break;
	}
	return strpbrk(to, ".e") ? n : n + snprintf(to + n, size - n, ".0");
}

string *number_string(object *o, int radix)
{
	char text[96];
	size_t n = o->kind == INTEGER ? write_integer(integer_of(o), radix, text)
				      : write_real(real_of(o), text, sizeof text);
	return make_string(text, n);
}

static object *number_to_string(object_ref *args, int n)
{
	int64_t radix = n > 1 && ARG(1)->kind == INTEGER ? integer_of(ARG(1)) : 10;
	if (!is_number(ARG(0)) || radix < 2 || radix > 36)
		return fail_kind("number->string", "a number and a radix", ARG(0));
	return &number_string(ARG(0), (int)radix)->is;
}

static object *string_to_number(object_ref *args, int n)
{
	int64_t radix = n > 1 && ARG(1)->kind == INTEGER ? integer_of(ARG(1)) : 10;
	if (ARG(0)->kind != STRING || radix < 2 || radix > 36)
		return fail_kind("string->number", "a string and a radix", ARG(0));
	string *s = (string *)ARG(0);
	char text[128];
	if (s->length >= sizeof text)
		return the_false;
	memcpy(text, s->bytes, s->length);
	text[s->length] = 0;
	object *number = parse_number(text, s->length, (int)radix);
	return number ? number : the_false;
}

void numbers_open(void)
{
	/* clang-format off */
	static const struct { const char *name; primitive_function *call; int least, most, instruction; } all[] = {
		{ "+", add, 0, -1, ADD }, { "-", subtract, 1, -1, SUBTRACT }, { "*", multiply, 0, -1, MULTIPLY },
		{ "/", divide, 1, -1, 0 }, { "=", equal, 1, -1, EQUAL }, { "<", less, 1, -1, LESS }, { ">", more, 1, -1, MORE },
		{ "<=", at_most, 1, -1, 0 }, { ">=", at_least, 1, -1, 0 }, { "quotient", quotient, 2, 2, 0 },
		{ "remainder", remainder_of, 2, 2, 0 }, { "modulo", modulo, 2, 2, 0 }, { "floor", do_floor, 1, 1, 0 },
		{ "ceiling", do_ceiling, 1, 1, 0 }, { "truncate", do_truncate, 1, 1, 0 }, { "round", do_round, 1, 1, 0 },
		{ "sin", do_sin, 1, 1, 0 }, { "cos", do_cos, 1, 1, 0 }, { "exp", do_exp, 1, 1, 0 }, { "log", do_log, 1, 1, 0 },
		{ "sqrt", do_sqrt, 1, 1, 0 }, { "atan", do_atan, 1, 2, 0 }, { "expt", expt, 2, 2, 0 },
		{ "exact", exact, 1, 1, 0 }, { "inexact", inexact, 1, 1, 0 }, { "number?", do_is_number, 1, 1, 0 },
		{ "real?", do_is_number, 1, 1, 0 }, { "exact?", is_exact, 1, 1, 0 }, { "inexact?", is_inexact, 1, 1, 0 },
		{ "integer?", is_integer, 1, 1, 0 }, { "number->string", number_to_string, 1, 2, 0 },
		{ "string->number", string_to_number, 1, 2, 0 } };
	/* clang-format on */
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		define_primitive(all[i].name, all[i].call, all[i].least, all[i].most, all[i].instruction);
}
