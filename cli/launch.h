/* cli/launch.h - starts the program, and stays beside it until it ends.
 *
 * The program gets the command's terminal, descriptors, signal mask and dispositions as the command was given them,
 * and nothing else. While it runs the command sleeps; it wakes to take samples, and for signals:
 *
 *   from the terminal          the program gets them itself, being in the same process group
 *   sent to the command        HUP INT QUIT TERM USR1 USR2 TSTP CONT WINCH, alarms, the realtime ones and what else
 *                              does not stand for a fault are passed on
 *   the program stops          the command stops too, so that the shell has its job back; both go on together
 *
 * Threads: one. */
#ifndef CAIRN_CLI_LAUNCH_H
#define CAIRN_CLI_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "program.h"

typedef struct cairn_launch {
	pid_t pid;
	sigset_t old_mask;            /* to give to the program */
	struct sigaction old_child;   /* SIGCHLD's, to give to the program */
	int signals, timer;           /* descriptors */
	int descriptors[3];           /* to become the program's 0, 1, 2; -1, as prepared: the command's own */
	bool leaves_no_mark;          /* the command's own memory must not show in the program's ru_maxrss */
	int stop_signal;              /* HUP, INT, QUIT or TERM that the command got, the last; 0 none */
	bool was_stopped;             /* by job control or SIGSTOP, so that its time says nothing */
	uint64_t start_ns;            /* CLOCK_MONOTONIC */
	uint64_t end_ns;
	int wait_status;              /* as wait4 gave it */
	struct rusage usage;          /* the program's and its waited-for descendants' */
	char last_name[64];           /* of the program in the process when it ended, cut by the kernel; "" unknown */
	bool has_own_faults;
	uint64_t minor_faults, major_faults; /* the program's alone, where has_own_faults */
} cairn_launch;

/* Blocks signals and makes the descriptors, once. False: the system refused; errno says why. */
bool cairn_launch_prepare(cairn_launch *l);
/* May be called again when the program has ended. 0 and pid is set, or the errno of execve. library NULL: preload
 * nothing; folder NULL: no account is written. */
int cairn_launch_start(cairn_launch *l, cairn_program *p, char *const argv[], const char *library, const char *folder);
/* Calls look(arg) now and then, which returns after how many nanoseconds it wants to be called again, until the
 * program has ended. */
void cairn_launch_watch(cairn_launch *l, uint64_t (*look)(void *arg), void *arg);
/* While no program runs: has stop_signal been set by a signal meanwhile? */
bool cairn_launch_is_stopped(cairn_launch *l);
/* Once no other program will be started: closes each descriptor that the caller gave but standard error, so that pipes,
 * sockets and locks that the program closes are closed. */
void cairn_launch_let_go(void);
/* Of these two, which a terminal's user ends programs by, a shell asks whether a child died: then it stops its script
 * or loop. When a child left with a status, were it 130, it goes on. */
static inline bool cairn_launch_is_interrupt(int signal) { return signal == SIGINT || signal == SIGQUIT; }
/* Ends the command by the signal status - 128, or, where that does not end it (the first process of a container), with
 * that status. No core is dumped. */
_Noreturn void cairn_launch_die(int status);

uint64_t cairn_launch_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t cairn_launch_cpu_ns(void); /* processor time of this process */

#endif
