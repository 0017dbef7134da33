/* The readers of the command and the printer of the library, given well-made files, broken ones, and any bytes.
 * Built with AddressSanitizer and UndefinedBehaviorSanitizer by the script `readers`. */
#include "../../cli/elfread.c"
#include "../../cli/images.c"
#include "../../cli/program.c"
#include "../../cli/timeline.c"
#include "../../src/lens/account.c"
#include "../../src/lens/account_json.c"
#include "../../src/lens/account_text.c"
#include "../../src/lens/snapshot_json.c"
#include "../../src/lens/snapshot_text.c"
#include "../../src/lens/writer.c"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "support/test.h"

/* os/sys.c is the library's; here libc will do. */
long cairn_sys(long number, long a, long b, long c, long d, long e, long f)
{
	long r = syscall(number, a, b, c, d, e, f);
	return r < 0 ? -errno : r;
}

long cairn_sys_write(int fd, const void *bytes, size_t n)
{
	return cairn_sys(SYS_write, fd, (long)bytes, (long)n, 0, 0, 0);
}

static uint64_t seed;
static char folder_path[] = "/tmp/cairn-readers.XXXXXX";
static int folder;

static void fill_random(void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)to)[i] = (unsigned char)test_random(&seed);
}

/* A control block as a process with `pid` would have written it: class i is of 16 i bytes. */
static void make_control(cairn_control *c, uint32_t pid, uint64_t start_ns, cairn_control_state state)
{
	memset(c, 0, sizeof *c);
	c->magic = CAIRN_CONTROL_MAGIC;
	c->header_bytes = sizeof *c;
	c->class_count = 10;
	c->pid = pid;
	c->parent_pid = 1;
	c->state = state;
	c->counts_requested = 1;
	c->cache_count = 2;
	c->start_ns = start_ns;
	c->end_ns = state == CAIRN_CONTROL_EXITED ? start_ns + 1000000 : 0;
	snprintf(c->program, sizeof c->program, "/usr/bin/program");
	for (uint64_t i = 0; i < 10; i++) {
		c->class_bytes[i] = 16 * i;
		c->out[i] = 3;
		c->out_at_peak[i] = 5;
		c->exit_live[i] = 2;
	}
	c->live_bytes = 3000;
	c->live_peak_bytes = 4000;
	c->exit_live_bytes = 2000;
	c->exit_rss_bytes = 1 << 20;
	c->exit_peak_rss_bytes = 2 << 20;
}

static void make_counters(cairn_thread_counters *t, uint64_t allocations)
{
	memset(t, 0, sizeof *t);
	t->threads = 1;
	for (uint64_t i = 0; i < 10; i++)
		t->by_class[i] = (cairn_class_counter){ allocations, allocations * 10 };
}

static void read_one(cairn_account *a, const cairn_control *c, const cairn_thread_counters *t, unsigned caches)
{
	if (!cairn_account_begin(a, c, sizeof *c))
		return;
	for (unsigned i = 0; i < caches; i++)
		cairn_account_add_cache(a, &t[i], sizeof t[i]);
	cairn_account_finish(a, c, sizeof *c);
}

static void a_control_file_gives_its_figures(void)
{
	cairn_control c;
	cairn_thread_counters t[2];
	cairn_account a;
	make_control(&c, 77, 1000, CAIRN_CONTROL_EXITED);
	make_counters(&t[0], 100);
	make_counters(&t[1], 10);
	read_one(&a, &c, t, 2);
	EXPECT(a.is_exact && a.is_served && a.has_requested);
	EXPECT_EQ(a.pid, 77);
	EXPECT_EQ(a.allocations, 1100);
	EXPECT_EQ(a.allocated_bytes, 11000);
	EXPECT_EQ(a.never_freed_blocks, 20);
	EXPECT_EQ(a.never_freed_bytes, 2000);
	EXPECT_EQ(a.frees, 1080);
	EXPECT_EQ(a.duration_ns, 1000000);
	EXPECT_EQ(a.threads, 2);
	EXPECT(!strcmp(a.program, "/usr/bin/program"));
	EXPECT(cairn_account_validate(&a));
	make_control(&c, 77, 1000, CAIRN_CONTROL_RUNNING);
	read_one(&a, &c, t, 2);
	EXPECT(!a.is_exact);
	EXPECT_EQ(a.never_freed_blocks, 30);
	EXPECT_EQ(a.duration_ns, CAIRN_ACCOUNT_UNKNOWN);
	EXPECT(cairn_account_validate(&a));
}

static void what_is_not_filled_in_is_not_read(void)
{
	cairn_control c;
	cairn_account a;
	make_control(&c, 77, 1000, CAIRN_CONTROL_EMPTY);
	EXPECT(!cairn_account_begin(&a, &c, sizeof c));
	make_control(&c, 77, 1000, CAIRN_CONTROL_RUNNING);
	c.magic++;
	EXPECT(!cairn_account_begin(&a, &c, sizeof c));
	c.magic--;
	for (size_t n = 0; n < offsetof(cairn_control, exit_live); n += 8)
		EXPECT(!cairn_account_begin(&a, &c, n));
	EXPECT(cairn_account_begin(&a, &c, sizeof c));
	c.header_bytes = 64;
	EXPECT(!cairn_account_begin(&a, &c, sizeof c));
}

static void more_live_than_made_counts_as_none_freed(void)
{
	cairn_control c;
	cairn_thread_counters t;
	cairn_account a;
	make_control(&c, 77, 1000, CAIRN_CONTROL_RUNNING);
	make_counters(&t, 1);
	read_one(&a, &c, &t, 1);
	EXPECT_EQ(a.frees, 0);
	EXPECT(cairn_account_validate(&a));
}

static void what_a_child_inherited_is_in_the_sum_once(void)
{
	cairn_control c;
	cairn_thread_counters t;
	cairn_account parent, child, sum;
	make_control(&c, 77, 1000, CAIRN_CONTROL_EXITED);
	make_counters(&t, 100);
	read_one(&parent, &c, &t, 1);
	c.pid = 78;
	c.is_forked = 1;
	c.live_at_start_bytes = 1500;
	for (int i = 0; i < 10; i++)
		c.live_at_start[i] = 2;
	make_counters(&t, 0);
	read_one(&child, &c, &t, 1);
	cairn_account_init(&sum);
	cairn_account_add(&sum, &parent);
	cairn_account_add(&sum, &child);
	EXPECT_EQ(sum.processes, 2);
	EXPECT_EQ(sum.never_freed_blocks, parent.never_freed_blocks);
	EXPECT_EQ(sum.never_freed_bytes, 2000 + 500);
	EXPECT_EQ(sum.allocations, 1000);
	EXPECT(cairn_account_validate(&sum));
}

static void print_quietly(const cairn_account *a, int fd)
{
	EXPECT_EQ(ftruncate(fd, 0), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(cairn_account_print(a, fd, false), 0);
	EXPECT_EQ(cairn_account_print_line(a, fd), 0);
}

static void expect_shape(int fd)
{
	char text[65536];
	ssize_t n = pread(fd, text, sizeof text, 0);
	unsigned column = 0;
	EXPECT(n > 0 && n < (ssize_t)sizeof text);
	for (ssize_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)text[i];
		EXPECT(b >= 0x20 || b == '\n');
		column = b == '\n' ? 0 : column + ((b & 0xc0) != 0x80);
		EXPECT(column <= 80);
	}
}

/* Names and figures of any bytes; only ASCII counts one column a character in names, so names are ASCII and worse. */
static void an_account_of_any_bytes_prints_in_80_columns(void)
{
	static cairn_account a, total;
	static cairn_account children[3];
	uint64_t steps[100];
	int fd = memfd_create("text", 0), json = memfd_create("json", 0);
	for (int round = 0; round < 300; round++) {
		cairn_account *all[] = { &a, &total, &children[0], &children[1], &children[2] };
		fill_random(steps, sizeof steps);
		for (unsigned i = 0; i < 5; i++) {
			fill_random(all[i], sizeof a);
			all[i]->program[sizeof a.program - 1] = all[i]->executable[sizeof a.executable - 1] = 0;
			all[i]->class_count = (uint32_t)(test_random(&seed) % 81);
			all[i]->why_not = round % 3 ? NULL : all[i]->program;
			all[i]->note = round % 5 ? NULL : all[i]->program;
			all[i]->command = NULL;
			all[i]->total = NULL;
			memset(&all[i]->is_core_dumped, round % 2, 1);
			memset(&all[i]->is_served, round % 7 != 0, 1);
			all[i]->is_exact = all[i]->is_forked = all[i]->is_replaced = all[i]->is_running = false;
			all[i]->has_requested = round % 4;
		}
		cairn_account_timeline t = { test_random(&seed), (size_t)round % 100, steps, steps, steps };
		a.timeline = &t;
		a.peak = a.last = NULL;
		a.total = round % 2 ? &total : NULL;
		a.children = children;
		a.child_count = round % 2 ? 3 : 0;
		print_quietly(&a, fd);
		expect_shape(fd);
		EXPECT_EQ(cairn_account_print_json(&a, json), 0);
	}
	close(fd);
	close(json);
}

static void any_bytes_are_a_safe_control_file(void)
{
	cairn_control c;
	cairn_thread_counters t;
	cairn_account a;
	for (int round = 0; round < 20000; round++) {
		fill_random(&c, sizeof c);
		fill_random(&t, sizeof t);
		c.magic = CAIRN_CONTROL_MAGIC;
		if (round % 4)
			c.state = 1 + (uint32_t)round % 2, c.header_bytes = sizeof c;
		if (cairn_account_begin(&a, &c, sizeof c)) {
			cairn_account_add_cache(&a, &t, (size_t)round % sizeof t);
			cairn_account_finish(&a, &c, sizeof c);
			EXPECT(cairn_account_validate(&a));
		}
	}
}

static void a_full_disk_is_an_error(void)
{
	cairn_account a;
	cairn_account_init(&a);
	int fd = open("/dev/full", O_WRONLY);
	EXPECT_EQ(cairn_account_print(&a, fd, false), ENOSPC);
	EXPECT_EQ(cairn_account_print_json(&a, fd), ENOSPC);
	close(fd);
	EXPECT_EQ(cairn_account_print_line(&a, fd), EBADF);
}

static void expect_text(void (*put)(cairn_field *, uint64_t), uint64_t n, const char *wanted)
{
	cairn_field f = { .used = 0 };
	put(&f, n);
	bool is_same = f.used == strlen(wanted) && !memcmp(f.text, wanted, f.used);
	if (!is_same)
		NOTE("%.*s, wanted %s", (int)f.used, f.text, wanted);
	EXPECT(is_same);
}

static void figures_are_written_with_their_units(void)
{
	expect_text(cairn_field_bytes, 0, "0 B");
	expect_text(cairn_field_bytes, 1023, "1023 B");
	expect_text(cairn_field_bytes, 1024, "1.00 KiB");
	expect_text(cairn_field_bytes, 1536, "1.50 KiB");
	expect_text(cairn_field_bytes, 8600000, "8.20 MiB");
	expect_text(cairn_field_bytes, 10239, "10.0 KiB");
	expect_text(cairn_field_bytes, (1ull << 40) - 1, "1024 GiB");
	expect_text(cairn_field_bytes, UINT64_MAX - 1, "16.0 EiB");
	expect_text(cairn_field_bytes, UINT64_MAX, "–");
	expect_text(cairn_field_size, 16, "16 B");
	expect_text(cairn_field_size, 1792, "1.75 KiB");
	expect_text(cairn_field_size, 1152, "1.125 KiB");
	expect_text(cairn_field_size, 32768, "32 KiB");
	expect_text(cairn_field_size, 1 << 20, "1 MiB");
	expect_text(cairn_field_count, 9999, "9999");
	expect_text(cairn_field_count, 10000, "10 000");
	expect_text(cairn_field_count, 99999, "99 999");
	expect_text(cairn_field_count, 312400, "312 k");
	expect_text(cairn_field_count, 4820000, "4.82 M");
	expect_text(cairn_field_count, 48200000, "48.2 M");
	expect_text(cairn_field_count, UINT64_MAX - 1, "18.4 E");
	expect_text(cairn_field_duration, 850000, "850 µs");
	expect_text(cairn_field_duration, 4200000, "4.20 ms");
	expect_text(cairn_field_duration, 999999999, "1.00 s");
	expect_text(cairn_field_duration, 59990000000, "60.0 s");
	expect_text(cairn_field_duration, 724000000000, "12 min 4 s");
	expect_text(cairn_field_duration, 11520000000000, "3 h 12 min");
}

static void expect_name(const char *name, unsigned columns, const char *wanted)
{
	cairn_field f = { .used = 0 };
	cairn_field_name(&f, name, columns);
	EXPECT(f.used == strlen(wanted) && !memcmp(f.text, wanted, f.used));
	EXPECT(f.columns <= columns);
}

static void names_are_escaped_and_cut(void)
{
	expect_name("plain", 10, "plain");
	expect_name("0123456789", 10, "0123456789");
	expect_name("0123456789a", 10, "012345678…");
	expect_name("a\033[31m", 20, "a\\x1b[31m");
	expect_name("\xff\xc3", 20, "\\xff\\xc3");
	expect_name("grün", 4, "grün");
	expect_name("日本語", 6, "日本語");
	expect_name("日本語", 5, "日本…");
	expect_name("a\xe2\x80\xae" "b", 20, "a\\xe2\\x80\\xaeb"); /* turns the text around it */
	expect_name("\xed\xa0\x80", 20, "\\xed\\xa0\\x80");     /* half a surrogate pair */
	expect_name("\xc0\xaf", 20, "\\xc0\\xaf");              /* longer than need be */
	expect_name("", 0, "");
}

static void a_timeline_loses_nothing(void)
{
	static cairn_timeline t;
	for (int round = 0; round < 200; round++) {
		uint64_t at = 0, made = 0, highest = 0, sum = 0, high_step = 0;
		cairn_timeline_init(&t, 5);
		for (int i = 0; i < 500; i++) {
			at += test_random(&seed) % (1u << (round % 16));
			made += test_random(&seed) % 1000;
			uint64_t rss = test_random(&seed) % 1000000;
			highest = rss > highest ? rss : highest;
			cairn_timeline_add(&t, at, rss, rss / 2, made);
		}
		for (size_t i = 0; i < CAIRN_TIMELINE_STEPS; i++) {
			sum += t.allocations[i];
			high_step = t.rss_bytes[i] > high_step ? t.rss_bytes[i] : high_step;
			EXPECT(i < t.count || !(t.rss_bytes[i] | t.allocations[i]));
		}
		EXPECT_EQ(sum, made);
		EXPECT_EQ(high_step, highest);
		EXPECT_EQ(t.peak_rss_bytes, highest);
		EXPECT(t.count <= CAIRN_TIMELINE_STEPS && at / t.step_ns < CAIRN_TIMELINE_STEPS);
	}
}

/* A child that holds a control file as the library does: mapped, its descriptor closed. Returns its pid. */
static pid_t start_holder(uint32_t pid, uint64_t start_ns, cairn_control_state state)
{
	char path[128];
	cairn_control c;
	cairn_thread_counters t[2] = { { .thread_id = 0 } };
	int ends[2];
	EXPECT_EQ(pipe(ends), 0);
	pid_t holder = fork();
	if (holder)
		return close(ends[1]), read(ends[0], path, 1), close(ends[0]), holder;
	snprintf(path, sizeof path, "%s/%u.%llu", folder_path, pid ? pid : (unsigned)getpid(),
		 (unsigned long long)start_ns);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	size_t bytes = CAIRN_CONTROL_BYTES + 2 * CAIRN_COUNTERS_BYTES;
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		_exit(1);
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	make_control(&c, pid ? pid : (uint32_t)getpid(), start_ns, state);
	ssize_t n = readlink("/proc/self/exe", c.program, sizeof c.program - 1);
	c.program[n > 0 ? n : 0] = 0;
	make_counters(&t[0], 50);
	make_counters(&t[1], 7);
	memcpy(p, &c, sizeof c);
	memcpy(p + CAIRN_CONTROL_BYTES, t, sizeof t[0]);
	memcpy(p + CAIRN_CONTROL_BYTES + CAIRN_COUNTERS_BYTES, t + 1, sizeof t[1]);
	if (write(ends[1], "", 1) == 1)
		pause();
	_exit(0);
}

static void end_holder(pid_t holder)
{
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
}

static unsigned files_left(void)
{
	unsigned count = 0;
	DIR *d = opendir(folder_path);
	for (struct dirent *e; (e = readdir(d));)
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

static void an_image_is_watched_while_it_lives_and_folded_when_it_is_over(void)
{
	static cairn_images m;
	pid_t holder = start_holder(0, 5000, CAIRN_CONTROL_RUNNING);
	cairn_images_open(&m, folder, 1);
	cairn_images_look(&m, 1000000);
	EXPECT_EQ(m.watched_count, 1);
	EXPECT_EQ(m.allocations, 570);
	EXPECT(m.rss_bytes > 100000);
	EXPECT(cairn_images_validate(&m));
	cairn_images_look(&m, 2000000);
	EXPECT_EQ(m.child_count, 0);
	end_holder(holder);
	cairn_images_look(&m, 3000000);
	EXPECT_EQ(m.watched_count, 0);
	EXPECT_EQ(m.child_count, 1);
	EXPECT_EQ(m.allocations, 570);
	EXPECT_EQ(files_left(), 0);
	EXPECT_EQ(m.children[0].pid, holder);
	EXPECT(m.children[0].peak_rss_bytes > 100000 && m.children[0].peak_rss_bytes != CAIRN_ACCOUNT_UNKNOWN);
	EXPECT(cairn_images_validate(&m));
	cairn_images_close(&m);
}

static void the_last_image_of_the_main_process_is_the_program(void)
{
	static cairn_images m;
	pid_t first = start_holder(900001, 5000, CAIRN_CONTROL_RUNNING);
	cairn_images_open(&m, folder, 900001);
	cairn_images_look(&m, 1000000);
	pid_t second = start_holder(900001, 9000, CAIRN_CONTROL_EXITED);
	end_holder(first);
	cairn_images_look(&m, 2000000);
	EXPECT_EQ(m.child_count + m.has_program, 1);
	end_holder(second);
	EXPECT_EQ(cairn_images_end(&m, 3000000), 0);
	EXPECT(m.has_program && m.program.start_ns == 9000 && m.program.is_exact);
	EXPECT_EQ(m.child_count, 1);
	EXPECT(m.children[0].is_replaced && m.children[0].start_ns == 5000);
	EXPECT(cairn_images_validate(&m));
	cairn_images_close(&m);
	EXPECT_EQ(system("rm -f /tmp/cairn-readers.*/*"), 0);
}

static void what_still_runs_at_the_end_is_said_to(void)
{
	static cairn_images m;
	pid_t holder = start_holder(0, 5000, CAIRN_CONTROL_RUNNING);
	cairn_images_open(&m, folder, 1);
	EXPECT_EQ(cairn_images_end(&m, 3000000), 1);
	EXPECT(m.child_count == 1 && m.children[0].is_running);
	end_holder(holder);
	cairn_images_close(&m);
	EXPECT_EQ(system("rm -f /tmp/cairn-readers.*/*"), 0);
}

static void make_file(const char *name, size_t bytes)
{
	static char random[20000];
	int fd = openat(folder, name, O_WRONLY | O_CREAT, 0600);
	fill_random(random, sizeof random);
	EXPECT_EQ(write(fd, random, bytes), (ssize_t)bytes);
	close(fd);
}

static void strangers_files_are_let_be(void)
{
	static cairn_images m;
	make_file("1.1", 0);
	make_file("2.2", 100);
	make_file("3.3", 20000);
	make_file("name", 20000);
	make_file("5.5x", 20000);
	make_file("99999999999999999999999999999999999999999999999999999999999999999999999.1", 20000);
	EXPECT_EQ(mkdirat(folder, "6.6", 0700), 0);
	EXPECT_EQ(mkfifoat(folder, "7.7", 0600), 0);
	EXPECT_EQ(symlinkat("/etc/passwd", folder, "8.8"), 0);
	cairn_images_open(&m, folder, 1);
	for (uint64_t i = 0; i < 3; i++)
		cairn_images_look(&m, i * 1000000);
	EXPECT_EQ(m.allocations, 0);
	EXPECT_EQ(cairn_images_end(&m, 4000000), 0);
	EXPECT_EQ(m.child_count, 0);
	EXPECT(cairn_images_validate(&m));
	cairn_images_close(&m);
	EXPECT_EQ(system("rm -rf /tmp/cairn-readers.*/*"), 0);
}

/* As a dead process left it: nobody maps it. */
static void make_dead(uint32_t pid, uint64_t rss)
{
	char name[64];
	cairn_control c;
	cairn_thread_counters t;
	make_control(&c, pid, pid, CAIRN_CONTROL_EXITED);
	c.exit_peak_rss_bytes = rss;
	c.exit_rss_bytes = rss;
	c.cache_count = UINT32_MAX; /* says more than the file holds */
	make_counters(&t, 1);
	snprintf(name, sizeof name, "%u.%u", pid, pid);
	int fd = openat(folder, name, O_WRONLY | O_CREAT, 0600);
	EXPECT_EQ(pwrite(fd, &c, sizeof c, 0), (ssize_t)sizeof c);
	EXPECT_EQ(pwrite(fd, &t, sizeof t, CAIRN_CONTROL_BYTES), (ssize_t)sizeof t);
	close(fd);
}

static void of_many_children_the_largest_are_kept_and_all_are_in_the_sum(void)
{
	static cairn_images m;
	enum { CHILDREN = CAIRN_IMAGES_KEPT + 200 };
	cairn_images_open(&m, folder, 1);
	for (uint32_t i = 0; i < CHILDREN; i++)
		make_dead(1000000 + i, 1000000 + (uint64_t)(i * 7919 % CHILDREN) * 4096);
	cairn_images_look(&m, 1000000);
	EXPECT(cairn_images_validate(&m));
	EXPECT_EQ(cairn_images_end(&m, 2000000), 0);
	EXPECT_EQ(m.child_count, CAIRN_IMAGES_KEPT);
	EXPECT_EQ(m.left_out, 200);
	EXPECT_EQ(m.sum.allocations, CHILDREN * 10);
	EXPECT_EQ(m.children[0].peak_rss_bytes, 1000000 + (CHILDREN - 1) * 4096);
	for (size_t i = 0; i < m.child_count; i++)
		EXPECT_EQ(m.children[i].peak_rss_bytes, 1000000 + (CHILDREN - 1 - i) * 4096);
	EXPECT_EQ(files_left(), 0);
	EXPECT(cairn_images_validate(&m));
	cairn_images_close(&m);
}

static unsigned char *read_whole(const char *path, size_t *bytes)
{
	struct stat s;
	int fd = open(path, O_RDONLY);
	EXPECT_EQ(fstat(fd, &s), 0);
	*bytes = (size_t)s.st_size;
	unsigned char *p = malloc(*bytes);
	EXPECT_EQ(read(fd, p, *bytes), (ssize_t)*bytes);
	close(fd);
	return p;
}

static void an_elf_file_of_any_bytes_is_safe(void)
{
	static const char *const programs[] = { "/bin/true", "/proc/self/exe" };
	cairn_elf_facts facts;
	for (size_t i = 0; i < 2; i++) {
		size_t bytes;
		unsigned char *file = read_whole(programs[i], &bytes);
		cairn_elf_read(&facts, file, bytes);
		EXPECT(facts.is_elf && facts.is_native && !facts.is_static && !facts.is_damaged);
		EXPECT(strstr(facts.interpreter, "ld-linux"));
		for (int round = 0; round < (i ? 30 : 3000); round++) {
			size_t n = test_random(&seed) % (round % 3 ? bytes : 4096);
			unsigned char *part = malloc(n + 1); /* its own block: a byte too far is seen */
			memcpy(part, file, n);
			for (unsigned k = 0; n && k < 1 + (unsigned)round % 20; k++)
				part[test_random(&seed) % (k % 2 && n > 2048 ? 2048 : n)] =
					(unsigned char)test_random(&seed);
			cairn_elf_read(&facts, part, n);
			free(part);
		}
		free(file);
	}
}

static void an_elf_file_tells_what_is_in_it(void)
{
	cairn_elf_facts facts;
	size_t bytes;
	unsigned char *file = read_whole("/proc/self/exe", &bytes);
	cairn_elf_read(&facts, file, bytes);
	EXPECT(!strcmp(facts.sanitizer, "AddressSanitizer")); /* this program's own */
	file[EI_CLASS] = ELFCLASS32;
	cairn_elf_read(&facts, file, bytes);
	EXPECT(facts.is_elf && !facts.is_native);
	free(file);
	cairn_elf_read(&facts, "#!/bin/sh\n", 10);
	EXPECT(!facts.is_elf);
	cairn_elf_read(&facts, "", 0);
	EXPECT(!facts.is_elf);
}

int main(void)
{
	seed = test_seed();
	folder = mkdtemp(folder_path) ? open(folder_path, O_RDONLY | O_DIRECTORY) : -1;
	RUN(a_control_file_gives_its_figures);
	RUN(what_is_not_filled_in_is_not_read);
	RUN(more_live_than_made_counts_as_none_freed);
	RUN(what_a_child_inherited_is_in_the_sum_once);
	RUN(any_bytes_are_a_safe_control_file);
	RUN(an_account_of_any_bytes_prints_in_80_columns);
	RUN(a_full_disk_is_an_error);
	RUN(figures_are_written_with_their_units);
	RUN(names_are_escaped_and_cut);
	RUN(a_timeline_loses_nothing);
	RUN(an_image_is_watched_while_it_lives_and_folded_when_it_is_over);
	RUN(the_last_image_of_the_main_process_is_the_program);
	RUN(what_still_runs_at_the_end_is_said_to);
	RUN(strangers_files_are_let_be);
	RUN(of_many_children_the_largest_are_kept_and_all_are_in_the_sum);
	RUN(an_elf_file_of_any_bytes_is_safe);
	RUN(an_elf_file_tells_what_is_in_it);
	rmdir(folder_path);
	DONE();
}
