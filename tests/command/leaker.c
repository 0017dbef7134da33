/* A program that grows, for who watches it: leaker KIB_A_STEP MS_A_STEP [SIZE [THREADS [LIMIT_MIB]]]. Blocks of SIZE
 * bytes, written and never freed, KIB_A_STEP of them each MS_A_STEP; threads beside, named, that do pairs. 0 KIB: it
 * keeps 4 MiB and rests. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void *beside(void *arg)
{
	char name[16];
	snprintf(name, sizeof name, "beside-%ld", (long)arg);
	pthread_setname_np(pthread_self(), name);
	for (;;) {
		for (long i = 0; i < 100 * (long)arg; i++)
			free(malloc(64));
		usleep(10000);
	}
}

static void keep(size_t bytes, size_t size)
{
	for (size_t n = 0; n < bytes; n += size)
		memset(malloc(size), 1, size);
}

int main(int argc, char **argv)
{
	size_t kib = strtoul(argv[1], NULL, 10), ms = strtoul(argv[2], NULL, 10);
	size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
	long threads = argc > 4 ? atol(argv[4]) : 0, limit = argc > 5 ? atol(argv[5]) : 0;
	pthread_t thread;
	struct rlimit l = { (rlim_t)limit << 20, (rlim_t)limit << 20 };
	if (limit)
		setrlimit(RLIMIT_DATA, &l);
	keep(4 << 20, size);
	for (long i = 1; i <= threads; i++)
		pthread_create(&thread, NULL, beside, (void *)i);
	puts("ready");
	fflush(stdout);
	for (;;) {
		keep(kib << 10, size);
		usleep(ms * 1000);
	}
}
