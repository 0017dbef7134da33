/* Pointers that are not ours, told apart. The table is in malloc/stranger.h. */
#include "cairn/malloc.h"
#include "malloc/stats.h"
#include "malloc/stranger.h"
#include "support/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

extern void *__libc_malloc(size_t bytes);

static int global = 1;

static void where_a_pointer_lies_says_what_it_is(void)
{
	int local = 1;
	char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(mapped != MAP_FAILED);
	EXPECT_EQ(cairn_stranger_of(mapped + 100), CAIRN_STRANGER_MAPPED);
	munmap(mapped, 8192);
	EXPECT_EQ(cairn_stranger_of(mapped + 100), CAIRN_STRANGER_MISUSE); /* nothing is there */
	EXPECT_EQ(cairn_stranger_of(&local), CAIRN_STRANGER_MISUSE);
	EXPECT_EQ(cairn_stranger_of(&global), CAIRN_STRANGER_MISUSE);
	EXPECT_EQ(cairn_stranger_of((void *)(uintptr_t)where_a_pointer_lies_says_what_it_is), CAIRN_STRANGER_MISUSE);
	EXPECT_EQ(cairn_stranger_of("a literal"), CAIRN_STRANGER_MISUSE);
	EXPECT_EQ(cairn_stranger_of((void *)8), CAIRN_STRANGER_MISUSE);
	EXPECT_EQ(cairn_stranger_of((void *)-4096), CAIRN_STRANGER_MISUSE);
}

static void a_block_of_libc_goes_to_libc(void)
{
	if (is_emulated())
		SKIP("an emulator's heap has no name in /proc/self/maps");
	char *p = __libc_malloc(100);
	REQUIRE(p);
	EXPECT_EQ(cairn_stranger_of(p), CAIRN_STRANGER_LIBC);
	EXPECT_EQ(cairn_malloc_usable_size(p), 0);
	strcpy(p, "kept");
	p = cairn_realloc(p, 2000);
	EXPECT(p && !strcmp(p, "kept"));
	cairn_free(p);
	char *again = __libc_malloc(2000); /* libc has it back */
	EXPECT(again == p);
	cairn_free(again);
}

static void a_block_of_another_mapping_is_counted_and_left_alone(void)
{
	char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(mapped != MAP_FAILED);
	mapped[64] = 5;
	uint64_t before = cairn_stats_control()->foreign_frees;
	int keep = dup(2), nothing = open("/dev/null", O_WRONLY);
	dup2(nothing, 2);
	for (int i = 0; i < 3; i++)
		cairn_free(mapped + 64);
	dup2(keep, 2);
	EXPECT_EQ(cairn_stats_control()->foreign_frees - before, 3);
	EXPECT(mapped[64] == 5);
	munmap(mapped, 8192);
}

static void free_it(void *p)
{
	dup2(open("/dev/null", O_WRONLY), 2);
	cairn_free(p);
}

static void realloc_it(void *p)
{
	dup2(open("/dev/null", O_WRONLY), 2);
	cairn_free(cairn_realloc(p, 100));
}

static void everything_else_aborts(void)
{
	int local;
	void *wrong[] = { &local, &global, (void *)8, (void *)(uintptr_t)free_it };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		EXPECT_EQ(child_status(free_it, wrong[i]) & 127, SIGABRT);
		EXPECT_EQ(child_status(realloc_it, wrong[i]) & 127, SIGABRT);
	}
}

int main(void)
{
	RUN(where_a_pointer_lies_says_what_it_is);
	RUN(a_block_of_libc_goes_to_libc);
	RUN(a_block_of_another_mapping_is_counted_and_left_alone);
	RUN(everything_else_aborts);
	DONE();
}
