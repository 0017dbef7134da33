/* support/hidden.h - which memory of this process the kernel leaves out of a core file: mappings with "dd" in their
 * VmFlags (smaps). Read without malloc. */
#ifndef CAIRN_SUPPORT_HIDDEN_H
#define CAIRN_SUPPORT_HIDDEN_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HIDDEN_MOST = 16384 };

/* Why a case is skipped where is_emulated(). */
#define HIDDEN_IS_UNKNOWN "an emulator's smaps does not tell what is hidden"

typedef struct hidden_range {
	uintptr_t from, to;
} hidden_range;

/* A line of smaps: a mapping's addresses, or its flags. */
__attribute__((unused)) static size_t hidden_line(char *line, hidden_range *now, hidden_range *out)
{
	char *rest;
	uintptr_t from = strtoul(line, &rest, 16);
	if (rest > line && *rest == '-') {
		*now = (hidden_range){ from, strtoul(rest + 1, NULL, 16) };
		return 0;
	}
	if (strncmp(line, "VmFlags:", 8) != 0 || !strstr(line, " dd"))
		return 0;
	*out = *now;
	return 1;
}

/* How many ranges, the first `most` of them in out. */
__attribute__((unused)) static size_t hidden_ranges(hidden_range *out, size_t most)
{
	static char text[65536 + 1];
	size_t have = 0, n = 0;
	hidden_range now = { 0 };
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	for (ssize_t got; fd >= 0 && (got = read(fd, text + have, sizeof text - 1 - have)) > 0;) {
		have += (size_t)got;
		text[have] = 0;
		char *line = text;
		for (char *end; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			if (n < most)
				n += hidden_line(line, &now, &out[n]);
		}
		have -= (size_t)(line - text);
		memmove(text, line, have);
	}
	if (fd >= 0)
		close(fd);
	return n;
}

/* Bytes of [p, p + bytes) that are left out. */
__attribute__((unused)) static size_t hidden_bytes(const void *p, size_t bytes)
{
	static hidden_range ranges[HIDDEN_MOST];
	size_t n = hidden_ranges(ranges, HIDDEN_MOST), sum = 0;
	uintptr_t from = (uintptr_t)p, to = from + bytes;
	for (size_t i = 0; i < n; i++) {
		uintptr_t a = ranges[i].from > from ? ranges[i].from : from, b = ranges[i].to < to ? ranges[i].to : to;
		sum += b > a ? b - a : 0;
	}
	return sum;
}

#endif
