/* os/env.h - settings from the environment, read before libc may be ready.
 *
 * In a set-user-ID program (AT_SECURE) every variable reads as absent. Where libc's environ is not set up yet, the
 * initial environment is read from /proc/self/environ. Values are copied: they stay valid.
 * Threads: cairn_env_* after the first call of cairn_env_init; that one is idempotent and called by malloc's start. */
#ifndef CAIRN_OS_ENV_H
#define CAIRN_OS_ENV_H

#include <stdbool.h>
#include <stddef.h>

/* The environment, for where libc's is not there yet; before cairn_env_init. Borrowed until that returns. */
void cairn_env_offer(char **list);
void cairn_env_init(void);
/* Returns borrowed, or NULL. Only names that begin with CAIRN_ are kept. */
const char *cairn_env_text(const char *name);
/* "1", "yes", "on", "true" are true; "0", "no", "off", "false" false; anything else, and absence, gives fallback. */
bool cairn_env_flag(const char *name, bool fallback);
/* "512M", "2G", "4096", "64K" (powers of 1024); fallback when absent or not a size. */
size_t cairn_env_bytes(const char *name, size_t fallback);
bool cairn_env_is_secure(void); /* AT_SECURE */

#endif
