/* Misuse of managed heaps ends the program with one line that says what was called and what it lacks: each way in a
 * process of its own, whose standard error is read. */
#include "heaps.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static place here, there;
static int word;

static void nothing(void *arg) { (void)arg; }
static node *of_other_heap(void) { return cairn_gc_new(there.m, node); }

static void pins_another_heaps(void) { cairn_gc_pin(here.m, of_other_heap()); }
static void pins_no_object(void) { cairn_gc_pin(here.m, &word); }
static void cleans_another_heaps(void) { cairn_gc_cleanup(here.m, of_other_heap(), nothing, NULL); }
static void cleans_no_object(void) { cairn_gc_cleanup(here.m, &word, nothing, NULL); }
static void guards_another_heaps(void) { cairn_gc_guard(there.m, cairn_gc_guardian_new(here.h), of_other_heap()); }
static void keys_by_another_heaps(void)
{
	cairn_gc_table_put(here.m, cairn_gc_table_new(here.h), of_other_heap(), NULL);
}
static void holds_another_heaps(void)
{
	cairn_gc_table_put(here.m, cairn_gc_table_new(here.h), cairn_gc_new(here.m, node), of_other_heap());
}
static void extends_another_heaps(void) { cairn_gc_external(here.m, of_other_heap(), 10); }
static void extends_what_was_freed(void)
{
	node *n = cairn_gc_new(here.m, node);
	cairn_gc_free(here.m, n);
	cairn_gc_external(here.m, n, 10);
}
static void frees_another_heaps(void) { cairn_gc_free(here.m, of_other_heap()); }
static void frees_no_object(void) { cairn_gc_free(here.m, NULL); }
static void frees_twice(void)
{
	node *n = cairn_gc_new(here.m, node), *behind = cairn_gc_new(here.m, node);
	cairn_gc_free(here.m, n);
	cairn_gc_free(here.m, n);
	cairn_gc_keep(behind);
}
static void frees_the_newest_twice(void)
{
	node *n = cairn_gc_new(here.m, node);
	cairn_gc_free(here.m, n);
	cairn_gc_free(here.m, n);
}
static void frees_a_large_one_twice(void)
{
	char *large = cairn_gc_new_bytes(here.m, 200 << 10);
	cairn_gc_free(here.m, large);
	cairn_gc_free(here.m, large);
}
static void attaches_to_none(void) { cairn_gc_attach(NULL); }
static void allocates_where_it_blocks(void) { CAIRN_GC_BLOCKING(here.m) cairn_gc_new(here.m, node); }
static void adds_roots_without_end(void)
{
	static cairn_ref(node) root;
	cairn_gc_roots_add(here.h, &root, SIZE_MAX / 4);
}
static void registers(cairn_gc_type t) { cairn_gc_register(&t); }
static void forgets_the_offset(void)
{
	registers((cairn_gc_type){ .name = "t", .size = 16, .tail_stride = 8, .tail_refs = 1 });
}
static void sets_a_strange_flag(void) { registers((cairn_gc_type){ .name = "t", .size = 16, .flags = 64 }); }

static const struct {
	void (*call)(void);
	const char *line; /* a part of it */
} ways[] = {
	{ pins_another_heaps, "cairn_gc_pin: no object of this heap" },
	{ pins_no_object, "cairn_gc_pin: no object of this heap" },
	{ cleans_another_heaps, "cairn_gc_cleanup: no object of this heap" },
	{ cleans_no_object, "cairn_gc_cleanup: no object of this heap" },
	{ guards_another_heaps, "cairn_gc_guard: no object of the guardian's heap" },
	{ keys_by_another_heaps, "cairn_gc_table_put: the key is no object of the table's heap" },
	{ holds_another_heaps, "cairn_gc_table_put: the value is no object of the table's heap" },
	{ extends_another_heaps, "cairn_gc_external: no object of this heap" },
	{ extends_what_was_freed, "cairn_gc_external: no object of this heap" },
	{ frees_another_heaps, "cairn_gc_free: no object of this heap, or freed already" },
	{ frees_no_object, "cairn_gc_free: no object of this heap, or freed already" },
	{ frees_twice, "cairn_gc_free: no object of this heap, or freed already" },
	{ frees_the_newest_twice, "cairn_gc_free: no object of this heap, or freed already" },
	{ frees_a_large_one_twice, "cairn_gc_free: no object of this heap, or freed already" },
	{ attaches_to_none, "cairn_gc_attach: no heap; errno says why cairn_gc_open returned NULL" },
	{ allocates_where_it_blocks, "allocated or collected inside a BLOCKING scope" },
	{ adds_roots_without_end, "cairn_gc_roots_add: not the address of a cairn_ref" },
	{ forgets_the_offset, "a trailing array needs tail_offset" },
	{ sets_a_strange_flag, "flags has a bit that means nothing" },
};

/* One way, in a program that was started for it: what is said goes to the standard error that it was started with. */
static int misuses(const char *way)
{
	here = place_open((cairn_gc_config){ .name = "here" });
	there = place_open((cairn_gc_config){ .name = "there" });
	ways[strtoul(way, NULL, 10)].call();
	return 0;
}

static void starts_itself(void *arg)
{
	const int *ends = arg;
	char way[16];
	snprintf(way, sizeof way, "%d", ends[2]);
	dup2(ends[1], 2);
	execl("/proc/self/exe", "misuse", way, NULL);
}

/* The status of the program; what it said, in `said`. */
static int status_and_words(int way, char *said, size_t room)
{
	int ends[3] = { 0, 0, way };
	if (pipe(ends))
		return -1;
	int status = child_status(starts_itself, ends);
	close(ends[1]);
	ssize_t n = read(ends[0], said, room - 1);
	said[n > 0 ? n : 0] = 0;
	close(ends[0]);
	return status;
}

static void misuse_is_told_in_one_line_and_ends_the_program(void)
{
	for (int i = 0; i < (int)(sizeof ways / sizeof *ways); i++) {
		char said[4096];
		int status = status_and_words(i, said, sizeof said);
		char *end = strchr(said, '\n');
		bool is_right = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && end && !end[1] &&
				strstr(said, ways[i].line);
		if (!is_right)
			NOTE("wanted \"%s\", status %d, said: %s", ways[i].line, status, said);
		EXPECT(is_right);
	}
}

int main(int count, char **words)
{
	if (count > 1)
		return misuses(words[1]);
	RUN(misuse_is_told_in_one_line_and_ends_the_program);
	DONE();
}
