#!/bin/sh
# s66: with 200 MiB in pages that could be given back, a program goes on in a cgroup of 256 MiB, and under ulimit -d and -v of 256 and 384
set -eu
preload=${SO#none}
preload=${preload:+LD_PRELOAD=$preload}

# Under resource limits nobody is killed: malloc would return NULL, which the program counts as failed.
for limit in "-d 262144" "-v 393216"; do
	# shellcheck disable=SC2086,SC2163
	(ulimit $limit; exec env ${preload:+"$preload"} "$O/s66_purgeable" all) || { echo "under ulimit $limit: status $?" >&2; exit 1; }
done
for root in /sys/fs/cgroup/memory /sys/fs/cgroup /sys/fs/cgroup/unified; do
	for file in memory.max memory.limit_in_bytes; do
		group=$root/cairn-s66-$$
		mkdir "$group" 2>/dev/null || continue
		if [ -w "$group/$file" ]; then
			echo 268435456 >"$group/$file"
			for swap in memory.swap.max memory.memsw.limit_in_bytes; do
				[ ! -w "$group/$swap" ] || echo 268435456 >"$group/$swap" 2>/dev/null || true
			done
			status=0
			sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec env "$@"' sh "$group" ${preload:+"$preload"} "$O/s66_purgeable" || status=$?
			rmdir "$group"
			[ "$status" = 0 ] || { echo "exit status $status (137: killed)" >&2; exit 1; }
			exit 0
		fi
		rmdir "$group"
	done
done
echo "no memory cgroup can be made here"
exit 77
