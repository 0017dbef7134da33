// C++: four threads of maps, vectors and aligned objects; exceptions, bad_alloc, a regular expression.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <vector>

struct alignas(64) line { long v[8]; };

static long work(unsigned seed)
{
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < 30000; i++) {
		seed = seed * 1103515245 + 12345;
		m["key" + std::to_string(seed >> 20)].push_back(i);
	}
	std::vector<std::unique_ptr<line>> lines;
	long sum = 0;
	for (auto &e : m) {
		lines.emplace_back(new line{});
		lines.back()->v[3] = static_cast<long>(e.second.size());
		sum += e.second.back();
	}
	for (auto &l : lines)
		sum += l->v[3] + static_cast<long>(reinterpret_cast<unsigned long>(l.get()) % 64);
	return sum;
}

int main()
{
	long sums[4];
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < 4; i++)
		threads.emplace_back([&sums, i] { sums[i] = work(i + 1); });
	for (auto &t : threads)
		t.join();
	for (long s : sums)
		std::printf("%ld\n", s);
	try { std::regex bad("("); } catch (const std::regex_error &) { std::puts("regex_error"); }
	try {
		std::vector<char> v(static_cast<size_t>(-1) / 4);
		v[0] = 1;
	} catch (const std::bad_alloc &) {
		std::puts("bad_alloc");
	}
	std::puts(std::regex_match(std::string(500, 'a'), std::regex("a*")) ? "match" : "none");
}
