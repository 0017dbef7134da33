/* all.c - the whole library as one unit, for embedders and for the compiler's benefit:
 *
 *   cc -O2 -pthread -Iinclude -Isrc -c src/all.c
 *
 * Floors from the ground up, so that what a file uses stands above it. Static names are therefore unique across src/.
 * scripts/check-layers says so when a source is missing here; malloc/mapcalls.c is the shared library's alone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

/* What runs seldom is compiled for size: every page of the library's text that lies near one in use is resident. */
#ifdef __clang__
#define SELDOM_BEGIN
#define SELDOM_END
#else
#define SELDOM_BEGIN _Pragma("GCC push_options") _Pragma("GCC optimize (\"Os\", \"no-strict-aliasing\")")
#define SELDOM_END   _Pragma("GCC pop_options")
#endif

/* Their inline functions are hot also where a file that seldom runs asks for them first. */
#include "base/single.h"
#include "malloc/slab.h"
#include "malloc/threads.h"
#include "page/window.h"

SELDOM_BEGIN
#include "base/line.c"
SELDOM_END
#include "os/clock.c"
SELDOM_BEGIN
#include "os/bounds.c"
#include "os/cgroup.c"
#include "os/env.c"
#include "os/identity.c"
#include "os/limits.c"
SELDOM_END
#include "os/lock.c"
SELDOM_BEGIN
#include "os/mappings.c"
SELDOM_END
#include "os/meta.c"
SELDOM_BEGIN
#include "os/objects.c"
#include "os/report.c"
#include "os/sandbox.c"
#include "os/shared.c"
SELDOM_END
#include "os/sys.c"
#include "os/sys_aarch64.c"
#include "os/sys_x86_64.c"
SELDOM_BEGIN
#include "os/thread.c"
#include "os/vm_linux.c"

#include "page/corefile.c"
#include "page/huge.c"
SELDOM_END
#include "page/pageheap.c"
#include "page/purge.c"
#include "page/window.c"

#include "malloc/cache.c"
#include "malloc/central.c"
SELDOM_BEGIN
#include "malloc/counters.c"
SELDOM_END
#if !CAIRN_CXX_APART /* a member of its own in libcairn.a */
#include "malloc/cxx.c"
#endif
SELDOM_BEGIN
#include "malloc/emergency.c"
SELDOM_END
#include "malloc/family.c"
SELDOM_BEGIN
#include "malloc/fork.c"
SELDOM_END
#include "malloc/heap.c"
SELDOM_BEGIN
#include "malloc/info.c"
SELDOM_END
#include "malloc/interpose.c"
#include "malloc/large.c"
SELDOM_BEGIN
#include "malloc/lend.c"
#include "malloc/limit.c"
SELDOM_END
#include "malloc/malloc.c"
SELDOM_BEGIN
#include "malloc/misuse.c"
#include "malloc/outside.c"
#include "malloc/owner.c"
SELDOM_END
#include "malloc/shelf.c"
#include "malloc/sizeclass.c"
#include "malloc/slab.c"
SELDOM_BEGIN
#include "malloc/slabhide.c"
SELDOM_END
#include "malloc/slabpurge.c"
#include "malloc/slow.c"
SELDOM_BEGIN
#include "malloc/start.c"
SELDOM_END
#include "malloc/stats.c"
SELDOM_BEGIN
#include "malloc/still.c"
#include "malloc/stranger.c"
SELDOM_END
#include "malloc/tend.c"
#include "malloc/threads.c"
SELDOM_BEGIN
#include "malloc/visit.c"
SELDOM_END

#if !CAIRN_LENS_APART /* objects of their own in the libraries */
SELDOM_BEGIN
#include "lens/account.c"
#include "lens/account_json.c"
#include "lens/account_text.c"
#include "lens/heapwalk.c"
#include "lens/managedwalk.c"
#include "lens/peer.c"
#include "lens/placefiles.c"
#include "lens/places.c"
#include "lens/snapshot.c"
#include "lens/snapshot_json.c"
#include "lens/snapshot_text.c"
#include "lens/snapshotlimits.c"
#include "lens/snapshotlines.c"
#include "lens/snapshotmanaged.c"
#include "lens/summary.c"
#include "lens/undeclared.c"
#include "lens/variables.c"
#include "lens/writer.c"
SELDOM_END
#endif

#if !CAIRN_GC_APART /* likewise */
#include "gc/allocate.c"
#include "gc/resize.c"
#include "gc/ambiguous.c"
#include "gc/blocks.c"
#include "gc/blockpurge.c"
#include "gc/cells.c"
#include "gc/cleanups.c"
#include "gc/collect.c"
#include "gc/deaths.c"
#include "gc/external.c"
#include "gc/fields.c"
#include "gc/gcreport.c"
#include "gc/guardians.c"
#include "gc/handles.c"
#include "gc/hash.c"
#include "gc/heapfork.c"
#include "gc/laggard.c"
#include "gc/looks.c"
#include "gc/managed.c"
#include "gc/missing.c"
#include "gc/mutators.c"
#include "gc/objectmap.c"
#include "gc/pace.c"
#include "gc/plan/generational.c"
#include "gc/plan/markcompact.c"
#include "gc/plan/marksweep.c"
#include "gc/plan/none.c"
#include "gc/plan/semispace.c"
#include "gc/plan/slide.c"
#include "gc/reached.c"
#include "gc/registers.c"
#include "gc/rootname.c"
#include "gc/roots.c"
#include "gc/shadow.c"
#include "gc/sizing.c"
#include "gc/slabs.c"
#include "gc/stacks.c"
#include "gc/survey.c"
#include "gc/tables.c"
#include "gc/trace.c"
#include "gc/tracing.c"
#include "gc/types.c"
#include "gc/update.c"
#include "gc/verify.c"
#include "gc/workers.c"
#include "gc/world.c"
#include "gc/mixed.c"
#include "gc/young.c"
#include "gc/zeal.c"
#endif
