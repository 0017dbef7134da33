/* A library that eats 1400 bytes of the static TLS left for late libraries. BUILD: -ftls-model=initial-exec */
#include "support.h"

static __thread char eaten[1400];
char *s05_eat(void);
char *s05_eat(void) { return eaten; }
