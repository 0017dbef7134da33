/* mapper.c - a small library that maps memory: an account tells it by this library's name. */
#include <stddef.h>
#include <sys/mman.h>

char *mapper_map(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
