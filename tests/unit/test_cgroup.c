/* Memory cgroups and other bounds, read from trees of files made here: os/cgroup.h, os/bounds.h. Numbers are checked
 * that stand nowhere else in the tree, so that a figure from a wrong file is seen. */
#include "os/bounds.h"
#include "os/cgroup.h"
#include "support/test.h"

#include <ftw.h>
#include <sys/stat.h>

static char root[64];

/* Writes text to root/path, with the folders that lead there. */
static void put(const char *path, const char *text)
{
	char full[400];
	int n = snprintf(full, sizeof full, "%s%s", root, path);
	for (int i = 1; i < n; i++)
		if (full[i] == '/') {
			full[i] = 0;
			mkdir(full, 0755);
			full[i] = '/';
		}
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(3);
	close(fd);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
	(void)s, (void)kind, (void)walk;
	return remove(path);
}

static void tree_end(void) { nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

static void tree_begin(void)
{
	snprintf(root, sizeof root, "/tmp/test_cgroup.XXXXXX");
	if (!mkdtemp(root))
		_exit(3);
	cairn_cgroup_root_inject(root);
}

#define V2_MOUNT "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "35 31 0:32 / /sys/fs/cgroup/memory rw shared:14 - cgroup cgroup rw,memory\n"
#define OTHERS                                                                                                         \
	"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"                                                               \
	"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"

static bool find(cairn_cgroup *g, const char *wanted)
{
	char full[400];
	if (!cairn_cgroup_find(0, g))
		return false;
	snprintf(full, sizeof full, "%s%s", root, wanted);
	if (strcmp(g->path, full))
		NOTE("found %s", g->path);
	return !strcmp(g->path, full);
}

static void of_v2_the_whole_path_counts_and_max_is_no_limit(void)
{
	cairn_bound b[CAIRN_BOUNDS_MOST];
	cairn_cgroup g;
	tree_begin();
	put("/proc/self/cgroup", "0::/a.slice/b.scope\n");
	put("/proc/self/mountinfo", OTHERS V2_MOUNT);
	put("/sys/fs/cgroup/a.slice/memory.max", "1000000\n");
	put("/sys/fs/cgroup/a.slice/memory.current", "900001\n");
	put("/sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n");
	put("/sys/fs/cgroup/a.slice/b.scope/memory.high", "2000000\n");
	put("/sys/fs/cgroup/a.slice/b.scope/memory.current", "700001\n");
	EXPECT(find(&g, "/sys/fs/cgroup/a.slice/b.scope"));
	EXPECT(g.is_v2);
	size_t n = cairn_bounds_read(0, b, CAIRN_BOUNDS_MOST);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(b[0].kind, CAIRN_BOUND_CGROUP2_HIGH);
	EXPECT_EQ(b[0].used_bytes, 700001);
	EXPECT_EQ(b[1].kind, CAIRN_BOUND_CGROUP2);
	EXPECT_EQ(b[1].limit_bytes, 1000000);
	EXPECT_EQ(b[1].used_bytes, 900001);
	EXPECT(strstr(b[1].where, "/a.slice") && !strstr(b[1].where, "b.scope"));
	EXPECT(cairn_bounds_tightest(b, n) == &b[1]);
	tree_end();
}

static void of_v1_the_memory_line_counts_and_the_largest_number_is_no_limit(void)
{
	cairn_bound b[CAIRN_BOUNDS_MOST];
	cairn_cgroup g;
	tree_begin();
	put("/proc/self/cgroup", "9:name=systemd:/x\n4:cpu,cpuacct:/y\n3:hugetlb,memory:/pod/one\n0::/z\n");
	put("/proc/self/mountinfo", OTHERS V2_MOUNT V1_MOUNT);
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "3000000\n");
	put("/sys/fs/cgroup/memory/pod/memory.usage_in_bytes", "3\n");
	put("/sys/fs/cgroup/memory/pod/memory.memsw.limit_in_bytes", "4000000\n");
	put("/sys/fs/cgroup/memory/pod/memory.memsw.usage_in_bytes", "4\n");
	put("/sys/fs/cgroup/memory/pod/one/memory.limit_in_bytes", "5000000\n");
	put("/sys/fs/cgroup/memory/pod/one/memory.stat", "cache 1\nhierarchical_memory_limit 2000000\ntotal_rss 17\n");
	EXPECT(find(&g, "/sys/fs/cgroup/memory/pod/one"));
	EXPECT(!g.is_v2);
	size_t n = cairn_bounds_read(0, b, CAIRN_BOUNDS_MOST);
	EXPECT_EQ(n, 4); /* one, pod, pod with swap, and an ancestor that the kernel knows of */
	EXPECT_EQ(b[0].limit_bytes, 5000000);
	EXPECT_EQ(b[0].used_bytes, CAIRN_CGROUP_NONE);
	EXPECT_EQ(b[1].limit_bytes, 3000000);
	EXPECT_EQ(b[2].kind, CAIRN_BOUND_CGROUP1_SWAP);
	EXPECT_EQ(b[2].used_bytes, 4);
	EXPECT_EQ(b[3].limit_bytes, 2000000);
	EXPECT(cairn_bounds_tightest(b, n) == &b[3]);
	tree_end();
}

static void in_a_hybrid_tree_memory_may_be_in_either(void)
{
	cairn_cgroup g;
	tree_begin();
	put("/proc/self/cgroup", "4:cpu:/y\n1:name=systemd:/x\n0::/u\n");
	put("/proc/self/mountinfo", OTHERS V1_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	EXPECT(find(&g, "/sys/fs/cgroup/unified/u"));
	put("/proc/self/cgroup", "0::/u\n4:memory:/m\n");
	EXPECT(find(&g, "/sys/fs/cgroup/memory/m"));
	tree_end();
}

static void a_mount_of_a_subtree_is_subtracted_and_another_ones_is_not_taken(void)
{
	cairn_cgroup g;
	tree_begin();
	put("/proc/self/cgroup", "3:memory:/docker/0123/in\n");
	put("/proc/self/mountinfo", "40 1 0:1 /docker/9999 /mnt rw - cgroup cgroup rw,memory\n"
				    "41 1 0:1 /docker/0123 /sys/fs/cg\\040x rw - cgroup cgroup rw,memory\n");
	EXPECT(find(&g, "/sys/fs/cg x/in"));
	EXPECT(cairn_cgroup_up(&g));
	EXPECT(!cairn_cgroup_up(&g)); /* the mount point is the top */
	EXPECT(strstr(g.path, "/sys/fs/cg x"));
	put("/proc/self/cgroup", "3:memory:/docker/01234\n"); /* no path component: not below */
	EXPECT(!cairn_cgroup_find(0, &g));
	tree_end();
}

static void a_process_outside_of_the_namespace_has_no_limit_and_a_higher_mount_has_its_top(void)
{
	cairn_cgroup g;
	tree_begin();
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/proc/self/cgroup", "0::/../other\n");
	EXPECT(!cairn_cgroup_find(0, &g));
	put("/proc/self/cgroup", "0::/\n");
	EXPECT(find(&g, "/sys/fs/cgroup"));
	put("/proc/self/mountinfo", "31 23 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	EXPECT(find(&g, "/sys/fs/cgroup"));
	tree_end();
}

static void a_folder_without_proc_is_the_cgroup_itself(void)
{
	cairn_cgroup g;
	cairn_cgroup_level level;
	tree_begin();
	EXPECT(!cairn_cgroup_find(0, &g));
	put("/memory.max", "123456\n");
	EXPECT(cairn_cgroup_find(0, &g));
	cairn_cgroup_read(&g, true, &level);
	EXPECT_EQ(level.max_bytes, 123456);
	EXPECT(!cairn_cgroup_up(&g));
	tree_end();
}

static void charges_and_pressure_are_those_of_the_cgroup(void)
{
	cairn_cgroup g;
	cairn_cgroup_charge c;
	cairn_cgroup_pressure p;
	tree_begin();
	put("/memory.max", "max\n");
	put("/memory.current", "1000\n");
	put("/memory.stat", "anon 100\nfile 200\nkernel 50\nsock 7\nshmem 20\nfile_mapped 5\nslab_reclaimable 3\n"
			    "slab 30\nactive_file 60\ninactive_file 90\nanon_thp 0\n");
	put("/memory.events", "low 0\nhigh 0\nmax 4\noom 2\noom_kill 1\n");
	EXPECT(cairn_cgroup_find(0, &g));
	cairn_cgroup_read_charge(&g, &c);
	EXPECT_EQ(c.used_bytes, 1000);
	EXPECT_EQ(c.anon_bytes, 100);
	EXPECT_EQ(c.file_bytes, 200);
	EXPECT_EQ(c.cache_bytes, 150);
	EXPECT_EQ(c.shmem_bytes, 20);
	EXPECT_EQ(c.slab_bytes, 30);
	EXPECT_EQ(c.limit_hits, 4);
	EXPECT_EQ(c.oom_kills, 1);
	EXPECT_EQ(cairn_cgroup_held_bytes(&g), 850);
	EXPECT(!cairn_cgroup_read_pressure(&g, &p));
	put("/proc/pressure/memory", "some avg10=0.50 avg60=0.00 avg300=0.00 total=9\n");
	EXPECT(cairn_cgroup_read_pressure(&g, &p));
	EXPECT_EQ(p.some_avg10, 50);
	put("/memory.pressure", "some avg10=12.34 avg60=1.00 avg300=0.00 total=77\n"
				"full avg10=1.05 avg60=0.00 avg300=0.00 total=66\n");
	EXPECT(cairn_cgroup_read_pressure(&g, &p));
	EXPECT_EQ(p.some_avg10, 1234);
	EXPECT_EQ(p.full_avg10, 105);
	EXPECT_EQ(p.full_us, 66);
	tree_end();
}

static void resource_limits_and_the_machine_are_in_the_list_of_any_process(void)
{
	cairn_bound b[CAIRN_BOUNDS_MOST];
	tree_begin();
	put("/proc/4711/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
				 "Max data size             7340032              unlimited            bytes     \n"
				 "Max resident set          1                    unlimited            bytes     \n"
				 "Max address space         unlimited            unlimited            bytes     \n");
	put("/proc/4711/status", "Name:\tx\nVmSize:\t    9000 kB\nVmRSS:\t     500 kB\nVmData:\t    6000 kB\n");
	put("/proc/meminfo", "MemTotal:        2000000 kB\nMemFree:  1 kB\nMemAvailable:    1500000 kB\n");
	size_t n = cairn_bounds_read(4711, b, CAIRN_BOUNDS_MOST);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(b[0].kind, CAIRN_BOUND_DATA);
	EXPECT_EQ(b[0].limit_bytes, 7340032);
	EXPECT_EQ(b[0].used_bytes, 6000 * 1024);
	EXPECT_EQ(b[1].kind, CAIRN_BOUND_RAM);
	EXPECT_EQ(b[1].used_bytes, 500000ull * 1024);
	EXPECT(cairn_bounds_tightest(b, n) == &b[0]);
	EXPECT_EQ(cairn_bounds_read(4711, b, 1), 1);
	EXPECT_EQ(b[0].kind, CAIRN_BOUND_RAM);
	tree_end();
}

static void lines_over_the_buffer_are_cut_and_the_next_is_whole(void)
{
	char text[2000], line[20];
	cairn_lines l;
	uint64_t n = 0;
	tree_begin();
	memset(text, 'x', sizeof text);
	strcpy(text + 1500, "\nabc 12\n");
	put("/f", text);
	strcat(strcpy(text, root), "/f");
	EXPECT(cairn_lines_begin(&l, text));
	EXPECT(cairn_lines_next(&l, line, sizeof line));
	EXPECT_EQ(strlen(line), sizeof line - 1);
	EXPECT(cairn_lines_next(&l, line, sizeof line));
	EXPECT(cairn_lines_number(line, "abc", &n));
	EXPECT_EQ(n, 12);
	EXPECT(!cairn_lines_number(line, "ab", &n));
	EXPECT(!cairn_lines_next(&l, line, sizeof line));
	tree_end();
}

static void of_this_very_process_something_is_known(void)
{
	cairn_bound b[CAIRN_BOUNDS_MOST];
	cairn_usage u;
	cairn_cgroup_root_inject(NULL);
	size_t n = cairn_bounds_read(0, b, CAIRN_BOUNDS_MOST);
	EXPECT(n > 0 && b[n - 1].kind == CAIRN_BOUND_RAM && b[n - 1].limit_bytes > 1 << 20);
	cairn_usage_read((uint32_t)getpid(), &u);
	EXPECT(u.resident_bytes > 100 << 10 && u.resident_bytes <= u.address_bytes);
}

int main(void)
{
	RUN(of_v2_the_whole_path_counts_and_max_is_no_limit);
	RUN(of_v1_the_memory_line_counts_and_the_largest_number_is_no_limit);
	RUN(in_a_hybrid_tree_memory_may_be_in_either);
	RUN(a_mount_of_a_subtree_is_subtracted_and_another_ones_is_not_taken);
	RUN(a_process_outside_of_the_namespace_has_no_limit_and_a_higher_mount_has_its_top);
	RUN(a_folder_without_proc_is_the_cgroup_itself);
	RUN(charges_and_pressure_are_those_of_the_cgroup);
	RUN(resource_limits_and_the_machine_are_in_the_list_of_any_process);
	RUN(lines_over_the_buffer_are_cut_and_the_next_is_whole);
	RUN(of_this_very_process_something_is_known);
	DONE();
}
