/* Lists: order, and that removing is always safe. */
#include "base/list.h"
#include "support/test.h"

typedef struct stone {
	int number;
	cairn_node node;
} stone;

static stone *stone_of(cairn_node *n) { return cairn_container(n, stone, node); }

/* Both directions name the same nodes, and there are n of them. */
static bool list_is_sound(const cairn_node *head, size_t n)
{
	size_t forth = 0, back = 0;
	for (const cairn_node *i = head->next; i != head && forth <= n; i = i->next) {
		if (i->next->prev != i || i->prev->next != i)
			return false;
		forth++;
	}
	for (const cairn_node *i = head->prev; i != head && back <= n; i = i->prev)
		back++;
	return forth == n && back == n;
}

static void a_new_head_is_empty(void)
{
	cairn_node head;
	cairn_node_init(&head);
	EXPECT(cairn_list_is_empty(&head));
	EXPECT(list_is_sound(&head, 0));
}

static void push_goes_to_the_front_and_append_to_the_end(void)
{
	cairn_node head;
	stone s[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
	cairn_node_init(&head);
	cairn_list_push(&head, &s[1].node);
	cairn_list_push(&head, &s[0].node);
	cairn_list_append(&head, &s[2].node);
	cairn_list_append(&head, &s[3].node);
	EXPECT(list_is_sound(&head, 4));
	int number = 0;
	for (cairn_node *n = head.next; n != &head; n = n->next)
		EXPECT_EQ(stone_of(n)->number, number++);
	EXPECT_EQ(number, 4);
}

static void removing_twice_is_harmless(void)
{
	cairn_node head;
	stone s[3];
	cairn_node_init(&head);
	for (int i = 0; i < 3; i++)
		cairn_list_append(&head, &s[i].node);
	cairn_list_remove(&s[1].node);
	EXPECT(list_is_sound(&head, 2));
	cairn_list_remove(&s[1].node);
	EXPECT(list_is_sound(&head, 2));
	EXPECT(head.next == &s[0].node && head.prev == &s[2].node);
	cairn_list_remove(&s[0].node);
	cairn_list_remove(&s[2].node);
	EXPECT(cairn_list_is_empty(&head));
}

static void random_moves_keep_every_node_once(void)
{
	enum { STONES = 64 };
	cairn_node head;
	stone s[STONES];
	bool is_in[STONES] = { 0 };
	size_t count = 0;
	uint64_t seed = test_seed();
	cairn_node_init(&head);
	for (int i = 0; i < STONES; i++)
		cairn_node_init(&s[i].node);
	for (int i = 0; i < 20000; i++) {
		uint64_t r = test_random(&seed);
		size_t k = r % STONES;
		if (is_in[k])
			cairn_list_remove(&s[k].node);
		else if (r >> 32 & 1)
			cairn_list_push(&head, &s[k].node);
		else
			cairn_list_append(&head, &s[k].node);
		is_in[k] = !is_in[k];
		count += is_in[k] ? 1 : (size_t)-1;
		EXPECT(list_is_sound(&head, count));
	}
}

int main(void)
{
	RUN(a_new_head_is_empty);
	RUN(push_goes_to_the_front_and_append_to_the_end);
	RUN(removing_twice_is_harmless);
	RUN(random_moves_keep_every_node_once);
	DONE();
}
