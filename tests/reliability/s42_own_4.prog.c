/* The program with an allocator of its own that exports 4 functions. BUILD: -rdynamic */
#define SYMBOLS 4
#include "s42_own.h"
