/* looker.c - takes snapshots of another process, one after the other, and says what each cost, in ns.
 *
 *   account-looker PID full|light|glance COUNT
 *   account-looker PID purge 1              asks it to purge */
#include "known.h"

#include <cairn/stats.h>

int main(int argc, char **argv)
{
	static cairn_snapshot s;
	if (argc != 4)
		return 2;
	uint32_t pid = (uint32_t)strtoul(argv[1], NULL, 10);
	if (!strcmp(argv[2], "purge"))
		return cairn_snapshot_ask_purge(pid);
	int (*take)(cairn_snapshot *, uint32_t) = argv[2][0] == 'f'   ? cairn_snapshot_take
						  : argv[2][0] == 'l' ? cairn_snapshot_take_light
								      : cairn_snapshot_glance;
	for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0; i--) {
		int error = take(&s, pid);
		if (error || !s.is_served)
			return 1;
		tell("cost", s.cost_ns);
	}
	return 0;
}
