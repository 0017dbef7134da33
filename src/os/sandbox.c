/* os/sandbox.c - looks through what the loaded images import. See sandbox.h. */
#include "os/sandbox.h"
#include "os/objects.h"

#include <link.h>
#include <string.h>

static bool is_runtime(const char *name)
{
	static const char *const runtimes[] = { "linux-vdso", "ld-linux", "libc.so", "libpthread", "libstdc++",
		"libgcc_s", "libcairn" };
	for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++)
		if (strncmp(name, runtimes[i], strlen(runtimes[i])) == 0)
			return true;
	return false;
}

static int image_can_filter(struct dl_phdr_info *info, size_t size, void *unused)
{
	static const char *const calls[] = { "prctl", "seccomp", "syscall", "seccomp_load" };
	(void)size, (void)unused;
	const void *dynamic = NULL;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	/* The kernel's own image comes as it lies in the file, and its tables may not be where they say. */
	if (!dynamic || !info->dlpi_name || strstr(info->dlpi_name, "vdso"))
		return 0;
	return !is_runtime(cairn_object_name(dynamic, info->dlpi_addr)) &&
	       cairn_object_calls(dynamic, info->dlpi_addr, calls, sizeof calls / sizeof calls[0]);
}

bool cairn_sandbox_is_possible(void) { return dl_iterate_phdr(image_can_filter, NULL) != 0; }
