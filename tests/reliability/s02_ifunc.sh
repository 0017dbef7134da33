#!/bin/sh
# s02: malloc may be called by an IFUNC resolver, also before the malloc itself is relocated
set -eu
user=$O/s02_user.so
for bind in "" 1; do
	export LD_BIND_NOW=$bind
	env LD_PRELOAD="${SO#none}" "$O/s02_late" "$user" || { echo "opened while the program runs" >&2; exit 1; }
	env LD_PRELOAD="$user ${SO#none}" "$O/s02_ifunc" || { echo "loaded before the malloc" >&2; exit 1; }
	env LD_PRELOAD="${SO#none}" "$O/s02_ifunc" || { echo "loaded after the malloc, relocated before it" >&2; exit 1; }
done
