/* A program that replaces operator new(size_t) and operator delete(void *) alone gets every plain form of them. */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

enum { HEADER = 16 };
static int news, deletes;

void *operator new(size_t n) {
	news++;
	char *p = static_cast<char *>(malloc(n + HEADER));
	if (!p)
		throw std::bad_alloc();
	return p + HEADER;
}

void operator delete(void *p) noexcept {
	if (!p)
		return;
	deletes++;
	free(static_cast<char *>(p) - HEADER);
}

struct Counted {
	int value = 1;
	~Counted() { value = 0; }
};

template <typename T> static void keep(T *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

int main() {
	int *one = new int, *many = new int[10];
	Counted *object = new Counted, *objects = new Counted[3];
	int *quiet = new (std::nothrow) int, *quiet_many = new (std::nothrow) int[5];
	keep(one), keep(many), keep(object), keep(objects), keep(quiet), keep(quiet_many);
	delete one;
	delete[] many;
	delete object;
	delete[] objects;
	operator delete(quiet, sizeof *quiet);
	operator delete[](quiet_many, std::nothrow);
	std::vector<int> numbers(100);
	std::string text(1000, 'x');
	keep(numbers.data()), keep(text.data());
	printf("%d news, %d deletes\n", news, deletes); /* the same under every malloc: link-round compares */
	return news < 6 || deletes != 6;
}
