/* Says that OS pages are 64 KiB, by every way libc tells it. BUILD: -ldl */
#include "support.h"
#include <sys/auxv.h>

enum { PAGE = 65536 };
int getpagesize(void) { return PAGE; }
unsigned long getauxval(unsigned long type) {
	unsigned long (*next)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
	return type == AT_PAGESZ ? PAGE : next(type);
}
long sysconf(int name) {
	if (name == _SC_PAGESIZE)
		return PAGE;
	long (*next)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return next(name);
}
