#!/bin/sh
# s35: a program whose live memory comes to 90 % of its cgroup's limit, in one size after another, is not killed
set -eu
for root in /sys/fs/cgroup/memory /sys/fs/cgroup /sys/fs/cgroup/unified; do
	for file in memory.max memory.limit_in_bytes; do
		group=$root/cairn-s35-$$
		mkdir "$group" 2>/dev/null || continue
		if [ -w "$group/$file" ]; then
			echo 268435456 >"$group/$file"
			[ ! -w "$group/memory.swap.max" ] || echo 0 >"$group/memory.swap.max"
			status=0
			sh -c 'echo $$ >"$1/cgroup.procs"; export LD_PRELOAD="$2"; exec "$3"' sh "$group" "${SO#none}" "$O/s35_cgroup" || status=$?
			rmdir "$group"
			[ "$status" = 0 ] || { echo "exit status $status (137: killed)" >&2; exit 1; }
			exit 0
		fi
		rmdir "$group"
	done
done
echo "no memory cgroup can be made here"
exit 77
