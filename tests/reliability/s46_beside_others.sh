#!/bin/sh
# s46: beside a second preloaded malloc, ASan or valgrind, in either order, programs run
set -eu
failed=0
try() { # what, command...
	what=$1
	shift
	status=0
	timeout -k 1 60 "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 0 ] && grep -q done "$TMP/out" && return 0
	echo "$what: status $status; $(tail -n 3 "$TMP/err")" >&2
	failed=1
}
preload=${SO#none}
tried=
for other in /usr/lib/*-linux-gnu/libjemalloc.so.2 /usr/lib/*-linux-gnu/libmimalloc.so.2 \
	/usr/lib/*-linux-gnu/libtcmalloc_minimal.so.4; do
	[ -f "$other" ] && [ "$other" != "$SO" ] || continue
	try "before $(basename "$other")" env LD_PRELOAD="$preload $other" "$O/s46_beside_others"
	try "behind $(basename "$other")" env LD_PRELOAD="$other $preload" "$O/s46_beside_others"
	tried="$tried $(basename "$other")"
done
asan=$("$CC" -print-file-name=libasan.so)
if [ -e "$asan" ]; then
	"$CC" -O1 -g -pthread -fsanitize=address -w -I"$HERE" -o "$TMP/asan" "$HERE/s46_beside_others.prog.c"
	real=$(ldd "$TMP/asan" | sed -n 's/.*=> \(.*libasan[^ ]*\).*/\1/p')
	try "behind ASan" env ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$real $preload" "$TMP/asan"
	try "before ASan" env ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 LD_PRELOAD="$preload $real" "$TMP/asan"
	tried="$tried ASan"
fi
if command -v valgrind >/dev/null; then
	try "under valgrind" env LD_PRELOAD="$preload" valgrind -q --error-exitcode=9 "$O/s46_beside_others"
	tried="$tried valgrind"
fi
[ -n "$tried" ] || { echo "no other malloc, ASan or valgrind is here"; exit 77; }
echo "beside$tried"
exit $failed
