/* os/sandbox.c - looks through what the loaded images import. See sandbox.h. */
#include "os/sandbox.h"
#include "os/objects.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

static int image_can_filter(struct dl_phdr_info *info, size_t size, void *unused)
{
	static const char *const calls[] = { CAIRN_SANDBOX_CALLS };
	(void)size, (void)unused;
	const void *dynamic = NULL;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	/* The kernel's own image comes as it lies in the file, and its tables may not be where they say. */
	if (!dynamic || !info->dlpi_name || strstr(info->dlpi_name, "vdso"))
		return 0;
	return cairn_object_calls(dynamic, info->dlpi_addr, calls, sizeof calls / sizeof calls[0]) != 0;
}

bool cairn_sandbox_is_possible(void) { return dl_iterate_phdr(image_can_filter, NULL) != 0; }
