/* scheme.h - a Scheme interpreter: its objects, and what its files offer each other.
 *
 *   text --read.c--> data --analyze.c, forms.c--> tree --compile.c--> code --run.c--> value
 *
 * Each value is an object, integers and characters too: a reference holds an object's address or NULL, so the small
 * ones are made once and kept. An activation of a procedure is an object as well, a frame, so recursion is as deep as
 * the heap is large, and a continuation is a frame. A function that can fail returns NULL after fail(). */
#ifndef SCHEME_H
#define SCHEME_H

#include "memory.h"

typedef enum kind {
	NIL, FALSE, TRUE, NOTHING, END, /* one object each; NOTHING: what set! returns; END: of input */
	INTEGER, CHARACTER, SPECIAL,    /* integer */
	REAL, STRING, SYMBOL, PAIR, BOX,
	VECTOR, RECORD, RECORD_TYPE, VALUES, MACRO, /* vector */
	PRIMITIVE, CLOSURE, CONTINUATION, TABLE, PORT, CONDITION,
	ENTRY, CHAIN, CODE, FRAME, WORDS, VARIABLE, LAMBDA, /* inside the interpreter alone */
} kind;

typedef struct object {
	uint8_t kind;
	bool flag;     /* FRAME: a continuation refers to it; TABLE: by equal?; CONDITION: line is right */
	uint32_t line; /* PAIR that was read, CONDITION: where; 0: not known */
} object;
typedef MEMORY_REF(object) object_ref;

typedef struct integer { object is; int64_t value; } integer;
typedef struct real { object is; double value; } real;
typedef struct string { object is; size_t length; char bytes[]; } string; /* one byte a character */
typedef struct symbol { object is; uint64_t hash; object_ref text, value, syntax; } symbol; /* value: NULL unbound */
typedef struct pair { object is; object_ref car, cdr; } pair;
typedef struct box { object is; object_ref value; } box; /* a variable that is assigned to, or not set yet: NULL */
typedef struct vector { object is; size_t length; object_ref items[]; } vector;
typedef struct table { object is; size_t count; object_ref buckets; } table;
typedef struct entry { object is; uint64_t hash; object_ref key, value, next; } entry;
typedef struct chain { object is; object_ref symbol, next; } chain; /* of the symbol table; symbol is weak */
typedef struct port { object is; size_t at, end; object_ref text; uint32_t line; bool is_input; } port;
typedef struct condition { object is; object_ref message, irritants, file; } condition;
typedef struct words { object is; size_t length; int32_t at[]; } words;

/* args: in a frame or a vector, which the caller keeps. NULL: failed. */
typedef object *primitive_function(object_ref *args, int n);
typedef struct primitive {
	object is;
	int least, most; /* arguments; most -1: any number */
	int instruction; /* that does the same; 0: none */
	const char *name;
	primitive_function *call;
} primitive;

typedef struct code {
	object is;
	int needs, slots; /* needs: arguments, without the rest */
	bool has_rest;
	/* title: symbol or NULL; lines: pairs of words, text index, line */
	object_ref title, file, constants, text, lines;
} code;
typedef struct closure { object is; object_ref code, captured[]; } closure;
typedef struct frame {
	object is;
	uint32_t at, depth; /* at: where it goes on in text */
	object_ref caller, closure, slots[];
} frame;
typedef struct continuation { object is; object_ref frame; } continuation;

typedef struct lambda { object is; int needs; bool has_rest; object_ref title, parameters, body; } lambda;
typedef struct variable {
	object is;
	int slot;
	bool is_assigned, is_captured, is_recursive; /* recursive: in the scope of its own initial value */
	/* the lambda whose frame it is in; the one that is its value from the start, or NULL */
	object_ref name, owner, holds;
} variable;

/* ---- object.c ---- */
extern object *the_nil, *the_false, *the_true, *the_nothing, *the_end;
void objects_open(void);
object *make_integer(int64_t value);
object *make_real(double value);
object *make_character(int c);
object *make_special(int id);
string *make_string(const char *bytes, size_t length); /* bytes NULL: zeroes */
object *make_symbol(const char *bytes, size_t length);
object *symbol_named(const char *text);
object *make_pair(object *car, object *cdr);
object *make_box(object *value);
vector *make_vector(kind k, size_t length, object *fill); /* fill NULL: references are NULL */
words *make_words(size_t length);
object *make_table(bool by_equal);
entry *make_entry(uint64_t hash, object *key, object *value, object *next);
port *make_port(string *text, bool is_input);
object *make_condition(object *message, object *irritants);
continuation *make_continuation(frame *f);
code *make_code(void);
closure *make_closure(code *c, size_t captured);
frame *make_frame(size_t slots);
lambda *make_lambda(object *title);
variable *make_variable(object *name, lambda *owner);
void define_primitive(const char *name, primitive_function *call, int least, int most, int same);
void define_symbol(symbol *s, object *value); /* a global variable: kept from here on */
const char *kind_name(const object *o);
object *fail(const char *message, object *irritant); /* NULL; irritant may be NULL */
object *fail_kind(const char *who, const char *wanted, object *got);
object *raised(void); /* what the last failure made */
void raise_object(object *o);

static inline object *boolean(bool b) { return b ? the_true : the_false; }
static inline bool is_pair(const object *o) { return o->kind == PAIR; }
static inline bool is_symbol(const object *o) { return o->kind == SYMBOL; }
static inline int64_t integer_of(const object *o) { return ((const integer *)o)->value; }
static inline double real_of(const object *o) { return ((const real *)o)->value; }
static inline object *car(object *o) { return mem_get((pair *)o, car); }
static inline object *cdr(object *o) { return mem_get((pair *)o, cdr); }
#define ARG(i) mem_load(&args[i])
#define LIST1(a)          make_pair(a, the_nil)
#define LIST2(a, b)       make_pair(a, LIST1(b))
#define LIST3(a, b, c)    make_pair(a, LIST2(b, c))
#define LIST4(a, b, c, d) make_pair(a, LIST3(b, c, d))
int64_t list_length(object *list); /* -1: not a list that ends */
object *reversed(object *list, object *tail);

/* ---- read.c ---- */
typedef enum read_result { READ_ONE, READ_END, READ_HALF, READ_FAILED } read_result;
read_result read_datum(port *from, object **datum);
object *parse_number(const char *text, size_t length, int radix); /* NULL: it is none */

/* ---- print.c ---- */
void print_object(object *o, bool as_written, port *to); /* to NULL: standard output */
void port_write(port *to, const char *bytes, size_t n);
void port_format(port *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
string *port_string(port *of);

/* ---- analyze.c, forms.c ---- */
typedef enum special {
	QUOTE = 1, IF, DEFINE, SET, LAMBDA_FORM, BEGIN, LET, LETREC, /* of these trees consist */
	DEFINE_SYNTAX, /* what follows is rewritten by forms.c */
	LET_STAR, AND, OR, WHEN, UNLESS, COND, CASE, DO, QUASIQUOTE, GUARD, DEFINE_RECORD, DELAY, PARAMETERIZE,
	LET_VALUES, ASSERT, SPECIALS,
} special;
object *analyze_top(object *form);
void forms_open(void);
object *rewrite_form(special which, object *form); /* a derived form in simpler ones; NULL: failed */
object *sp(special which);                         /* the object that stands for it at the head of a form */
object *fail_form(const char *what, object *form);

/* ---- macro.c ---- */
object *make_macro(object *rules); /* (syntax-rules (literal ...) (pattern template) ...); NULL: failed */
object *expand_macro(vector *macro, object *form);

/* ---- compile.c ---- */
/* d: a slot; x y: operands, a slot, or ~ the index of a constant; k: an index of a constant; i: of a captured value. */
typedef enum instruction {
	/* x; d n: the procedure is in d, n arguments behind it, and the result goes to d; same */
	RETURN = 1, CALL, TAIL,
	MOVE, GLOBAL, FREE, SELF, UNBOX, UNBOX_FREE,      /* d x; d k; d i; d; d x; d i */
	MAKE_BOX, EMPTY_BOX, SET_BOX, SET_FREE, SET_GLOBAL, DEFINE_GLOBAL, /* d x; d; d x; i x; k x; k x */
	MAKE_CLOSURE, JUMP, JUMP_UNLESS,                  /* d k n, n times a slot or ~i; to; x to */
	CAR, CDR, NOT, IS_NULL, IS_PAIR,                  /* d x */
	ADD, SUBTRACT, MULTIPLY, LESS, MORE, EQUAL, IS_EQ, CONS, VECTOR_REF, /* d x y */
	DO_APPLY, DO_CALL_CC, DO_DIE, /* no instructions: what CALL does itself when it meets these primitives */
} instruction;
closure *compile_top(object *tree, string *file);

/* ---- run.c ---- */
object *run(closure *start); /* NULL: an error that nobody handled, raised() */
void run_open(void);

/* ---- primitives ---- */
void numbers_open(void);
void lists_open(void);
void strings_open(void);
void tables_open(void);
bool is_number(const object *o);
object *number_add(object *a, object *b);
object *number_subtract(object *a, object *b);
object *number_multiply(object *a, object *b);
object *number_compare(object *a, object *b, int wanted, const char *who); /* bits: 1 less, 2 equal, 4 greater */
string *number_string(object *o, int radix);
bool is_eqv(const object *a, const object *b);
bool is_equal(object *a, object *b, int depth);

/* ---- main.c ---- */
bool load_text(string *text, string *file, bool prints); /* false: an error was printed, or exit was asked for */
#endif
