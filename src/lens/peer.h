/* lens/peer.h - another process, read through /proc and process_vm_readv: never stopped, never attached to.
 *
 * The process may be this one. It may go on, fork, execute another program or end while it is read: every read may
 * fail, and what two reads say may be of two instants.
 *
 * Everything that is read was written by another process, which may be hostile: numbers are bounded before they are
 * lengths or indices.
 *
 * Locks: none; a peer belongs to its maker. Failure: false or 0, and nothing is changed but what was to be filled.
 * Nothing here allocates from malloc; arrays that grow are cairn_peer_room. */
#ifndef CAIRN_LENS_PEER_H
#define CAIRN_LENS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cairn_peer {
	uint32_t pid;
	uint32_t reader; /* a thread of it through which its memory is read: the first, while it has not ended */
	int pagemap;     /* descriptor, -1: not to be had */
	int memory;      /* descriptor of /proc/PID/mem, -1: process_vm_readv does it, or nothing */
	bool has_scan;   /* PAGEMAP_SCAN works here (Linux 6.7) */
	bool has_memory; /* its memory may be read */
	bool shares_nothing; /* known: no other process has any of its anonymous pages */
	bool is_empty;   /* it has no memory: a zombie, or a thread of the kernel */
	size_t page_bytes;
} cairn_peer;

/* 0, or an errno: ESRCH, EACCES. Returns owned: to be closed. */
int cairn_peer_open(cairn_peer *p, uint32_t pid);
void cairn_peer_close(cairn_peer *p);

/* n bytes at `at` of the process, or false. */
bool cairn_peer_read(cairn_peer *p, uintptr_t at, void *to, size_t n);
bool cairn_peer_write(cairn_peer *p, uintptr_t at, const void *from, size_t n); /* the other way */
typedef struct cairn_peer_piece {
	uintptr_t at;
	void *to;
	size_t bytes;
} cairn_peer_piece;
/* Many pieces by few calls; what cannot be read is zeroed. How many were read. */
size_t cairn_peer_read_all(cairn_peer *p, const cairn_peer_piece *pieces, size_t count);

/* Which OS pages of [start, start + pages * page_bytes) are in the resident set: bit i of `resident`; and of those,
 * which in huge pages: bit i of `huge`, where the kernel tells. Both have room for a multiple of 64 bits. False: the
 * kernel does not tell. */
bool cairn_peer_resident(cairn_peer *p, uintptr_t start, size_t pages, uint64_t *resident, uint64_t *huge);

/* The file /proc/PID/NAME into text, terminated; its length, 0: none. What is of the memory is of the reader. */
size_t cairn_peer_file(const cairn_peer *p, const char *name, char *text, size_t bytes);
/* The same of one of its threads, and of what a link leads to, cut. */
size_t cairn_peer_thread_file(const cairn_peer *p, uint32_t id, const char *name, char *text, size_t bytes);
size_t cairn_peer_link(const cairn_peer *p, const char *name, char *text, size_t bytes);

/* Calls with the number of each thread, rising as the kernel lists them, until it returns false. */
void cairn_peer_visit_threads(const cairn_peer *p, bool (*visit)(void *arg, uint32_t id), void *arg);

/* A file of /proc/PID, line by line, of any length; lines over bytes are cut. */
typedef struct cairn_peer_lines {
	int fd;
	size_t from, to;
	char *line; /* of the last call of next; terminated */
	char buffer[16384];
} cairn_peer_lines;
int cairn_peer_lines_open(const cairn_peer *p, cairn_peer_lines *l, const char *name); /* 0 or errno */
bool cairn_peer_lines_next(cairn_peer_lines *l);                                       /* false: the end */
void cairn_peer_lines_close(cairn_peer_lines *l);

/* An array that grows, in a mapping of its own. Zeroed is empty. */
typedef struct cairn_peer_room {
	void *items;
	size_t count, capacity, item_bytes;
} cairn_peer_room;
void *cairn_peer_room_add(cairn_peer_room *r, size_t item_bytes); /* a zeroed item more, or NULL: no memory */
void cairn_peer_room_free(cairn_peer_room *r);
/* Sorts the items by the 8-byte unsigned number at their start, rising, equal ones in no order. Numbers alone byte
 * by byte, and what else there is by heapsort: in place, without recursion. */
void cairn_peer_room_sort(cairn_peer_room *r);

#endif
