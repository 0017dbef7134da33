/* Shared memory that outlives the process: a private copy of os/shared.c, with a folder of the test's own, so that the
 * process's real file (if a malloc that is linked in has one) is left alone. Cases cite the invariants of
 * os/shared.c. */
static const char *test_folder; /* what CAIRN_RUN reads as */
static const char *private_env_text(const char *name);

#define cairn_shared_create  private_shared_create
#define cairn_shared_map     private_shared_map
#define cairn_shared_hold    private_shared_hold
#define cairn_shared_leave   private_shared_leave
#define cairn_shared_give_up private_shared_give_up
#define cairn_shared_error   private_shared_error
#define cairn_env_text      private_env_text
#define CAIRN_OS_ENV_H
#include "os/shared.c"
#include "support/test.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

static const char *private_env_text(const char *name) { return strcmp(name, "CAIRN_RUN") ? NULL : test_folder; }

static char scratch[] = "/tmp/cairn-test-XXXXXX";

static int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static size_t file_blocks_bytes(void)
{
	struct stat s;
	return stat(shared_path, &s) ? 0 : (size_t)s.st_blocks * 512;
}

static bool file_has(size_t offset, const char *wanted)
{
	char got[64] = { 0 };
	int fd = open(shared_path, O_RDONLY);
	ssize_t n = pread(fd, got, strlen(wanted), (off_t)offset);
	close(fd);
	return n == (ssize_t)strlen(wanted) && !memcmp(got, wanted, (size_t)n);
}

static void without_a_folder_there_is_no_file(void)
{
	const char *bad[] = { NULL, "", "relative", "./here", "/no/such/folder", "/proc/self/exe" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		test_folder = bad[i];
		EXPECT(!cairn_shared_create());
		EXPECT(!cairn_shared_map(NULL, 0, 65536));
	}
	static char long_folder[600];
	memset(long_folder, 'a', sizeof long_folder - 1);
	long_folder[0] = '/';
	test_folder = long_folder;
	EXPECT(!cairn_shared_create());
	test_folder = scratch;
}

static void the_file_is_named_by_the_process_and_private(void) /* S1 */
{
	struct stat s;
	char start[80];
	REQUIRE(cairn_shared_create());
	snprintf(start, sizeof start, "%s/%d.", scratch, (int)getpid());
	EXPECT(!strncmp(shared_path, start, strlen(start)));
	EXPECT(shared_path[strlen(start)] >= '1' && shared_path[strlen(start)] <= '9');
	EXPECT(stat(shared_path, &s) == 0);
	EXPECT_EQ(s.st_mode & 07777, 0600);
	unlink(shared_path);
}

static void two_files_of_a_process_differ(void) /* S1 */
{
	char first[SHARED_PATH_MAX];
	REQUIRE(cairn_shared_create());
	strcpy(first, shared_path);
	REQUIRE(cairn_shared_create());
	EXPECT(strcmp(first, shared_path));
	unlink(first);
	unlink(shared_path);
}

static void stores_are_in_the_file_without_an_open_descriptor(void) /* S2, S3 */
{
	int before = descriptors();
	REQUIRE(cairn_shared_create());
	char *p = cairn_shared_map(NULL, 0, 65536);
	REQUIRE(p && cairn_shared_hold(p + 4096, 8192));
	EXPECT_EQ(descriptors(), before);
	for (size_t i = 0; i < 8192; i++)
		EXPECT(p[4096 + i] == 0);
	strcpy(p + 4196, "stones");
	EXPECT(file_has(4196, "stones"));
	msync(p, 65536, MS_SYNC);
	EXPECT(file_blocks_bytes() >= 8192 && file_blocks_bytes() < 65536);
	munmap(p, 65536);
	unlink(shared_path);
}

static void a_range_can_replace_private_pages(void)
{
	char *at = cairn_vm_map(3 * 65536);
	REQUIRE(at && cairn_shared_create());
	at[0] = 1;
	at[2 * 65536] = 3;
	char *p = cairn_shared_map(at + 65536, 65536, 65536);
	EXPECT(p == at + 65536);
	EXPECT(at[0] == 1 && at[65536] == 0 && at[2 * 65536] == 3);
	strcpy(at + 65536, "second");
	EXPECT(file_has(65536, "second"));
	EXPECT(cairn_shared_map(at, 0, 65536) == at);
	EXPECT(!strcmp(at + 65536, "second"));
	EXPECT(file_has(65536, "second"));
	cairn_vm_release(at, 3 * 65536);
	unlink(shared_path);
}

static void it_grows_after_the_program_changed_its_directory(void)
{
	REQUIRE(cairn_shared_create());
	char *p = cairn_shared_map(NULL, 0, 65536);
	REQUIRE(p && chdir("/") == 0);
	char *q = cairn_shared_map(NULL, 65536, 65536);
	REQUIRE(q);
	strcpy(q, "more");
	EXPECT(file_has(65536, "more"));
	munmap(p, 65536);
	munmap(q, 65536);
	unlink(shared_path);
}

static void a_killed_process_leaves_what_it_stored(void)
{
	REQUIRE(cairn_shared_create());
	pid_t pid = fork();
	if (pid == 0) {
		char *p = cairn_shared_map(NULL, 0, 65536);
		if (p)
			strcpy(p, "last words");
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	EXPECT(file_has(0, "last words"));
	unlink(shared_path);
}

static void a_removed_file_is_a_refusal(void)
{
	REQUIRE(cairn_shared_create());
	unlink(shared_path);
	int before = descriptors();
	EXPECT(!cairn_shared_map(NULL, 0, 65536));
	EXPECT_EQ(descriptors(), before);
}

static void a_symbolic_link_is_not_followed(void) /* S1 */
{
	char target[80];
	snprintf(target, sizeof target, "%s/target", scratch);
	REQUIRE(cairn_shared_create());
	REQUIRE(rename(shared_path, target) == 0 && symlink(target, shared_path) == 0);
	EXPECT(!cairn_shared_map(NULL, 0, 65536));
	unlink(shared_path);
	unlink(target);
}

/* Without the check the kernel sends SIGXFSZ, whose default is death. */
static void a_file_size_limit_refuses_and_does_not_kill(void)
{
	REQUIRE(cairn_shared_create());
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit limit = { 100000, 100000 };
		setrlimit(RLIMIT_FSIZE, &limit);
		bool small = cairn_shared_map(NULL, 0, 65536), large = cairn_shared_map(NULL, 65536, 65536);
		_exit(small && !large ? 0 : 1);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	unlink(shared_path);
}

/* A file system of 256 KiB, in a mount namespace of the child's own. */
static int child_on_a_full_disk(void)
{
	char map[40];
	snprintf(map, sizeof map, "0 %d 1", (int)getuid());
	if (unshare(CLONE_NEWNS)) { /* an ordinary user: root in a user namespace */
		int fd = unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -1 : open("/proc/self/uid_map", O_WRONLY);
		if (fd < 0 || write(fd, map, strlen(map)) < 0)
			return 77;
		close(fd);
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmpfs", scratch, "tmpfs", 0, "size=256k"))
		return 77;
	char *at = cairn_vm_map(1 << 20);
	if (!cairn_shared_create() || cairn_shared_map(at, 0, 1 << 20) != at || !cairn_shared_hold(at, 131072))
		return 1;
	memset(at, 5, 131072);
	if (cairn_shared_hold(at + 131072, 262144) || cairn_shared_error() != ENOSPC || at[131071] != 5)
		return 2;
	if (!cairn_shared_leave(at + 131072, (1 << 20) - 131072) || !cairn_shared_hold(at, 1 << 20) || at[131072])
		return 3;
	memset(at + 131072, 6, (1 << 20) - 131072); /* private now: no SIGBUS */
	return file_has(131072, "\6") || !file_has(131000, "\5") ? 4 : 0;
}

static void a_full_disk_refuses_and_does_not_kill(void) /* S2 */
{
	if (is_emulated())
		SKIP("an emulator stores where the kernel would");
	pid_t pid = fork();
	if (pid == 0)
		_exit(child_on_a_full_disk());
	int status = -1;
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no right to mount a small file system");
	EXPECT_EQ(status, 0);
}

static void who_gives_up_is_counted(void)
{
	char first[SHARED_PATH_MAX], lost[80];
	cairn_lost got = { 0, 0 };
	snprintf(lost, sizeof lost, "%s/" CAIRN_LOST_NAME, scratch);
	int fd = open(lost, O_RDWR | O_CREAT, 0666), before = descriptors();
	REQUIRE(fd >= 0 && ftruncate(fd, CAIRN_LOST_BYTES) == 0);
	for (unsigned i = 1; i <= 3; i++) {
		REQUIRE(cairn_shared_create());
		strcpy(first, shared_path);
		unlink(shared_path);
		EXPECT(!cairn_shared_map(NULL, 0, 65536));
		cairn_shared_give_up();
		EXPECT(access(first, F_OK) < 0);
		EXPECT(pread(fd, &got, sizeof got, 0) == sizeof got && got.processes == i && got.error == ENOENT);
	}
	EXPECT_EQ(descriptors(), before);
	close(fd);
	unlink(lost);
	cairn_shared_give_up(); /* in a folder where nobody counts */
	EXPECT(access(lost, F_OK) < 0);
}

static void a_child_of_fork_makes_its_own(void)
{
	char parents[SHARED_PATH_MAX];
	REQUIRE(cairn_shared_create());
	strcpy(parents, shared_path);
	pid_t pid = fork();
	if (pid == 0) {
		bool made = cairn_shared_create() && strcmp(parents, shared_path);
		unlink(shared_path);
		_exit(!made);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT(access(parents, F_OK) == 0);
	unlink(parents);
}

int main(void)
{
	if (!mkdtemp(scratch))
		SKIP_ALL("/tmp is not writable");
	test_folder = scratch;
	RUN(without_a_folder_there_is_no_file);
	RUN(the_file_is_named_by_the_process_and_private);
	RUN(two_files_of_a_process_differ);
	RUN(stores_are_in_the_file_without_an_open_descriptor);
	RUN(a_range_can_replace_private_pages);
	RUN(it_grows_after_the_program_changed_its_directory);
	RUN(a_killed_process_leaves_what_it_stored);
	RUN(a_removed_file_is_a_refusal);
	RUN(a_symbolic_link_is_not_followed);
	RUN(a_file_size_limit_refuses_and_does_not_kill);
	RUN(a_full_disk_refuses_and_does_not_kill);
	RUN(who_gives_up_is_counted);
	RUN(a_child_of_fork_makes_its_own);
	rmdir(scratch);
	DONE();
}
