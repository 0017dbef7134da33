/* s56: operator delete with a wrong size is taken in silence, and does no harm */
/* BUILD: -fsized-deallocation */
#include "support.h"
#include <new>

static unsigned char *blocks[3000];

int main() {
	static const size_t wrong[] = { 48, 4000, 64, 1, 100000 };
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++)
			blocks[i] = (unsigned char *)operator new(64);
		for (int i = 0; i < 100; i++)
			if (i % 2)
				operator delete(blocks[i], wrong[(round + i) % 5]);
			else
				operator delete(blocks[i], wrong[round % 5], std::align_val_t(16));
		/* No block is handed out too small or twice. */
		for (size_t i = 0; i < 3000; i++) {
			size_t bytes = i % 3 == 0 ? 48 : i % 3 == 1 ? 64 : 4000;
			blocks[i] = (unsigned char *)operator new(bytes);
			memset(blocks[i], (int)(i % 251), bytes);
		}
		for (size_t i = 0; i < 3000; i++) {
			size_t bytes = i % 3 == 0 ? 48 : i % 3 == 1 ? 64 : 4000;
			for (size_t k = 0; k < bytes; k++)
				CHECK_SAY(blocks[i][k] == i % 251, "block %zu of %zu bytes at %zu", i, bytes, k);
			operator delete(blocks[i]);
		}
	}
	return 0;
}
