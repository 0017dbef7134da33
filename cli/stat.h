/* cli/stat.h - the verb stat: where the resident bytes of a running process are. */
#ifndef CAIRN_CLI_STAT_H
#define CAIRN_CLI_STAT_H

/* argv behind the verb, NULL at the end. The command's exit status. */
int cairn_stat(char **argv);
/* Why a process cannot be looked at, for an errno of cairn_snapshot_take: returns borrowed. */
const char *cairn_stat_why(int error);

#endif
