#!/bin/sh
# s43: static programs and Go programs run as they are
set -eu
printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { char *p = malloc(100); sprintf(p, "static"); puts(p); free(p); return 3; }\n' >"$TMP/hello.c"
"$CC" -O1 -static -o "$TMP/static" "$TMP/hello.c"
programs=static
go=$(command -v go || ls /usr/local/go/bin/go 2>/dev/null || :)
if [ -n "$go" ]; then
	mkdir "$TMP/src"
	printf 'package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc main() {\n\tm := map[int]string{}\n\tfor i := 0; i < 100000; i++ {\n\t\tm[i] = fmt.Sprint(i)\n\t}\n\tfmt.Println("go")\n\tos.Exit(3)\n}\n' >"$TMP/src/main.go"
	(cd "$TMP/src" && HOME=$TMP GOCACHE=$TMP/cache GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 "$go" build -o "$TMP/go" main.go) && programs="static go"
	chmod -R u+w "$TMP/cache" 2>/dev/null || :
fi
cairn=$(dirname "$SO")/cairn
for program in $programs; do
	status=0
	said=$(env LD_PRELOAD="${SO#none}" "$TMP/$program" 2>"$TMP/err") || status=$?
	[ "$status" = 3 ] && [ "$said" = "$program" ] && [ ! -s "$TMP/err" ] ||
		{ echo "$program: status $status, said $said, $(cat "$TMP/err")" >&2; exit 1; }
	if [ "$(basename "$SO")" = libcairn.so ] && [ -x "$cairn" ]; then
		status=0
		said=$("$cairn" run -- "$TMP/$program" 2>"$TMP/err") || status=$?
		[ "$status" = 3 ] && [ "$said" = "$program" ] || { echo "cairn run $program: status $status, said $said" >&2; exit 1; }
		why=$(tr -s ' \n' ' ' <"$TMP/err" | grep -o 'could not serve it: [^.]*')
		[ -n "$why" ] || { echo "cairn run does not say why: $(cat "$TMP/err")" >&2; exit 1; }
		echo "cairn run of $program: $why"
	fi
done
[ "$programs" != static ] || echo "no go here: the Go program was not tried"
