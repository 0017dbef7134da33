/* The program with an allocator of its own that exports 6 functions. BUILD: -rdynamic */
#define SYMBOLS 6
#include "s42_own.h"
