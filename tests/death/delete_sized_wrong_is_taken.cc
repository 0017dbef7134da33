/* EXPECT exit 0 */
/* Without CAIRN_CHECK operator delete does not look at the size. */
#include <cstdlib>
#include <new>

int main()
{
	for (int i = 0; i < 1000; i++) {
		void *volatile p = operator new(64);
		operator delete(p, (std::size_t)(i % 2 ? 48 : 4000));
	}
	return 0;
}
