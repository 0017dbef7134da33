/* s17: vfork and posix_spawn children may allocate */
#include "support.h"
#include <spawn.h>

extern char **environ;
static void *volatile left[16];

int main(void) {
	char *argv[] = { "true", NULL };
	for (int i = 0; i < 200; i++) {
		pid_t pid = vfork();
		if (!pid) {
			for (size_t k = 0; k < 16; k++)
				left[k] = malloc(100 * k + (size_t)i);
			for (size_t k = 0; k < 15; k++)
				free(left[k]);
			if (i % 2)
				_exit(0);
			execv("/bin/true", argv);
			_exit(1);
		}
		int status;
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		CHECK(ended_well("a child of vfork", status));
		free(left[15]);
		churn((uint32_t)i + 1, 200);
	}
	for (int i = 0; i < 100; i++) {
		pid_t pid;
		int status;
		CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0);
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(ended_well("a spawned child", status));
		churn((uint32_t)i + 1, 200);
	}
	return 0;
}
