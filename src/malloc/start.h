/* malloc/start.h - malloc's start: once, at the first request of the process, before any constructor if need be. */
#ifndef CAIRN_MALLOC_START_H
#define CAIRN_MALLOC_START_H

#include <stdbool.h>

/* Idempotent and cheap when done. Threads: any; the first one starts, others that come meanwhile wait. */
void cairn_start(void);
/* Is every call to be checked: CAIRN_CHECK=1? Const after start. A variable: operator delete asks each time. */
extern bool cairn_is_checking __attribute__((visibility("hidden")));

#endif
