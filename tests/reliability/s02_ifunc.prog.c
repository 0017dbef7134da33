/* Calls a function whose resolver allocates, by a library and itself.
 * BUILD: @O@/s02_user.so @O@/s02_ifunc.so -Wl,-rpath,@O@ */
#include "support.h"

int s02_picked(void);
int s02_call(void);
void *s02_early(void);

int main(void) {
	CHECK(s02_call() == 42 && s02_picked() == 42);
	free(s02_early());
	churn(2, 20000);
	return 0;
}
