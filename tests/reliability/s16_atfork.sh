#!/bin/sh
# s16: fork handlers of other libraries may allocate in all three phases, registered before ours or after
set -eu
timeout 30 env LD_PRELOAD="${SO#none} $O/s16_atfork.so" "$O/s16_atfork" || { echo "handlers behind the malloc" >&2; exit 1; }
timeout 30 env LD_PRELOAD="$O/s16_atfork.so ${SO#none}" "$O/s16_atfork" || { echo "handlers before the malloc" >&2; exit 1; }
timeout 60 env LD_PRELOAD="${SO#none}" "$O/s16_mutex" || { echo "a mutex that handlers take" >&2; exit 1; }
timeout 60 env LD_PRELOAD="$O/s16_atfork.so ${SO#none}" "$O/s16_first" || { echo "the first fork beside threads" >&2; exit 1; }
