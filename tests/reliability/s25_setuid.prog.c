/* A program for a privileged copy: says who it is and whether the kernel calls it secure. */
#include "support.h"
#include <sys/auxv.h>

int main(void) {
	churn(25, 5000);
	printf("uid %d euid %d secure %lu\n", (int)getuid(), (int)geteuid(), getauxval(AT_SECURE));
	return 3;
}
