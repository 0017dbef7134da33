#!/bin/sh
# s58: programs run alike whatever new and freed memory is filled with, and calloc is zero
set -eu
for byte in 0 1 85 170 255; do
	env LD_PRELOAD="${SO#none}" MALLOC_PERTURB_=$byte "$O/s58_fill" $byte || { echo "MALLOC_PERTURB_=$byte" >&2; exit 1; }
done
for fill in zero junk 12345; do
	env LD_PRELOAD="${SO#none}" CAIRN_FILL=$fill "$O/s58_fill" 0 || { echo "CAIRN_FILL=$fill" >&2; exit 1; }
done
