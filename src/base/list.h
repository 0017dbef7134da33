/* base/list.h - intrusive doubly linked lists with a head that is a node.
 *
 * An empty head points to itself. A node in no list points to itself too, so removing it twice is harmless.
 * Threads: the caller's lock. */
#ifndef CAIRN_BASE_LIST_H
#define CAIRN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cairn_node {
	struct cairn_node *next, *prev; /* sync: the list's lock */
} cairn_node;

static inline void cairn_node_init(cairn_node *n) { n->next = n->prev = n; }
static inline bool cairn_list_is_empty(const cairn_node *head) { return head->next == head; }

static inline void cairn_list_push(cairn_node *head, cairn_node *n) /* to the front */
{
	n->next = head->next;
	n->prev = head;
	head->next->prev = n;
	head->next = n;
}

static inline void cairn_list_append(cairn_node *head, cairn_node *n) { cairn_list_push(head->prev, n); }

static inline void cairn_list_remove(cairn_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	cairn_node_init(n);
}

/* The struct that holds the node. */
#define cairn_container(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))

#endif
