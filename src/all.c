/* all.c - the whole library as one unit, for embedders and for the compiler's benefit:
 *
 *   cc -O2 -pthread -Iinclude -Isrc -c src/all.c
 *
 * Floors from the ground up, so that what a file uses stands above it. Static names are therefore unique across src/.
 * scripts/check-layers says so when a source is missing here. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/line.c"

#include "os/clock.c"
#include "os/env.c"
#include "os/limits.c"
#include "os/lock.c"
#include "os/meta.c"
#include "os/report.c"
#include "os/sandbox.c"
#include "os/shared.c"
#include "os/sys.c"
#include "os/sys_aarch64.c"
#include "os/sys_x86_64.c"
#include "os/thread.c"
#include "os/vm_linux.c"

#include "page/corefile.c"
#include "page/pageheap.c"
#include "page/purge.c"
#include "page/window.c"

#include "malloc/cache.c"
#include "malloc/central.c"
#if !CAIRN_CXX_APART /* a member of its own in libcairn.a */
#include "malloc/cxx.c"
#endif
#include "malloc/emergency.c"
#include "malloc/family.c"
#include "malloc/fork.c"
#include "malloc/heap.c"
#include "malloc/info.c"
#include "malloc/interpose.c"
#include "malloc/large.c"
#include "malloc/lend.c"
#include "malloc/malloc.c"
#include "malloc/misuse.c"
#include "malloc/shelf.c"
#include "malloc/sizeclass.c"
#include "malloc/slab.c"
#include "malloc/slabhide.c"
#include "malloc/slabpurge.c"
#include "malloc/slow.c"
#include "malloc/start.c"
#include "malloc/stats.c"
#include "malloc/stranger.c"
#include "malloc/tend.c"
#include "malloc/threads.c"

#include "lens/account.c"
#include "lens/account_json.c"
#include "lens/account_text.c"
#include "lens/summary.c"
#include "lens/writer.c"
