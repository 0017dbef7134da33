/* EXPECT abort "cairn: operator delete: wrong size: 0x.. (size class 64 B, asked 4000 B, PROGRAM)" */
/* ENV CAIRN_CHECK=1 */
/* A class deleted through a pointer to another one: at the call. */
#include <cstdlib>
#include <new>

int main()
{
	void *volatile p = operator new(64);
	operator delete(p, (std::size_t)4000);
	_Exit(0);
}
