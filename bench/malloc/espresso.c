/* espresso.c - two-level logic: complements covers of cubes by Shannon's expansion, as the minimiser of that name does.
 *
 * A cube is a set of values, two bits a variable, in a block of its own; a cover a growing array of cubes. The
 * complement of a cover is put together from those of its two cofactors by the most frequent variable, so that lists
 * of sets are copied, merged and dropped all the time: a few hundred live blocks of 16 to 64 bytes, arrays up to some
 * kilobytes. */
#include "bench.h"

enum { WORDS_MAX = 4 };
typedef struct cube {
	uint64_t w[1];
} cube;
typedef struct cover {
	cube **c;
	size_t n, room;
} cover;

static unsigned variables, words;

static cube *cube_make(const cube *from)
{
	cube *c = malloc(words * sizeof(uint64_t));
	if (!c)
		bench_die("malloc");
	if (from)
		memcpy(c, from, words * sizeof(uint64_t));
	else
		for (unsigned i = 0; i < words; i++)
			c->w[i] = ~0ull;
	return c;
}

/* Of variable v: 1 only its complement, 2 only itself, 3 either. */
static unsigned value(const cube *c, unsigned v) { return c->w[v / 32] >> v % 32 * 2 & 3; }

static void value_set(cube *c, unsigned v, unsigned to)
{
	c->w[v / 32] &= ~(3ull << v % 32 * 2);
	c->w[v / 32] |= (uint64_t)to << v % 32 * 2;
}

static void cover_add(cover *f, cube *c) /* takes c */
{
	if (f->n == f->room) {
		f->room = f->room ? f->room * 2 : 4;
		f->c = realloc(f->c, f->room * sizeof *f->c);
	}
	f->c[f->n++] = c;
}

static void cover_drop(cover *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->c[i]);
	free(f->c);
}

static int contains(const cube *a, const cube *b)
{
	for (unsigned i = 0; i < words; i++)
		if (b->w[i] & ~a->w[i])
			return 0;
	return 1;
}

/* The most frequent variable among the cubes; `variables` when a cube is everything. */
static unsigned split_by(const cover *f)
{
	static unsigned count[WORDS_MAX * 32];
	memset(count, 0, variables * sizeof *count);
	unsigned most = 0;
	for (size_t i = 0; i < f->n; i++) {
		unsigned tested = 0;
		for (unsigned v = 0; v < variables; v++)
			if (value(f->c[i], v) != 3)
				tested++, count[v]++;
		if (!tested)
			return variables;
	}
	for (unsigned v = 1; v < variables; v++)
		if (count[v] > count[most])
			most = v;
	return most;
}

static cover cofactor(const cover *f, unsigned v, unsigned side)
{
	cover g = { NULL, 0, 0 };
	for (size_t i = 0; i < f->n; i++)
		if (value(f->c[i], v) & side) {
			cube *c = cube_make(f->c[i]);
			value_set(c, v, 3);
			cover_add(&g, c);
		}
	return g;
}

/* Adds the cubes of `from`, restricted to a side of v, that none of the last 32 contains; drops `from`. */
static void merge(cover *to, cover *from, unsigned v, unsigned side)
{
	for (size_t i = 0; i < from->n; i++) {
		cube *c = cube_make(from->c[i]);
		value_set(c, v, side);
		int known = 0;
		for (size_t k = to->n > 32 ? to->n - 32 : 0; k < to->n && !known; k++)
			known = contains(to->c[k], c);
		if (known)
			free(c);
		else
			cover_add(to, c);
	}
	cover_drop(from);
}

static cover complement(const cover *f)
{
	cover g = { NULL, 0, 0 };
	if (!f->n) {
		cover_add(&g, cube_make(NULL));
		return g;
	}
	unsigned v = split_by(f);
	if (v == variables)
		return g;
	for (unsigned side = 1; side <= 2; side++) {
		cover half = cofactor(f, v, side), rest = complement(&half);
		cover_drop(&half);
		merge(&g, &rest, v, side);
	}
	return g;
}

static cover any_cover(uint64_t *seed, size_t cubes)
{
	cover f = { NULL, 0, 0 };
	for (size_t i = 0; i < cubes; i++) {
		cube *c = cube_make(NULL);
		for (unsigned k = 0; k < 4; k++)
			value_set(c, (unsigned)bench_below(seed, variables), 1 + (unsigned)bench_below(seed, 2));
		cover_add(&f, c);
	}
	return f;
}

int main(void)
{
	size_t functions = bench_scaled(150);
	uint64_t seed = bench_seed(11), check = 0;
	bench_start();
	for (size_t i = 0; i < functions; i++) {
		variables = 14 + i % 5 * 25;
		words = (variables + 31) / 32;
		cover f = any_cover(&seed, 7), g = complement(&f);
		for (size_t k = 0; k < g.n; k++)
			check = check * 31 + g.c[k]->w[0];
		cover_drop(&f);
		cover_drop(&g);
	}
	bench_stop();
	return bench_done(check);
}
