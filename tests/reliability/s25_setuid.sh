#!/bin/sh
# s25: a setuid program runs as ever, and a hostile environment makes it write nothing
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, to make a setuid program"; exit 77; }
case $(findmnt -no OPTIONS -T "$TMP" 2>/dev/null) in *nosuid*) echo "$TMP is mounted nosuid"; exit 77 ;; esac
chmod 755 "$TMP"
mkdir -m 777 "$TMP/open"
cp "$O/s25_setuid" "$TMP/plain"
if [ "$SO" != none ]; then
	cp "$SO" "$TMP/malloc.so"
	# Linked to the malloc, so that it is loaded in spite of the setuid bit.
	"$CC" -O1 -pthread -I"$HERE" -o "$TMP/linked" "$HERE/s25_setuid.prog.c" -Wl,--no-as-needed "$TMP/malloc.so" -Wl,-rpath,"$TMP"
	soname=$(readelf -d "$TMP/malloc.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
	[ -z "$soname" ] || ln -s malloc.so "$TMP/$soname"
else
	cp "$TMP/plain" "$TMP/linked"
fi
chown 0:0 "$TMP/plain" "$TMP/linked"
chmod 4755 "$TMP/plain" "$TMP/linked"
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
for program in plain linked; do
	status=0
	as_nobody env LD_PRELOAD="${SO#none}" CAIRN_SUMMARY="$TMP/open/summary" CAIRN_RUN="$TMP/open" CAIRN_CHECK=1 \
		MALLOC_CONF=stats_print:true,prof:true MIMALLOC_SHOW_STATS=1 MIMALLOC_VERBOSE=1 HEAPPROFILE="$TMP/open/heap" \
		"$TMP/$program" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 3 ] || { echo "$program: exit status $status"; cat "$TMP/err"; exit 1; } >&2
	[ "$(cat "$TMP/out")" = "uid 65534 euid 0 secure 1" ] || { echo "$program: said $(cat "$TMP/out")" >&2; exit 1; }
	[ -z "$(ls "$TMP/open")" ] || { echo "$program: wrote $(ls "$TMP/open")" >&2; exit 1; }
	said=$(grep -v 'cannot be preloaded' "$TMP/err" || :)
	[ -z "$said" ] || { echo "$program: the environment made it say: $said" >&2; exit 1; }
done
# The command says why it had no effect.
cairn=$(dirname "$SO")/cairn
if [ "$(basename "$SO")" = libcairn.so ] && [ -x "$cairn" ]; then
	cp "$cairn" "$TMP/cairn" && cp "$SO" "$TMP/libcairn.so"
	status=0
	cd / && as_nobody "$TMP/cairn" run -- "$TMP/plain" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 3 ] || { echo "cairn run: exit status $status" >&2; exit 1; }
	why=$(tr -s ' \n' ' ' <"$TMP/err" | grep -o 'could not serve it: .*rights[^.]*')
	[ -n "$why" ] || { echo "cairn run does not say why: $(cat "$TMP/err")" >&2; exit 1; }
	echo "cairn run: $why"
fi
