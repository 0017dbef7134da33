/* limits.h - what the scenarios about RLIMIT_AS and RLIMIT_DATA share. */
#ifndef CAIRN_TESTS_RELIABILITY_LIMITS_H
#define CAIRN_TESTS_RELIABILITY_LIMITS_H
#include "support.h"

/* Blocks of 1000 bytes until malloc says no; returns usable bytes obtained. errno must be ENOMEM. */
UNUSED static size_t fill(size_t block_bytes, void **list) {
	size_t got = 0;
	for (void **p; (p = malloc(block_bytes)); got += malloc_usable_size(p)) {
		*p = *list;
		*list = p;
	}
	CHECK(errno == ENOMEM);
	return got;
}

/* A program's work, for "how much does it need": 40 MB of mixed blocks at its height, and growth of a large one. */
UNUSED static void needy(void) {
	static void *p[60000];
	uint32_t seed = 30;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 60000; i++) {
			size_t bytes = 16 + dice(&seed) % 1300;
			p[i] = malloc(bytes);
			CHECK_SAY(p[i], "block %d of round %d, %zu bytes", i, round, bytes);
			memset(p[i], 1, bytes);
		}
		for (int i = 0; i < 60000; i++)
			free(p[i]);
	}
	char *big = NULL;
	for (size_t bytes = MIB; bytes <= 16 * MIB; bytes += MIB) {
		big = realloc(big, bytes);
		CHECK_SAY(big, "realloc to %zu MiB", bytes / MIB);
		big[bytes - 1] = 1;
	}
	free(big);
	churn(30, 5000);
}

/* Runs this program again as `argv[0] word` under a limit (0: none), on libc's malloc when plain. Returns the
 * wait status. */
UNUSED static int again(const char *self, const char *word, int resource, size_t limit, bool plain) {
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (plain)
			unsetenv("LD_PRELOAD");
		alarm(60);
		if (limit)
			CHECK(setrlimit(resource, &(struct rlimit){ limit, limit }) == 0);
		execl(self, self, word, (char *)NULL);
		_exit(126);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}
/* The least limit, within a sixteenth, under which the needy program ends well on libc's malloc. */
UNUSED static size_t needed(const char *self, int resource) {
	size_t low = 16 * MIB, high = 256 * MIB;
	int quiet = open("/dev/null", O_WRONLY), kept = dup(2);
	dup2(quiet, 2);
	while (high - low > high / 32) {
		size_t middle = low + (high - low) / 2;
		if (again(self, "needy", resource, middle, true) == 0)
			high = middle;
		else
			low = middle;
	}
	dup2(kept, 2);
	close(kept);
	close(quiet);
	return high;
}

/* ---- Small programs ---- */

/* Does the program end well under this limit? With the locale "C": another one is silently done without where it cannot
 * be mapped, and then less is enough than a little less. */
UNUSED static bool lives(char *const *program, int resource, size_t limit, bool plain) {
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		int nothing = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(nothing, fd);
		if (plain)
			unsetenv("LD_PRELOAD");
		setenv("LC_ALL", "C", 1);
		alarm(60);
		CHECK(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) == 0);
		CHECK(setrlimit(resource, &(struct rlimit){ limit, limit }) == 0);
		execv(program[0], program);
		_exit(126);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	return status == 0;
}

/* The least limit, to 8 KiB, under which it ends well. */
UNUSED static size_t least(char *const *program, int resource, bool plain) {
	size_t low = 0, high = 32 * MIB;
	CHECK(lives(program, resource, high, plain));
	while (high - low > 8 * KIB) {
		size_t middle = low + (high - low) / 2;
		if (lives(program, resource, middle, plain))
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* A thousand blocks of many sizes: what a small program does. */
UNUSED static void small(void) {
	static void *p[1000];
	for (int i = 0; i < 1000; i++) {
		p[i] = malloc(16 + (size_t)i % 500);
		CHECK(p[i]);
		memset(p[i], 1, 16 + (size_t)i % 500);
	}
	for (int i = 0; i < 1000; i++)
		free(p[i]);
}

/* Programs that need little: each lives with 1.25 times what it needs on libc's malloc, and so much more. How many do
 * not. */
UNUSED static int small_programs(const char *self, int resource, size_t more) {
	static char *list[][5] = { { "/bin/true" }, { "/bin/ls", "/" }, { "/bin/cat", "/etc/passwd" },
		{ "/bin/sed", "-n", "1p", "/etc/passwd" }, { "/bin/sh", "-c", "ls /" },
		{ "/bin/bash", "-c", "for i in 1 2 3 4 5 6 7 8; do x=\"$x $i\"; done" },
		{ "/usr/bin/sqlite3", ":memory:",
			"create table t(a, b); with recursive c(x) as "
			"(select 1 union all select x + 1 from c where x < 2000) "
			"insert into t select x, hex(x * 7777777777) from c; "
			"create index i on t(b); select count(*) from t;" },
		{ NULL, "small" } };
	int failed = 0;
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
		if (!list[i][0])
			list[i][0] = (char *)self;
		if (access(list[i][0], X_OK) != 0)
			continue;
		size_t plain = least(list[i], resource, true), granted = plain + plain / 4 + more;
		bool ok = lives(list[i], resource, granted, false);
		NOTE("%s: libc's malloc needs %zu KiB; %s with %zu\n", list[i][0], plain / KIB, ok ? "lives" : "DIES",
			granted / KIB);
		failed += !ok;
	}
	return failed;
}
#endif
