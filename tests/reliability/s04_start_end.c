/* s04: constructors, destructors, atexit and on_exit handlers may allocate and free each other's blocks */
#include "support.h"

static void *blocks[8][64]; /* by place */

static void fill(int place) {
	for (size_t i = 0; i < 64; i++) {
		CHECK(!blocks[place][i]);
		blocks[place][i] = malloc(1 + i * i * (size_t)(place + 1));
		CHECK(blocks[place][i]);
		memset(blocks[place][i], place, 1 + i * i * (size_t)(place + 1));
	}
}
static void empty(int place) {
	for (size_t i = 0; i < 64; i++) {
		CHECK(((unsigned char *)blocks[place][i])[i * i * (size_t)(place + 1)] == place);
		free(blocks[place][i]);
		blocks[place][i] = NULL;
	}
}

__attribute__((constructor(101))) static void first(void) { fill(0); }
__attribute__((constructor)) static void second(void) { fill(1); }
static void at_exit_early(void) {
	empty(2);
	fill(4);
}
static void at_exit_late(int status, void *arg) {
	(void)status, (void)arg;
	empty(1);
	fill(5);
	churn(4, 5000);
}
__attribute__((destructor)) static void last_but_one(void) {
	empty(4);
	empty(5);
	fill(6);
}
__attribute__((destructor(101))) static void last(void) {
	empty(0);
	empty(6);
	churn(5, 5000);
	for (int i = 0; i < 200; i++) /* the table of handlers is itself allocated */
		atexit(at_exit_early);
	_exit(17);
}

static void nothing(void) {}

static int child(void *arg) {
	(void)arg;
	fill(2);
	for (int i = 0; i < 100; i++)
		atexit(i == 50 ? at_exit_early : nothing);
	on_exit(at_exit_late, NULL);
	exit(3);
}
int main(void) {
	int status = in_child(child, NULL, 20);
	CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == 17, "wait status %#x", status);
	_exit(0);
}
