/* A library that holds the address of a function with a resolver: the resolver runs while this library is relocated,
 * which is before a preloaded malloc is. BUILD: @O@/s02_ifunc.so -Wl,-rpath,@O@ */
#include "support.h"

int s02_picked(void);
int s02_call(void);

static int (*volatile held)(void) = s02_picked;
int s02_call(void) { return held() + s02_picked() - 42; }
