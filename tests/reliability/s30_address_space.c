/* s30: under RLIMIT_AS programs get 80 % of 64 MiB to 8 GiB, and 1.25 times what libc's malloc needs is enough */
#include "limits.h"

int main(int argc, char **argv) {
	if (argc == 2 && strcmp(argv[1], "needy") == 0) {
		needy();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "small") == 0) {
		small();
		return 0;
	}
	if (argc == 2) {
		struct rlimit limit;
		void *list = NULL;
		CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
		size_t got = fill(limit.rlim_cur > 2 * GIB ? MIB : 1000, &list);
		double share = (double)got / (double)limit.rlim_cur;
		NOTE("of %llu MiB: %.0f %%\n", (unsigned long long)limit.rlim_cur >> 20, share * 100);
		CHECK_SAY(share >= 0.80, "%.1f %% of %llu MiB", share * 100, (unsigned long long)limit.rlim_cur >> 20);
		return 0;
	}
	int failed = 0;
	for (size_t mib = 64; mib <= 8192; mib *= mib < 2048 ? 2 : 4)
		failed += !ended_well("share", again(argv[0], "share", RLIMIT_AS, mib * MIB, false));
	size_t enough = needed(argv[0], RLIMIT_AS), granted = enough + enough / 4;
	NOTE("libc's malloc needs %zu MiB; run with %zu\n", enough / MIB, granted / MIB);
	int status = again(argv[0], "needy", RLIMIT_AS, granted, false);
	failed += !ended_well("1.25 times what libc's malloc needs", status);
	failed += small_programs(argv[0], RLIMIT_AS, 0);
	CHECK(failed == 0);
	return 0;
}
