/* The stop of managed heaps, as src/gc/world.h draws it: every interleaving of its atomic steps, by two to four threads
 * that are attached to one or two heaps, collect, poll, leave, enter, attach and detach as they like and for ever.
 *
 * The model is its own: a step is one atomic access of the protocol's words, or a futex call (a wait looks at its word
 * and sleeps in one step, a wake ends all sleeps on its word). The world's lock is taken in one step when it is free.
 *
 * Safe: while a collector works no other thread runs in its heap (GW1), and when nobody has a heap's lock nobody of it
 * is STOPPED or HELD. Live: from every state all threads come back to their program, though no thread that is in it
 * does anything but poll when it is asked to, and one that is out does nothing at all. So every stop ends, nobody waits
 * for ever, and no wake-up is lost.
 *
 * Each rule of the protocol is needed: without it one of these fails, which is a case of its own. */
#include "support/child.h"

enum { THREADS_MOST = 4, HEAPS_MOST = 2, STATES_MOST = 4 << 20 };

enum word { RUNNING, STOPPED, OUT, HELD, NONE };

/* What a thread does next. */
enum step {
	PROGRAM,     /* its own code */
	POLL_CLEAR, POLL_ASK, STOP_SET, STOP_WAKE, STOP_WAIT,
	LEAVE_SET, LEAVE_WAKE,
	ENTER,
	ASIDE, ASIDE_WAKE,               /* out of each heap in turn */
	IN, BACK, BACK_WAKE, IN_WAIT, IN_BLIND, /* into each; out of those again while one is held */
	LOCK,
	COLLECT_IN, ASK, ASK_POLL, ASK_HOLD, AWAIT, AWAIT_SLEEP, WORK,
	RESUME_ASK, RESUME_POLL, RESUME_SET, RESUME_WAKE, UNLOCK,
	LIST,                            /* attach and detach, with the lock */
};

enum purpose { STOPS, ENTERS, COLLECTS, ATTACHES, DETACHES };

/* Rules that can be left out. */
enum rule {
	ALL_RULES = 0,
	NO_CHECK_AFTER_HELD = 1,  /* enter takes for granted that it may run when it was woken */
	ENTER_IGNORES_HELD = 2,
	WAKE_BEFORE_CHANGE = 4,   /* who stops wakes the collector, then changes its state */
	STAYS_IN_OTHERS = 8,      /* who waits for one heap stays in the others */
	LOCK_WHILE_RUNNING = 16,  /* who wants to collect waits for the lock as a running mutator */
	POLL_CLEARED_LATE = 32,   /* after the question whether a stop is wanted */
	WANTED_CLEARED_LATE = 64, /* after the mutators run again */
	LEAVE_WITHOUT_WAKE = 128,
	DETACH_WITHOUT_LOCK = 256,
	ENTERS_ONE_BY_ONE = 512,  /* waiting for one heap it keeps those that it has entered */
	KEEPS_THOSE_BEHIND = 2048, /* the same, of those behind it in its list: resume may have set one running */
	ASKS_BEFORE_SET = 1024,   /* leave looks whether to wake before it changes its state */
};

typedef struct thread_state {
	uint8_t step, purpose, heap; /* of what it is about */
	uint8_t at, other;           /* a heap, a thread: of a loop */
	uint8_t aside, attached;     /* sets of heaps */
	uint8_t asleep;              /* on the word of thread * HEAPS_MOST + heap, and 1; 0: awake */
} thread_state;

typedef struct state {
	thread_state thread[THREADS_MOST];
	uint8_t word[THREADS_MOST][HEAPS_MOST]; /* enum word, and 8: poll is set */
	uint8_t wanted;                         /* a set of heaps */
	uint8_t lock;                           /* 4 bits a heap: who has it, and 1 */
	uint8_t pad[6];
} state;
_Static_assert(sizeof(state) == 48, "without padding: it is compared as bytes");

/* What may happen. */
static struct {
	unsigned threads, heaps, rules;
	uint8_t attached[THREADS_MOST]; /* at the beginning */
	uint8_t collects[THREADS_MOST], leaves[THREADS_MOST], detaches[THREADS_MOST]; /* sets of heaps */
} setting;

static struct {
	state *states;
	uint32_t count;
	uint32_t *table, *edges; /* edges: from, to; those that must happen */
	size_t edge_count, edge_room;
	uint32_t table_mask;
	bool is_unsafe, is_full;
} graph;

/* ---- The words ---- */

static enum word word_of(const state *s, unsigned t, unsigned h) { return s->word[t][h] & 7; }
static bool poll_of(const state *s, unsigned t, unsigned h) { return s->word[t][h] & 8; }
static void word_set(state *s, unsigned t, unsigned h, enum word w) { s->word[t][h] = (s->word[t][h] & 8) | w; }
static void poll_set(state *s, unsigned t, unsigned h, bool on) { s->word[t][h] = (s->word[t][h] & 7) | (on ? 8 : 0); }
static bool is_wanted(const state *s, unsigned h) { return s->wanted >> h & 1; }
static unsigned lock_of(const state *s, unsigned h) { return s->lock >> 4 * h & 15; }
static void lock_set(state *s, unsigned h, unsigned to)
{
	s->lock = (uint8_t)((s->lock & ~(15u << 4 * h)) | to << 4 * h);
}
static bool rule_is_out(unsigned rule) { return setting.rules & rule; }

static void wake(state *s, unsigned t, unsigned h)
{
	for (unsigned u = 0; u < setting.threads; u++)
		if (s->thread[u].asleep == t * HEAPS_MOST + h + 1)
			s->thread[u].asleep = 0;
}

/* ---- The graph ---- */

static uint32_t state_hash(const state *s)
{
	uint64_t w[6], x = 0;
	memcpy(w, s, sizeof w);
	for (unsigned i = 0; i < 6; i++)
		x = (x ^ w[i]) * UINT64_C(0x9e3779b97f4a7c15), x ^= x >> 29;
	return (uint32_t)(x >> 16);
}

/* Its number; a new one where it was not seen yet. */
static uint32_t state_number(const state *s)
{
	uint32_t i = state_hash(s) & graph.table_mask;
	for (; graph.table[i]; i = (i + 1) & graph.table_mask)
		if (!memcmp(&graph.states[graph.table[i] - 1], s, sizeof *s))
			return graph.table[i] - 1;
	if (graph.count == STATES_MOST) {
		graph.is_full = true;
		return 0;
	}
	graph.states[graph.count] = *s;
	graph.table[i] = ++graph.count;
	return graph.count - 1;
}

static void edge_add(uint32_t from, uint32_t to)
{
	if (graph.edge_count == graph.edge_room) {
		graph.edge_room = graph.edge_room ? 2 * graph.edge_room : 1 << 16;
		graph.edges = realloc(graph.edges, graph.edge_room * 2 * sizeof *graph.edges);
	}
	graph.edges[2 * graph.edge_count] = from;
	graph.edges[2 * graph.edge_count + 1] = to;
	graph.edge_count++;
}

/* ---- The protocol: one step of thread t that is about heap h ---- */

/* Goes on with the next heap at or after `at` of which t is to get out; then with what it wanted to be out for. */
static void aside_next(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	for (; me->at < setting.heaps; me->at++) {
		bool is_own = me->at == me->heap;
		if (word_of(s, t, me->at) != RUNNING || (me->purpose == STOPS && is_own))
			continue;
		if ((!is_own && rule_is_out(STAYS_IN_OTHERS)) || (is_own && rule_is_out(LOCK_WHILE_RUNNING)))
			continue;
		me->step = ASIDE;
		return;
	}
	me->at = 0;
	me->step = me->purpose == STOPS ? STOP_SET : me->purpose == ENTERS ? IN : LOCK;
	if (me->step == STOP_SET && rule_is_out(WAKE_BEFORE_CHANGE))
		me->step = STOP_WAKE;
	if (me->purpose == DETACHES && rule_is_out(DETACH_WITHOUT_LOCK))
		me->step = LIST;
}

static void begin(state *s, unsigned t, unsigned h, enum purpose purpose)
{
	s->thread[t].heap = (uint8_t)h;
	s->thread[t].purpose = (uint8_t)purpose;
	s->thread[t].at = s->thread[t].other = 0;
	aside_next(s, t);
}

static void go_out(state *s, unsigned t, unsigned h)
{
	poll_set(s, t, h, true);
	word_set(s, t, h, OUT);
	s->thread[t].aside |= (uint8_t)(1u << h);
}

/* Collector's loops over others: the next thread that is attached, or the step after the loop. */
static void next_other(state *s, unsigned t, enum step again, enum step after)
{
	thread_state *me = &s->thread[t];
	for (; me->other < setting.threads; me->other++)
		if (me->other != t && s->thread[me->other].attached >> me->heap & 1) {
			me->step = (uint8_t)again;
			return;
		}
	me->other = 0;
	me->step = (uint8_t)after;
}

static void step_stop(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = me->heap;
	bool is_wrong_way = rule_is_out(WAKE_BEFORE_CHANGE);
	switch (me->step) {
	case POLL_CLEAR:
		poll_set(s, t, h, false);
		me->step = POLL_ASK;
		if (rule_is_out(POLL_CLEARED_LATE))
			me->step = PROGRAM;
		break;
	case POLL_ASK:
		me->step = rule_is_out(POLL_CLEARED_LATE) ? POLL_CLEAR : PROGRAM;
		if (is_wanted(s, h))
			begin(s, t, h, STOPS);
		break;
	case STOP_SET:
		word_set(s, t, h, STOPPED);
		me->aside |= (uint8_t)(1u << h);
		me->step = is_wrong_way ? STOP_WAIT : STOP_WAKE;
		break;
	case STOP_WAKE:
		wake(s, t, h);
		me->step = is_wrong_way ? STOP_SET : STOP_WAIT;
		break;
	default: /* STOP_WAIT */
		if (word_of(s, t, h) == STOPPED)
			me->asleep = (uint8_t)(t * HEAPS_MOST + h + 1);
		else
			me->step = IN;
	}
}

static void step_leave(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = me->heap;
	bool is_wrong_way = rule_is_out(ASKS_BEFORE_SET);
	if (me->step == LEAVE_SET) {
		poll_set(s, t, h, true);
		word_set(s, t, h, OUT);
		me->step = is_wrong_way || rule_is_out(LEAVE_WITHOUT_WAKE) ? PROGRAM : LEAVE_WAKE;
		return;
	}
	if (is_wanted(s, h))
		wake(s, t, h);
	me->step = is_wrong_way ? LEAVE_SET : PROGRAM;
}

static void step_aside(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	if (me->step == ASIDE) {
		go_out(s, t, me->at);
		me->step = ASIDE_WAKE;
		return;
	}
	if (is_wanted(s, me->at))
		wake(s, t, me->at);
	me->at++;
	aside_next(s, t);
}

static void step_enter(state *s, unsigned t)
{
	unsigned h = s->thread[t].heap;
	if (word_of(s, t, h) == OUT || rule_is_out(ENTER_IGNORES_HELD)) {
		word_set(s, t, h, RUNNING);
		s->thread[t].step = PROGRAM;
		return;
	}
	s->thread[t].aside |= (uint8_t)(1u << h);
	begin(s, t, h, ENTERS);
}

/* A thread's mutators are in a list of its own, in any order. */
static unsigned heap_in_list(unsigned t, unsigned i) { return t & 1 ? setting.heaps - 1 - i : i; }

static bool came_in(const state *s, unsigned t, unsigned i)
{
	unsigned h = heap_in_list(t, i);
	return (s->thread[t].aside >> h & 1) && word_of(s, t, h) == RUNNING;
}

/* Coming in: `at` says which of its list is in hand, `other` which it goes out of again. */
static void step_in(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	while (me->at < setting.heaps && (!(me->aside >> heap_in_list(t, me->at) & 1) || came_in(s, t, me->at)))
		me->at++;
	if (me->at == setting.heaps) {
		me->at = me->other = me->aside = 0;
		me->step = PROGRAM;
	} else if (word_of(s, t, heap_in_list(t, me->at)) == OUT) {
		word_set(s, t, heap_in_list(t, me->at++), RUNNING);
	} else {
		me->other = 0;
		me->step = rule_is_out(ENTERS_ONE_BY_ONE) ? IN_WAIT : BACK;
	}
}

static void step_back(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = heap_in_list(t, me->other);
	if (me->step == BACK_WAKE) {
		if (is_wanted(s, h))
			wake(s, t, h);
		me->other++;
		me->step = BACK;
		return;
	}
	unsigned end = rule_is_out(KEEPS_THOSE_BEHIND) ? me->at : setting.heaps;
	while (me->other < end && !came_in(s, t, me->other))
		me->other++;
	me->step = IN_WAIT;
	if (me->other < end) {
		go_out(s, t, heap_in_list(t, me->other));
		me->step = BACK_WAKE;
	}
}

static void step_in_wait(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = heap_in_list(t, me->at);
	if (me->step == IN_BLIND) {
		word_set(s, t, h, RUNNING);
		me->step = IN;
	} else if (word_of(s, t, h) == HELD) {
		me->asleep = (uint8_t)(t * HEAPS_MOST + h + 1);
		me->step = rule_is_out(NO_CHECK_AFTER_HELD) ? IN_BLIND : IN_WAIT;
	} else {
		me->at = 0;
		me->step = IN;
	}
}

static void step_ask(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = me->heap, u = me->other;
	switch (me->step) {
	case COLLECT_IN:
		if (word_of(s, t, h) == OUT)
			word_set(s, t, h, RUNNING);
		me->step = ASK;
		break;
	case ASK:
		s->wanted |= (uint8_t)(1u << h);
		me->other = 0;
		next_other(s, t, ASK_POLL, AWAIT);
		if (me->step == AWAIT)
			next_other(s, t, AWAIT, WORK);
		break;
	case ASK_POLL:
		poll_set(s, u, h, true);
		me->step = ASK_HOLD;
		break;
	case ASK_HOLD:
		if (word_of(s, u, h) == OUT)
			word_set(s, u, h, HELD);
		me->other++;
		next_other(s, t, ASK_POLL, AWAIT);
		if (me->step == AWAIT)
			next_other(s, t, AWAIT, WORK);
		break;
	case AWAIT:
		if (word_of(s, u, h) == OUT)
			word_set(s, u, h, HELD);
		me->step = AWAIT_SLEEP;
		break;
	default: /* AWAIT_SLEEP: looks, and sleeps while it reads RUNNING */
		if (word_of(s, u, h) == HELD || word_of(s, u, h) == STOPPED) {
			me->other++;
			next_other(s, t, AWAIT, WORK);
		} else if (word_of(s, u, h) == OUT) {
			me->step = AWAIT;
		} else {
			me->asleep = (uint8_t)(u * HEAPS_MOST + h + 1);
			me->step = AWAIT;
		}
	}
}

static void step_resume(state *s, unsigned t, bool is_due)
{
	thread_state *me = &s->thread[t];
	unsigned h = me->heap, u = me->other;
	enum step after = rule_is_out(WANTED_CLEARED_LATE) ? RESUME_ASK : UNLOCK;
	switch (me->step) {
	case WORK:
		me->step = RESUME_ASK;
		if (rule_is_out(WANTED_CLEARED_LATE))
			next_other(s, t, RESUME_POLL, after);
		break;
	case RESUME_ASK:
		s->wanted &= (uint8_t)~(1u << h);
		me->step = UNLOCK;
		if (!rule_is_out(WANTED_CLEARED_LATE))
			next_other(s, t, RESUME_POLL, after);
		break;
	case RESUME_POLL:
		poll_set(s, u, h, is_due || word_of(s, u, h) == HELD);
		me->step = RESUME_SET;
		break;
	case RESUME_SET:
		word_set(s, u, h, word_of(s, u, h) == HELD ? OUT : RUNNING);
		me->step = RESUME_WAKE;
		break;
	case RESUME_WAKE:
		wake(s, u, h);
		me->other++;
		next_other(s, t, RESUME_POLL, after);
		break;
	default: /* UNLOCK */
		lock_set(s, h, 0);
		me->at = me->other = 0;
		me->step = IN;
	}
}

static void step_locked(state *s, unsigned t)
{
	thread_state *me = &s->thread[t];
	unsigned h = me->heap;
	if (me->step == LOCK) {
		lock_set(s, h, t + 1);
		me->step = me->purpose == COLLECTS ? COLLECT_IN : LIST;
		return;
	}
	me->attached ^= (uint8_t)(1u << h);
	if (me->purpose == ATTACHES) {
		go_out(s, t, h);
	} else {
		s->word[t][h] = NONE;
		me->aside &= (uint8_t)~(1u << h);
	}
	me->step = UNLOCK;
	if (me->purpose == DETACHES && rule_is_out(DETACH_WITHOUT_LOCK))
		me->step = IN;
}

static void step_of(state *s, unsigned t, bool is_due)
{
	switch (s->thread[t].step) {
	case POLL_CLEAR: case POLL_ASK: case STOP_SET: case STOP_WAKE: case STOP_WAIT:
		step_stop(s, t);
		break;
	case LEAVE_SET: case LEAVE_WAKE:
		step_leave(s, t);
		break;
	case ENTER:
		step_enter(s, t);
		break;
	case ASIDE: case ASIDE_WAKE:
		step_aside(s, t);
		break;
	case IN:
		step_in(s, t);
		break;
	case BACK: case BACK_WAKE:
		step_back(s, t);
		break;
	case IN_WAIT: case IN_BLIND:
		step_in_wait(s, t);
		break;
	case LOCK: case LIST:
		step_locked(s, t);
		break;
	case COLLECT_IN: case ASK: case ASK_POLL: case ASK_HOLD: case AWAIT: case AWAIT_SLEEP:
		step_ask(s, t);
		break;
	default:
		step_resume(s, t, is_due);
	}
}

/* ---- All that may happen next ---- */

static void go_to(uint32_t from, const state *s, bool must)
{
	uint32_t to = state_number(s);
	if (must)
		edge_add(from, to);
}

static void program_goes_on(uint32_t from, const state *s, unsigned t, unsigned h)
{
	bool is_attached = s->thread[t].attached >> h & 1;
	enum word word = word_of(s, t, h);
	state next = *s;
	thread_state *me = &next.thread[t];
	me->heap = (uint8_t)h;
	if (word == RUNNING && poll_of(s, t, h)) {
		me->step = rule_is_out(POLL_CLEARED_LATE) ? POLL_ASK : POLL_CLEAR;
		go_to(from, &next, true);
	}
	if (setting.leaves[t] >> h & 1 && is_attached) {
		me->step = word != RUNNING ? ENTER : rule_is_out(ASKS_BEFORE_SET) ? LEAVE_WAKE : LEAVE_SET;
		go_to(from, &next, false);
	}
	if (setting.collects[t] >> h & 1 && word == RUNNING) {
		next = *s;
		begin(&next, t, h, COLLECTS);
		go_to(from, &next, false);
	}
	if (setting.detaches[t] >> h & 1) {
		next = *s;
		begin(&next, t, h, is_attached ? DETACHES : ATTACHES);
		go_to(from, &next, false);
	}
}

static void thread_goes_on(uint32_t from, const state *s, unsigned t)
{
	const thread_state *me = &s->thread[t];
	if (me->asleep || (me->step == LOCK && lock_of(s, me->heap)))
		return;
	if (me->step == PROGRAM) {
		for (unsigned h = 0; h < setting.heaps; h++)
			program_goes_on(from, s, t, h);
		return;
	}
	for (unsigned is_due = 0; is_due <= (me->step == RESUME_POLL); is_due++) {
		state next = *s;
		step_of(&next, t, is_due);
		go_to(from, &next, true);
	}
}

static bool is_safe(const state *s)
{
	for (unsigned h = 0; h < setting.heaps; h++)
		for (unsigned t = 0; t < setting.threads; t++) {
			enum word word = word_of(s, t, h);
			bool is_held = word == STOPPED || word == HELD;
			if (!lock_of(s, h) && is_held && s->thread[t].step != STOP_SET)
				return false;
			unsigned c = lock_of(s, h) - 1;
			bool is_working = lock_of(s, h) && s->thread[c].step == WORK && s->thread[c].heap == h;
			if (is_working && c != t && (word == RUNNING || word == OUT))
				return false;
		}
	return true;
}

/* ---- The whole ---- */

static bool is_idle(const state *s)
{
	for (unsigned t = 0; t < setting.threads; t++)
		if (s->thread[t].step != PROGRAM)
			return false;
	return true;
}

/* From every state an idle one is reached by what must happen: marks backwards from the idle ones. */
static bool is_live(void)
{
	uint32_t n = graph.count, *first = calloc(n + 2, sizeof *first);
	uint32_t *from = malloc((graph.edge_count + 1) * sizeof *from);
	uint32_t *list = malloc((n + 1) * sizeof *list), marked = 0;
	bool *mark = calloc(n, 1);
	for (size_t e = 0; e < graph.edge_count; e++)
		first[graph.edges[2 * e + 1] + 2]++;
	for (uint32_t i = 1; i < n + 2; i++)
		first[i] += first[i - 1];
	for (size_t e = 0; e < graph.edge_count; e++)
		from[first[graph.edges[2 * e + 1] + 1]++] = graph.edges[2 * e];
	for (uint32_t i = 0; i < n; i++)
		if (is_idle(&graph.states[i]))
			mark[i] = true, list[marked++] = i;
	for (uint32_t i = 0; i < marked; i++)
		for (uint32_t e = first[list[i]]; e < first[list[i] + 1]; e++)
			if (!mark[from[e]])
				mark[from[e]] = true, list[marked++] = from[e];
	free(first), free(from), free(list), free(mark);
	return marked == n;
}

static bool holds(unsigned rules)
{
	setting.rules = rules;
	memset(&graph, 0, sizeof graph);
	graph.states = malloc((size_t)STATES_MOST * sizeof *graph.states);
	graph.table_mask = 4 * STATES_MOST / 2 - 1;
	graph.table = calloc(graph.table_mask + 1u, sizeof *graph.table);
	state s = { 0 };
	for (unsigned t = 0; t < setting.threads; t++) {
		s.thread[t].attached = setting.attached[t];
		for (unsigned h = 0; h < setting.heaps; h++)
			s.word[t][h] = setting.attached[t] >> h & 1 ? RUNNING : NONE;
	}
	state_number(&s);
	bool is_good = true;
	for (uint32_t i = 0; i < graph.count && is_good && !graph.is_full; i++) {
		state now = graph.states[i];
		is_good = is_safe(&now);
		for (unsigned t = 0; t < setting.threads && is_good; t++)
			thread_goes_on(i, &now, t);
	}
	bool was_safe = is_good;
	is_good = is_good && !graph.is_full && is_live();
	NOTE("%u states, %zu steps that must happen: %s", graph.count, graph.edge_count,
		graph.is_full ? "too many" : is_good ? "safe and live" : was_safe ? "not live" : "not safe");
	EXPECT(!graph.is_full);
	free(graph.states), free(graph.table), free(graph.edges);
	return is_good;
}

static void threads_of_one_heap(unsigned threads, bool all_collect, bool all_detach)
{
	memset(&setting, 0, sizeof setting);
	setting.threads = threads;
	setting.heaps = 1;
	for (unsigned t = 0; t < threads; t++) {
		setting.collects[t] = all_collect || t == 0;
		setting.leaves[t] = t > 0;
		setting.attached[t] = 1;
		setting.detaches[t] = all_detach && t > 0;
	}
}

static void threads_of_two_heaps(bool all_leave)
{
	memset(&setting, 0, sizeof setting);
	setting.threads = setting.heaps = 2;
	memset(setting.attached, 3, sizeof setting.attached);
	for (unsigned t = 0; t < 2; t++) {
		setting.collects[t] = 3;
		setting.leaves[t] = all_leave ? 3 : 0;
	}
}

static void two_threads_stop_each_other_safely_and_for_a_time(void)
{
	threads_of_one_heap(2, true, true);
	EXPECT(holds(ALL_RULES));
}

static void so_do_three_of_which_two_leave_and_detach(void)
{
	threads_of_one_heap(3, false, true);
	EXPECT(holds(ALL_RULES));
}

static void so_do_three_that_all_collect(void)
{
	threads_of_one_heap(3, true, false);
	EXPECT(holds(ALL_RULES));
}

static void so_do_two_threads_with_two_heaps(void)
{
	threads_of_two_heaps(true);
	setting.detaches[1] = 2;
	EXPECT(holds(ALL_RULES));
}

/* Each collects a heap of its own, and waits for both. */
static void so_do_three_threads_with_two_heaps(void)
{
	threads_of_two_heaps(false);
	setting.threads = 3;
	setting.collects[0] = 1;
	setting.collects[1] = 2;
	setting.collects[2] = 0;
	setting.leaves[2] = 1;
	EXPECT(holds(ALL_RULES));
}

/* Two that collect one heap each, and two that are in both and only poll. */
static void two_collectors_and_two_of_both(void)
{
	threads_of_two_heaps(false);
	setting.threads = 4;
	for (unsigned t = 0; t < 4; t++) {
		setting.collects[t] = t < 2 ? 1 + t : 0;
		setting.attached[t] = t < 2 ? 1 + t : 3;
	}
}

static void so_do_two_that_poll_in_both_of_two_heaps(void)
{
	two_collectors_and_two_of_both();
	EXPECT(holds(ALL_RULES));
}

#define FAILS_WITHOUT(name, prepare, rule)                                                                             \
	static void name(void)                                                                                         \
	{                                                                                                              \
		prepare;                                                                                               \
		EXPECT(!holds(rule));                                                                                  \
	}

FAILS_WITHOUT(who_was_held_asks_again_before_it_runs, threads_of_one_heap(2, false, false), NO_CHECK_AFTER_HELD)
FAILS_WITHOUT(enter_heeds_held, threads_of_one_heap(2, false, false), ENTER_IGNORES_HELD)
FAILS_WITHOUT(the_state_changes_before_the_collector_is_woken, threads_of_one_heap(2, false, false), WAKE_BEFORE_CHANGE)
FAILS_WITHOUT(who_waits_for_one_heap_is_out_of_others, threads_of_two_heaps(false), STAYS_IN_OTHERS)
FAILS_WITHOUT(who_waits_for_the_lock_is_out, threads_of_one_heap(2, true, false), LOCK_WHILE_RUNNING)
FAILS_WITHOUT(poll_is_cleared_before_the_question, threads_of_one_heap(2, false, false), POLL_CLEARED_LATE)
FAILS_WITHOUT(wanted_is_cleared_before_anybody_runs, threads_of_one_heap(2, false, false), WANTED_CLEARED_LATE)
FAILS_WITHOUT(leave_wakes_the_collector, threads_of_one_heap(2, false, false), LEAVE_WITHOUT_WAKE)
FAILS_WITHOUT(leave_asks_after_it_has_left, threads_of_one_heap(2, false, false), ASKS_BEFORE_SET)
FAILS_WITHOUT(detach_takes_the_lock, threads_of_one_heap(2, false, true), DETACH_WITHOUT_LOCK)
FAILS_WITHOUT(who_must_wait_for_one_heap_goes_out_of_those_it_has_entered,
	two_collectors_and_two_of_both(), ENTERS_ONE_BY_ONE)

FAILS_WITHOUT(and_of_the_one_that_it_was_stopped_in, two_collectors_and_two_of_both(), KEEPS_THOSE_BEHIND)

int main(void)
{
	if (IS_SANITIZED)
		SKIP_ALL("not in this build: one thread, and no code of the library's");
	RUN(two_threads_stop_each_other_safely_and_for_a_time);
	RUN(so_do_three_of_which_two_leave_and_detach);
	RUN(so_do_three_that_all_collect);
	RUN(so_do_two_threads_with_two_heaps);
	RUN(so_do_three_threads_with_two_heaps);
	RUN(so_do_two_that_poll_in_both_of_two_heaps);
	RUN(who_was_held_asks_again_before_it_runs);
	RUN(enter_heeds_held);
	RUN(the_state_changes_before_the_collector_is_woken);
	RUN(who_waits_for_one_heap_is_out_of_others);
	RUN(who_waits_for_the_lock_is_out);
	RUN(poll_is_cleared_before_the_question);
	RUN(wanted_is_cleared_before_anybody_runs);
	RUN(leave_wakes_the_collector);
	RUN(leave_asks_after_it_has_left);
	RUN(detach_takes_the_lock);
	RUN(who_must_wait_for_one_heap_goes_out_of_those_it_has_entered);
	RUN(and_of_the_one_that_it_was_stopped_in);
	DONE();
}
