#!/bin/sh
# s03: libraries that wrap mmap, munmap, madvise, open and getenv and allocate there work, in both load orders
set -eu
timeout 20 env LD_PRELOAD="${SO#none} $O/s03_hooks.so" "$O/s03_hooks" || { echo "hooks behind the malloc" >&2; exit 1; }
timeout 20 env LD_PRELOAD="$O/s03_hooks.so ${SO#none}" "$O/s03_hooks" || { echo "hooks before the malloc" >&2; exit 1; }
