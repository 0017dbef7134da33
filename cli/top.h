/* cli/top.h - the verb top: a live view of a running process, or of which ones there are. Threads: one. */
#ifndef CAIRN_CLI_TOP_H
#define CAIRN_CLI_TOP_H

/* argv behind the verb, NULL at the end. The command's exit status; where a signal ended it, it does not return. */
int cairn_top(char **argv);

#endif
