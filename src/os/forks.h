/* os/forks.h - whose handlers of fork come first.
 *
 * The malloc floor takes the page heap's and os/meta's locks over a fork, which rank above those of the floors beside
 * it. Handlers that are registered later run earlier: so those floors call this before they register theirs. */
#ifndef CAIRN_OS_FORKS_H
#define CAIRN_OS_FORKS_H

/* Idempotent; may allocate. Defined by the malloc floor. Any thread. */
void cairn_forks_register(void);

#endif
