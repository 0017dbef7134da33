#!/bin/sh
# s37: with 64 KiB pages it works, and purges nothing smaller
set -eu
# libc's own malloc knows the page size from elsewhere.
strict=strict
[ "$SO" != none ] || strict=
env LD_PRELOAD="$O/s37_page_size.so ${SO#none}" "$O/s37_page_size" $strict
