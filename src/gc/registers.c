/* gc/registers.c - what C cannot say: the registers of the caller, as they are in it.
 *
 * A value may live in a callee-saved register alone. In a C function its prologue may have moved it to a frame that is
 * gone when the function returns, as cairn_gc_leave and cairn_gc_stack_switch do before a collection looks; so the
 * entry is in asm, and nothing has been moved yet. Caller-saved registers, all vector registers of x86-64 among them,
 * hold nothing that outlives a call; of aarch64's d8 to d15 the low halves do.
 *
 *   cairn_gc_with_registers(t, call, arg)  saves, and goes on in call(t, arg)
 *   cairn_gc_leave(m)                      RUNNING: saves, and goes on in cairn_gc_left_(m);
 *                                          else cairn_gc_left_again_(m, sp) first: registers may be being read
 *   cairn_gc_enter(m)                      goes on in cairn_gc_entered_(m, sp)
 *   cairn_gc_stack_switch(m, low, bytes)   saves, and goes on in cairn_gc_stack_switched_(m, low, bytes)
 *   cairn_gc_new_slow_(m, ...)             saves, and goes on in cairn_gc_new_slow_saved_(m, ...); likewise the others
 *                                          that allocate: the frames of allocation itself, which have words that were
 *                                          left there by others, are not looked at then
 * sp is that of the caller, at the call.
 *
 * Invariant: (GX1) the offsets below are those of cairn_gc_thread. Checked when compiled. Locks and failure: none.
 * Not here: what any of it is for (gc/world.c). */
#include "gc/world.h"

#define REGISTERS_AT 280 /* cairn_gc_thread.registers */
#define SP_AT        440 /* .sp */
#define STATE_AT     448 /* .state */

_Static_assert(offsetof(cairn_gc_thread, registers) == REGISTERS_AT, "as in the asm");
_Static_assert(offsetof(cairn_gc_thread, sp) == SP_AT, "as in the asm");
_Static_assert(offsetof(cairn_gc_thread, state) == STATE_AT, "as in the asm");
_Static_assert(CAIRN_GC_RUNNING == 0 && sizeof(((cairn_gc_thread *)0)->state) == 4, "as in the asm");

#define ASM_TEXT_(x) #x
#define ASM_TEXT(x)  ASM_TEXT_(x)
#define ASM_BEGIN(name, visibility)                                                                                    \
	".pushsection .text." #name ",\"ax\",%progbits\n"                                                              \
	".globl " #name "\n" visibility " " #name "\n"                                                                 \
	".type " #name ", %function\n"                                                                                 \
	".balign 16\n" #name ":\n.cfi_startproc\n"
#define ASM_END(name) ".cfi_endproc\n.size " #name ", . - " #name "\n.popsection\n"
/* .globl is the default visibility; there is no directive to say so */
#define ASM_PUBLIC ".globl"
#define ASM_HIDDEN ".hidden"

#if defined(__x86_64__)

#if defined(__CET__) && __CET__ & 1
#define ASM_LANDING "endbr64\n"
#else
#define ASM_LANDING ""
#endif
#define ASM_SAVE                                                                                                       \
	"movq %rbx, " ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                                \
	"movq %rbp, 8+" ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                              \
	"movq %r12, 16+" ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                             \
	"movq %r13, 24+" ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                             \
	"movq %r14, 32+" ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                             \
	"movq %r15, 40+" ASM_TEXT(REGISTERS_AT) "(%rdi)\n"                                                             \
	"leaq 8(%rsp), %rax\n"                                                                                         \
	"movq %rax, " ASM_TEXT(SP_AT) "(%rdi)\n"

__asm__(ASM_BEGIN(cairn_gc_with_registers, ASM_HIDDEN) ASM_LANDING ASM_SAVE
	"movq %rsi, %rax\n"
	"movq %rdx, %rsi\n"
	"jmp *%rax\n"
	ASM_END(cairn_gc_with_registers));
__asm__(ASM_BEGIN(cairn_gc_leave, ASM_PUBLIC) ASM_LANDING
	"1:\n"
	"cmpl $0, " ASM_TEXT(STATE_AT) "(%rdi)\n"
	"jne 2f\n"
	ASM_SAVE
	"jmp cairn_gc_left_\n"
	"2:\n"
	"pushq %rdi\n.cfi_adjust_cfa_offset 8\n"
	"leaq 16(%rsp), %rsi\n"
	"call cairn_gc_left_again_\n"
	"popq %rdi\n.cfi_adjust_cfa_offset -8\n"
	"jmp 1b\n"
	ASM_END(cairn_gc_leave));
__asm__(ASM_BEGIN(cairn_gc_enter, ASM_PUBLIC) ASM_LANDING
	"leaq 8(%rsp), %rsi\n"
	"jmp cairn_gc_entered_\n"
	ASM_END(cairn_gc_enter));
__asm__(ASM_BEGIN(cairn_gc_stack_switch, ASM_PUBLIC) ASM_LANDING ASM_SAVE
	"jmp cairn_gc_stack_switched_\n"
	ASM_END(cairn_gc_stack_switch));
#define ASM_SAVE_AND_GO(name, to)                                                                                      \
	__asm__(ASM_BEGIN(name, ASM_PUBLIC) ASM_LANDING ASM_SAVE "jmp " #to "\n" ASM_END(name))

#elif defined(__aarch64__)

#define ASM_LANDING "hint #34\n" /* bti c; does nothing where it is not asked for */
#define ASM_SAVE                                                                                                       \
	"add x9, x0, #" ASM_TEXT(REGISTERS_AT) "\n"                                                                    \
	"stp x19, x20, [x9]\n"                                                                                         \
	"stp x21, x22, [x9, #16]\n"                                                                                    \
	"stp x23, x24, [x9, #32]\n"                                                                                    \
	"stp x25, x26, [x9, #48]\n"                                                                                    \
	"stp x27, x28, [x9, #64]\n"                                                                                    \
	"str x29, [x9, #80]\n"                                                                                         \
	"str d8, [x9, #88]\n"                                                                                          \
	"str d9, [x9, #96]\n"                                                                                          \
	"str d10, [x9, #104]\n"                                                                                        \
	"str d11, [x9, #112]\n"                                                                                        \
	"str d12, [x9, #120]\n"                                                                                        \
	"str d13, [x9, #128]\n"                                                                                        \
	"str d14, [x9, #136]\n"                                                                                        \
	"str d15, [x9, #144]\n"                                                                                        \
	"mov x9, sp\n"                                                                                                 \
	"str x9, [x0, #" ASM_TEXT(SP_AT) "]\n"

__asm__(ASM_BEGIN(cairn_gc_with_registers, ASM_HIDDEN) ASM_LANDING ASM_SAVE
	"mov x16, x1\n"
	"mov x1, x2\n"
	"br x16\n" /* x16: such a branch may go where calls go, under bti */
	ASM_END(cairn_gc_with_registers));
__asm__(ASM_BEGIN(cairn_gc_leave, ASM_PUBLIC) ASM_LANDING
	"1:\n"
	"ldr w9, [x0, #" ASM_TEXT(STATE_AT) "]\n"
	"cbnz w9, 2f\n"
	ASM_SAVE
	"b cairn_gc_left_\n"
	"2:\n"
	"mov x1, sp\n"
	"stp x0, x30, [sp, #-16]!\n.cfi_def_cfa_offset 16\n.cfi_offset x30, -8\n"
	"bl cairn_gc_left_again_\n"
	"ldp x0, x30, [sp], #16\n.cfi_def_cfa_offset 0\n.cfi_restore x30\n"
	"b 1b\n"
	ASM_END(cairn_gc_leave));
__asm__(ASM_BEGIN(cairn_gc_enter, ASM_PUBLIC) ASM_LANDING
	"mov x1, sp\n"
	"b cairn_gc_entered_\n"
	ASM_END(cairn_gc_enter));
__asm__(ASM_BEGIN(cairn_gc_stack_switch, ASM_PUBLIC) ASM_LANDING ASM_SAVE
	"b cairn_gc_stack_switched_\n"
	ASM_END(cairn_gc_stack_switch));
#define ASM_SAVE_AND_GO(name, to)                                                                                      \
	__asm__(ASM_BEGIN(name, ASM_PUBLIC) ASM_LANDING ASM_SAVE "b " #to "\n" ASM_END(name))

#else
#error "no callee-saved registers are known for this machine"
#endif
ASM_SAVE_AND_GO(cairn_gc_new_slow_, cairn_gc_new_slow_saved_);
ASM_SAVE_AND_GO(cairn_gc_new_array_, cairn_gc_new_array_saved_);
ASM_SAVE_AND_GO(cairn_gc_new_bytes_, cairn_gc_new_bytes_saved_);

/* Without these the calls above would go through a table, which the entry has no register for. */
__asm__(".hidden cairn_gc_left_\n.hidden cairn_gc_left_again_\n.hidden cairn_gc_entered_\n"
	".hidden cairn_gc_stack_switched_\n.hidden cairn_gc_new_slow_saved_\n.hidden cairn_gc_new_array_saved_\n"
	".hidden cairn_gc_new_bytes_saved_\n");
