#!/bin/sh
# s06: the library may be closed while threads that used it live
set -eu
late=$SO
[ "$SO" != none ] || late=libc.so.6
"$O/s06_dlclose" "$late"
