/* An audit library (rtld-audit(7)) that allocates in every callback. */
#include "support.h"
#include <link.h>

unsigned la_version(unsigned version);
unsigned la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie);
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag);
void la_preinit(uintptr_t *cookie);

static void use(size_t bytes) {
	char *p = malloc(bytes);
	CHECK(p);
	memset(p, 1, bytes);
	free(p);
}
unsigned la_version(unsigned version) {
	use(100);
	return version;
}
unsigned la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie) {
	(void)map, (void)id, (void)cookie;
	use(3000);
	return 0;
}
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag) {
	(void)cookie, (void)flag;
	use(20);
	return (char *)(uintptr_t)name;
}
void la_preinit(uintptr_t *cookie) {
	(void)cookie;
	use(200000);
}
