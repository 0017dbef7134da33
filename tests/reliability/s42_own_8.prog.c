/* The program with an allocator of its own that exports 8 functions. BUILD: -rdynamic */
#define SYMBOLS 8
#include "s42_own.h"
