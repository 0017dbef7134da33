/* s57: mallinfo2, mallinfo and malloc_info tell real numbers, also over 2 GiB, and mallopt is kept */
#include "support.h"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo */

enum { BLOCKS = 2500 };
static void *p[BLOCKS];

/* A handler that allocates finds no lock held. */
static void on_signal(int number) {
	(void)number;
	free(malloc(3 * MIB));
}
static int asked_beside_signals(void *unused) {
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 100000 }, { 0, 100000 } };
	timer_t timer;
	(void)unused;
	CHECK(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &every, NULL) == 0);
	for (double end = now() + 1; now() < end;)
		for (int i = 0; i < 1000; i++)
			mallinfo2();
	return 0;
}
int main(void) {
	CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
	CHECK(mallopt(M_ARENA_MAX, 2) == 1);
	CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
	struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < BLOCKS; i++)
		p[i] = malloc(1000000);
	struct mallinfo2 full = mallinfo2();
	struct mallinfo small = mallinfo();
	size_t in_use = full.uordblks + full.hblkhd - before.uordblks - before.hblkhd;
	NOTE("mallinfo2: %zu MB in use for 2500; mallinfo: uordblks %d\n", in_use / 1000000, small.uordblks);
	CHECK_SAY(in_use >= 2500u * 1000000ull && in_use < 3200u * 1000000ull, "mallinfo2: %zu more in use", in_use);
	if (is_cairn()) /* libc's wraps around */
		CHECK_SAY(small.uordblks >= 0 && small.hblkhd >= 0 && small.arena >= 0 && small.fordblks >= 0,
		          "mallinfo: uordblks %d, hblkhd %d, arena %d", small.uordblks, small.hblkhd, small.arena);
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	CHECK(f && malloc_info(0, f) == 0 && fclose(f) == 0);
	CHECK_SAY(bytes > 100 && strncmp(text, "<malloc version=", 16) == 0, "%.100s", text);
	CHECK_SAY(strstr(text, "</malloc>"), "%.100s", text);
	CHECK(malloc_info(1, stderr) != 0);
	free(text);
	for (int i = 0; i < BLOCKS; i++)
		free(p[i]);
	struct mallinfo2 after = mallinfo2();
	size_t in_use_after = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	CHECK_SAY(in_use_after < 100 * MIB, "%zu more in use after all was freed", in_use_after);
	malloc_stats();
	CHECK(!is_cairn() || ended_well("mallinfo2 beside signals", in_child(asked_beside_signals, NULL, 10)));
	return 0;
}
