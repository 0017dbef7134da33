/* s32: under RLIMIT_DATA programs get 80 % of 100 MB, and 1.25 times libc's need is enough, small ones too */
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
		CHECK(getrlimit(RLIMIT_DATA, &limit) == 0);
		size_t got = fill(1000, &list);
		double share = (double)got / (double)limit.rlim_cur;
		NOTE("of %llu MB: %.0f %%\n", (unsigned long long)limit.rlim_cur / 1000000, share * 100);
		CHECK_SAY(share >= 0.80, "%.1f %%", share * 100);
		return 0;
	}
	int failed = !ended_well("share of 100 MB", again(argv[0], "share", RLIMIT_DATA, 100000000, false));
	failed += !ended_well("share of 512 MB", again(argv[0], "share", RLIMIT_DATA, 512000000, false));
	size_t enough = needed(argv[0], RLIMIT_DATA), granted = enough + enough / 4;
	NOTE("libc's malloc needs %zu MiB; run with %zu\n", enough / MIB, granted / MIB);
	int status = again(argv[0], "needy", RLIMIT_DATA, granted, false);
	failed += !ended_well("1.25 times what libc's malloc needs", status);
	failed += small_programs(argv[0], RLIMIT_DATA, 0);
	CHECK(failed == 0);
	return 0;
}
