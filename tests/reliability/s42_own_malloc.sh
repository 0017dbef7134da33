#!/bin/sh
# s42: a program that brings its own malloc (4, 6 or 8 of its functions) gets no block of ours and hands us none
set -eu
for symbols in 4 6 8; do
	env LD_PRELOAD="${SO#none}" "$O/s42_own_$symbols" || { echo "with $symbols symbols" >&2; exit 1; }
done
