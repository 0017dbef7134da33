#!/bin/sh
# s01: the first call may come before every constructor and beside an audit library
set -eu
says() { [ "$("$@" env LD_PRELOAD="${SO#none}" "$O/s01_preinit")" = "200 blocks before main" ]; }
says env || { echo "from preinit_array" >&2; exit 1; }
[ "$(env LD_PRELOAD="${SO#none}" LD_AUDIT="$O/s01_audit.so" "$O/s01_preinit")" = "200 blocks before main" ] ||
	{ echo "beside an audit library" >&2; exit 1; }
