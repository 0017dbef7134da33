#!/bin/sh
# s29: it works in an empty chroot without /proc and /sys, and writes nothing to descriptors 0 to 2 when they are the program's
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, for chroot"; exit 77; }
root=$TMP/root
mkdir "$root"
cp "$O/s29_chroot" "$root/program"
copy() { # every library a file needs, at its own path
	ldd "$1" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$root/$(dirname "$lib")"
		cp -n "$lib" "$root/$lib" 2>/dev/null || :
	done
}
copy "$O/s29_chroot"
preload=
if [ "$SO" != none ]; then
	cp "$SO" "$root/malloc.so"
	copy "$SO"
	preload=/malloc.so
fi
"$CC" -O1 -static -o "$TMP/enter" -x c - <<'C'
#include <unistd.h>
int main(int argc, char **argv) {
	(void)argc;
	if (chroot(argv[1]) != 0 || chdir("/") != 0)
		return 100;
	close(0), close(1), close(2);
	char *args[] = { "program", NULL };
	char *env[] = { argv[2], argv[3], NULL };
	execve("/program", args, env);
	return 101;
}
C
for setting in CAIRN_NOTHING=1 CAIRN_SUMMARY=stderr; do
	status=0
	rm -f "$root/data"
	"$TMP/enter" "$root" "LD_PRELOAD=$preload" $setting || status=$?
	[ "$status" = 0 ] || { echo "$setting: exit status $status"; cat "$root/data"; exit 1; } >&2
	[ "$(cat "$root/data")" = "mine
mine
mine" ] || { echo "$setting: in the program's data: $(cat "$root/data")" >&2; exit 1; }
done
