/* os/env.c - the settings, copied once.
 *
 *   text:  N A M E = V A L U E \0 N A M E = ... \0        used bytes, then zeros
 *
 * Invariants:
 *   (E1) Every entry kept begins with CAIRN_, holds a '=' and ends in a zero byte inside the buffer.
 *   (E2) In a set-user-ID program nothing is kept.
 *   (E3) An entry that does not fit whole is dropped whole.
 *
 * Threads: cairn_env_init by one thread, at malloc's start; const afterwards.
 * Failure: what cannot be read is absent. */
#include "os/env.h"
#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>

extern char **environ __attribute__((weak)); /* weak: os/sys.c, Y2 */

enum { ENV_MAX_BYTES = 8192, ENV_PREFIX_BYTES = 6 };
static const char env_prefix[ENV_PREFIX_BYTES + 1] = "CAIRN_";

static char *env_text;               /* sync: const after init; ENV_MAX_BYTES, NULL: nothing is kept */
static size_t env_used;              /* sync: const after init */
static bool env_is_ready;            /* sync: const after init */
static char **env_offered;           /* sync: one thread, before init; borrowed until then */
static bool env_secure;              /* sync: const after init */

/* One entry, read a character at a time: from memory or from a file that comes in pieces. */
typedef struct env_entry {
	size_t length;  /* characters seen */
	size_t written; /* of them in env_text + env_used */
	bool is_ours;   /* all characters so far agree with the prefix */
	bool has_equals;
} env_entry;

static void env_entry_begin(env_entry *e) { *e = (env_entry){ .is_ours = true }; }

/* Memory for the text, for the first name that is ours: most programs run without. */
static bool env_has_text(void)
{
	if (!env_text)
		env_text = cairn_vm_map(cairn_round_up(ENV_MAX_BYTES, cairn_vm_page_bytes()));
	return env_text;
}

static void env_entry_char(env_entry *e, char c)
{
	if (e->length < ENV_PREFIX_BYTES && c != env_prefix[e->length])
		e->is_ours = false;
	e->length++;
	if (!e->is_ours || e->length < ENV_PREFIX_BYTES || env_used + e->length >= ENV_MAX_BYTES || !env_has_text())
		return;
	while (e->written + 1 < e->length && e->length == ENV_PREFIX_BYTES) {
		env_text[env_used + e->written] = env_prefix[e->written];
		e->written++;
	}
	env_text[env_used + e->written++] = c;
	e->has_equals |= c == '=';
}

static void env_entry_end(env_entry *e)
{
	bool is_kept = e->is_ours && e->has_equals && e->length == e->written;
	for (size_t i = is_kept ? e->written : 0; env_text && i <= e->written && env_used + i < ENV_MAX_BYTES; i++)
		env_text[env_used + i] = 0;
	if (is_kept)
		env_used += e->written + 1;
	env_entry_begin(e);
}

static void env_read_memory(char **list)
{
	env_entry e;
	env_entry_begin(&e);
	for (; *list; list++) {
		for (const char *c = *list; *c && e.is_ours; c++)
			env_entry_char(&e, *c);
		env_entry_end(&e);
	}
}

static void env_read_proc(void)
{
	char piece[512];
	env_entry e;
	env_entry_begin(&e);
	long fd = cairn_sys(SYS_openat, AT_FDCWD, (long)"/proc/self/environ", O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return;
	long n;
	while ((n = cairn_sys(SYS_read, fd, (long)piece, sizeof piece, 0, 0, 0)) > 0)
		for (long i = 0; i < n; i++) {
			if (piece[i])
				env_entry_char(&e, piece[i]);
			else
				env_entry_end(&e);
		}
	env_entry_end(&e);
	cairn_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

static bool env_ask_secure(void)
{
	unsigned long secure = cairn_sys_aux(AT_SECURE, 2);
	if (secure != 2)
		return secure;
	return cairn_sys(SYS_getuid, 0, 0, 0, 0, 0, 0) != cairn_sys(SYS_geteuid, 0, 0, 0, 0, 0, 0) ||
	       cairn_sys(SYS_getgid, 0, 0, 0, 0, 0, 0) != cairn_sys(SYS_getegid, 0, 0, 0, 0, 0, 0);
}

void cairn_env_offer(char **list) { env_offered = list; }

void cairn_env_init(void)
{
	if (env_is_ready)
		return;
	env_secure = env_ask_secure();
	char **list = &environ && environ ? environ : env_offered;
	if (!env_secure && list)
		env_read_memory(list);
	else if (!env_secure)
		env_read_proc();
	env_is_ready = true;
	cairn_fault_init(cairn_env_text("CAIRN_FAULTS"));
}

bool cairn_env_is_secure(void) { return env_secure; }

const char *cairn_env_text(const char *name)
{
	for (size_t at = 0; at < env_used; at++) {
		const char *entry = env_text + at;
		size_t i = 0;
		while (name[i] && entry[i] == name[i])
			i++;
		if (!name[i] && entry[i] == '=')
			return entry + i + 1;
		while (env_text[at])
			at++;
	}
	return NULL;
}

static bool env_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

bool cairn_env_flag(const char *name, bool fallback)
{
	static const char yes[][5] = { "1", "yes", "on", "true" };
	static const char no[][6] = { "0", "no", "off", "false" };
	const char *value = cairn_env_text(name);
	for (unsigned i = 0; value && i < 4; i++) {
		if (env_same(value, yes[i]))
			return true;
		if (env_same(value, no[i]))
			return false;
	}
	return fallback;
}

/* The power of two that a size's suffix stands for; -1: none that we know. */
static int env_suffix_shift(const char *s)
{
	if (!*s)
		return 0;
	if (s[1])
		return -1;
	switch (*s | 0x20) {
	case 'k': return 10;
	case 'm': return 20;
	case 'g': return 30;
	case 't': return 40;
	default: return -1;
	}
}

size_t cairn_env_bytes(const char *name, size_t fallback)
{
	const char *s = cairn_env_text(name);
	if (!s || *s < '0' || *s > '9')
		return fallback;
	size_t n = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (size_t)(*s - '0'), &n))
			return fallback;
	int shift = env_suffix_shift(s);
	if (shift < 0 || n > SIZE_MAX >> shift)
		return fallback;
	return n << shift;
}
