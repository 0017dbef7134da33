/* base/heapmappage.h - the layout of what tells a reader from outside where the heap is, for who fills it in. */
#ifndef CAIRN_BASE_HEAPMAPPAGE_H
#define CAIRN_BASE_HEAPMAPPAGE_H

#include "wire/heapmap.h"

#endif
