#!/bin/sh
# s65: mmap and mremap, noted or not, do what the kernel does, in signal handlers and beside forks too
set -eu
# Where cairn's table is: it is read as the command reads it, by its symbol.
table=
[ "$SO" = none ] || table=$(nm "$SO" 2>/dev/null | awk '$3 == "cairn_mappings" { print $1 }')
env LD_PRELOAD="${SO#none}" "$O/s65_mappings" "${SO##*/}" "${table:-0}"
