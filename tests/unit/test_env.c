/* Settings: a private copy of os/env.c reads an environment that the test makes up, as often as it likes. Cases cite
 * the invariants of os/env.c. */
#include "os/sys.h"

static unsigned long private_sys_aux(unsigned long type, unsigned long fallback);

#define cairn_env_offer     private_env_offer
#define cairn_env_init      private_env_init
#define cairn_env_text      private_env_text
#define cairn_env_flag      private_env_flag
#define cairn_env_bytes     private_env_bytes
#define cairn_env_is_secure private_env_is_secure
#define cairn_sys_aux       private_sys_aux
#include "os/env.c"
#undef cairn_sys_aux
#include "support/test.h"

static unsigned long secure_answer; /* what AT_SECURE reads as */

static unsigned long private_sys_aux(unsigned long type, unsigned long fallback)
{
	return type == AT_SECURE ? secure_answer : cairn_sys_aux(type, fallback);
}

/* E1: every entry begins with CAIRN_, has a '=', ends inside; behind them only zeros. */
static bool env_is_sound(void)
{
	size_t at = 0;
	while (at < env_used) {
		const char *end = memchr(env_text + at, 0, env_used - at);
		if (!end || strncmp(env_text + at, "CAIRN_", 6) || !strchr(env_text + at, '='))
			return false;
		at = (size_t)(end - env_text) + 1;
	}
	for (; env_text && at < ENV_MAX_BYTES; at++)
		if (env_text[at])
			return false;
	return env_used <= ENV_MAX_BYTES;
}

static void read_again(char **list)
{
	char **saved = environ;
	if (env_text)
		memset(env_text, 0, ENV_MAX_BYTES);
	env_used = 0;
	env_is_ready = false;
	environ = list;
	cairn_env_init();
	environ = saved;
	EXPECT(env_is_sound());
}

static bool same(const char *a, const char *b) { return a && b && !strcmp(a, b); }

static void only_our_names_are_kept(void)
{
	char *list[] = { "HOME=/root", "CAIRN_RUN=/tmp/x", "CAIRN=1", "XCAIRN_A=1", "CAIRN_CHECK=1",
			 "CAIRN_EMPTY=",  "CAIRN_NOVALUE",   "",        "CAIRN_EQ=a=b", NULL };
	read_again(list);
	EXPECT(same(cairn_env_text("CAIRN_RUN"), "/tmp/x"));
	EXPECT(same(cairn_env_text("CAIRN_CHECK"), "1"));
	EXPECT(same(cairn_env_text("CAIRN_EMPTY"), ""));
	EXPECT(same(cairn_env_text("CAIRN_EQ"), "a=b"));
	EXPECT(!cairn_env_text("HOME"));
	EXPECT(!cairn_env_text("CAIRN"));
	EXPECT(!cairn_env_text("XCAIRN_A"));
	EXPECT(!cairn_env_text("CAIRN_NOVALUE"));
}

static void before_libc_is_ready_what_was_offered_is_read(void)
{
	char *list[] = { "CAIRN_RUN=/tmp/offered", NULL };
	cairn_env_offer(list);
	read_again(NULL);
	cairn_env_offer(NULL);
	EXPECT(same(cairn_env_text("CAIRN_RUN"), "/tmp/offered"));
}

static void a_name_is_matched_whole(void)
{
	char *list[] = { "CAIRN_RUNS=1", "CAIRN_RUN=2", "CAIRN_RU=3", NULL };
	read_again(list);
	EXPECT(same(cairn_env_text("CAIRN_RUN"), "2"));
	EXPECT(same(cairn_env_text("CAIRN_RUNS"), "1"));
	EXPECT(same(cairn_env_text("CAIRN_RU"), "3"));
	EXPECT(!cairn_env_text("CAIRN_R"));
	EXPECT(!cairn_env_text("CAIRN_RUN="));
}

static void values_are_copies(void)
{
	char variable[] = "CAIRN_RUN=/tmp/x";
	char *list[] = { variable, NULL };
	read_again(list);
	memset(variable, 'Z', sizeof variable - 1);
	EXPECT(same(cairn_env_text("CAIRN_RUN"), "/tmp/x"));
}

static void the_second_init_changes_nothing(void)
{
	char *list[] = { "CAIRN_A=1", NULL }, *others[] = { "CAIRN_A=2", NULL };
	read_again(list);
	char **saved = environ;
	environ = others;
	cairn_env_init();
	environ = saved;
	EXPECT(same(cairn_env_text("CAIRN_A"), "1"));
}

static void a_set_user_id_program_sees_nothing(void) /* E2 */
{
	char *list[] = { "CAIRN_RUN=/tmp/x", "CAIRN_CHECK=1", NULL };
	secure_answer = 1;
	read_again(list);
	EXPECT(cairn_env_is_secure());
	EXPECT(!cairn_env_text("CAIRN_RUN"));
	EXPECT(!cairn_env_flag("CAIRN_CHECK", false));
	read_again(NULL);
	EXPECT(!cairn_env_text("CAIRN_TEST_MARK"));
	secure_answer = 0;
	read_again(list);
	EXPECT(!cairn_env_is_secure());
	EXPECT(cairn_env_text("CAIRN_RUN"));
}

static void what_does_not_fit_is_dropped_whole(void) /* E3 */
{
	static char large[ENV_MAX_BYTES + 100], most[ENV_MAX_BYTES - 100];
	memset(large, 'x', sizeof large - 1);
	memcpy(large, "CAIRN_L=", 8);
	memset(most, 'y', sizeof most - 1);
	memcpy(most, "CAIRN_M=", 8);
	char *list[] = { "CAIRN_A=1", large, most, most, "CAIRN_B=2", NULL };
	read_again(list);
	EXPECT(same(cairn_env_text("CAIRN_A"), "1"));
	EXPECT(same(cairn_env_text("CAIRN_B"), "2"));
	EXPECT(!cairn_env_text("CAIRN_L"));
	EXPECT(cairn_env_text("CAIRN_M") && strlen(cairn_env_text("CAIRN_M")) == sizeof most - 9);
}

static void any_length_leaves_the_buffer_sound(void) /* E1, E3 */
{
	static char value[6][3000];
	char *list[7] = { 0 };
	uint64_t seed = test_seed();
	for (int i = 0; i < 2000; i++) {
		for (int k = 0; k < 6; k++) {
			size_t length = 8 + test_random(&seed) % (sizeof value[k] - 9);
			memset(value[k], 'v', length);
			memcpy(value[k], test_random(&seed) % 4 ? "CAIRN_X=" : "OTHER_X=", 8);
			value[k][length] = 0;
			list[k] = value[k];
		}
		read_again(list);
	}
}

static bool is_executed_again; /* main sees to it that this process began with the variables looked for */

static void before_libc_is_ready_the_kernel_is_asked(void)
{
	if (!is_executed_again)
		SKIP("an emulator could not execute the test with an environment of its own");
	read_again(NULL); /* environ is NULL then */
	EXPECT(same(cairn_env_text("CAIRN_TEST_MARK"), "from the start"));
	EXPECT(cairn_env_text("CAIRN_TEST_LONG") && strlen(cairn_env_text("CAIRN_TEST_LONG")) == 2000);
	EXPECT(!cairn_env_text("TEST_OTHER"));
}

static void flags_read_yes_and_no(void)
{
	char *list[] = { "CAIRN_1=1",      "CAIRN_2=yes",   "CAIRN_3=on",  "CAIRN_4=true",  "CAIRN_5=0",   "CAIRN_6=no",
			 "CAIRN_7=off",    "CAIRN_8=false", "CAIRN_9=",    "CAIRN_A=maybe", "CAIRN_B=10",
			 "CAIRN_C=tru",    "CAIRN_D=falsey", NULL };
	read_again(list);
	char name[] = "CAIRN_0";
	for (int fallback = 0; fallback <= 1; fallback++)
		for (const char *c = "123456789ABCDE"; *c; c++) {
			name[6] = *c;
			bool wanted = *c <= '4' ? true : *c <= '8' ? false : fallback;
			EXPECT_EQ(cairn_env_flag(name, fallback), wanted);
		}
}

static void sizes_are_powers_of_1024(void)
{
	char *list[] = { "CAIRN_1=512M", "CAIRN_2=2G", "CAIRN_3=4096", "CAIRN_4=64K", "CAIRN_5=0",
			 "CAIRN_6=1t",   "CAIRN_7=18446744073709551615", NULL };
	read_again(list);
	EXPECT_EQ(cairn_env_bytes("CAIRN_1", 7), 512 << 20);
	EXPECT_EQ(cairn_env_bytes("CAIRN_2", 7), 2ll << 30);
	EXPECT_EQ(cairn_env_bytes("CAIRN_3", 7), 4096);
	EXPECT_EQ(cairn_env_bytes("CAIRN_4", 7), 65536);
	EXPECT_EQ(cairn_env_bytes("CAIRN_5", 7), 0);
	EXPECT_EQ(cairn_env_bytes("CAIRN_6", 7), 1ll << 40);
	EXPECT(cairn_env_bytes("CAIRN_7", 7) == SIZE_MAX);
	EXPECT_EQ(cairn_env_bytes("CAIRN_8", 7), 7);
}

static void what_is_no_size_is_the_fallback(void)
{
	char *list[] = { "CAIRN_1=",    "CAIRN_2=M",  "CAIRN_3=-1",    "CAIRN_4=1.5G", "CAIRN_5=5X", "CAIRN_6=5MB",
			 "CAIRN_7=18446744073709551616", "CAIRN_8=17179869184G", "CAIRN_9= 5", NULL };
	read_again(list);
	char name[] = "CAIRN_0";
	for (name[6] = '1'; name[6] <= '9'; name[6]++)
		EXPECT_EQ(cairn_env_bytes(name, 7), 7);
}

static void this_process_is_not_secure(void)
{
	EXPECT_EQ(cairn_sys_aux(AT_SECURE, 2), 0);
	secure_answer = 2; /* not known: the four numbers decide */
	read_again(NULL);
	EXPECT(!cairn_env_is_secure());
	secure_answer = 0;
}

int main(int argc, char **argv)
{
	is_executed_again = argc > 1;
	if (!is_executed_again) {
		static char text[2001];
		memset(text, 'l', 2000);
		setenv("CAIRN_TEST_MARK", "from the start", 1);
		setenv("CAIRN_TEST_LONG", text, 1);
		setenv("TEST_OTHER", "1", 1);
		execl("/proc/self/exe", argv[0], "again", (char *)NULL);
	}
	RUN(before_libc_is_ready_the_kernel_is_asked);
	RUN(before_libc_is_ready_what_was_offered_is_read);
	RUN(only_our_names_are_kept);
	RUN(a_name_is_matched_whole);
	RUN(values_are_copies);
	RUN(the_second_init_changes_nothing);
	RUN(a_set_user_id_program_sees_nothing);
	RUN(what_does_not_fit_is_dropped_whole);
	RUN(any_length_leaves_the_buffer_sound);
	RUN(flags_read_yes_and_no);
	RUN(sizes_are_powers_of_1024);
	RUN(what_is_no_size_is_the_fallback);
	RUN(this_process_is_not_secure);
	DONE();
}
