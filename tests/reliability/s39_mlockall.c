/* s39: with mlockall, before or after, with or without RLIMIT_MEMLOCK, calloc is zero and little is resident */
#include "support.h"

typedef struct order {
	bool first;       /* mlockall before the heap is used */
	size_t limit_mib; /* RLIMIT_MEMLOCK of an ordinary user; 0: root, without limit */
} order;
static void *p[20000];

static void use(size_t count) {
	for (size_t i = 0; i < count; i++) {
		p[i] = malloc(1 + i % 2000);
		CHECK(p[i]);
		memset(p[i], 0xAA, 1 + i % 2000);
	}
	for (size_t i = 0; i < count; i++)
		free(p[i]);
	malloc_trim(0);
	usleep(300000);
	for (size_t i = 0; i < count / 2; i++) {
		size_t bytes = 1 + i % 2000;
		unsigned char *q = p[i] = calloc(1, bytes);
		CHECK(q);
		for (size_t k = 0; k < bytes; k++)
			CHECK_SAY(!q[k], "calloc(%zu) is not zero at %zu", bytes, k);
	}
	for (size_t i = 0; i < count / 2; i++)
		free(p[i]);
	free(realloc(calloc(1, MIB), 2 * MIB));
}
static int locked(void *arg) {
	order *o = arg;
	size_t count = o->limit_mib ? 1000 : 20000;
	if (o->limit_mib) {
		struct rlimit limit = { o->limit_mib * MIB, o->limit_mib * MIB };
		CHECK_SAY(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit: %s", strerror(errno));
		if (geteuid() == 0)
			CHECK(setresuid(65534, 65534, 65534) == 0);
	}
	if (!o->first)
		use(count);
	CHECK_SAY(mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall: %s", strerror(errno));
	use(count);
	if (!o->limit_mib)
		churn(39, 3000);
	size_t rss = rss_bytes(), most = o->limit_mib ? o->limit_mib * MIB : 128 * MIB;
	NOTE("mlockall %s%s: %zu MiB resident\n", o->first ? "first" : "later",
	     o->limit_mib ? ", by an ordinary user under RLIMIT_MEMLOCK" : "", rss / MIB);
	CHECK_SAY(rss <= most, "%zu MiB resident", rss / MIB);
	return 0;
}
int main(void) {
	int failed = 0;
	struct rlimit hard;
	CHECK(getrlimit(RLIMIT_MEMLOCK, &hard) == 0);
	size_t limit_mib = hard.rlim_max < 64 * MIB ? (size_t)hard.rlim_max / MIB : 64;
	if (limit_mib < 8)
		skip("RLIMIT_MEMLOCK is under 8 MiB here");
	for (int i = 0; i < 4; i++) {
		order o = { i % 2, i < 2 ? 0 : limit_mib };
		if (!o.limit_mib && geteuid() != 0)
			continue;
		char what[100];
		const char *order_name = o.first ? "first" : "later";
		snprintf(what, sizeof what, "mlockall %s, RLIMIT_MEMLOCK %zu MiB", order_name, o.limit_mib);
		failed += !ended_well(what, in_child(locked, &o, 30));
	}
	CHECK(failed == 0);
	return 0;
}
