/* libFuzzer target: the bytes choose operations on malloc, support/oracle.h knows what must be true after each. The
 * first byte chooses the largest size. Ends a run with everything freed and every validator called. */
#include "support/oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static oracle table;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const size_t largest[] = { 1 << 10, 32 << 10, 1 << 20, 24 << 20 };
	if (!size)
		return 0;
	oracle_begin(&table, (oracle_source){ .bytes = bytes + 1, .left = size - 1 });
	table.is_alone = true;
	table.largest = largest[bytes[0] % 4];
	table.live_bytes_max = 48 << 20;
	while (!source_is_empty(&table.source) && !has_failed())
		oracle_step(&table);
	oracle_end(&table);
	if (has_failed())
		__builtin_trap();
	return 0;
}
