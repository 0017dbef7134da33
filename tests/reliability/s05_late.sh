#!/bin/sh
# s05: the library may be opened late, with little static TLS left, and leaves the running malloc alone
set -eu
late=$SO
[ "$SO" != none ] || late=libc.so.6
"$O/s05_late" "$O/s05_late.so" "$late"
