#!/bin/sh
# s45: blocks of a library opened with RTLD_DEEPBIND, and of libc itself, may be freed and grown by the program
set -eu
env LD_PRELOAD="${SO#none}" "$O/s45_deepbind" "$O/s45_deepbind.so"
if env LD_PRELOAD="${SO#none}" "$O/s45_deepbind" "$O/s45_deepbind.so" theirs >/dev/null 2>&1; then
	echo "the other way round, the library may free ours"
else
	echo "the other way round, libc's free of our block, ends the program: libc says invalid pointer"
fi
