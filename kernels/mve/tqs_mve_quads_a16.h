/* Internal: quads of rows by 16-bit x. Per block 4 loads of weights, and for each field 2 of x, 8
   VMLADAVA and what cuts the field out, or makes w + 128 of w. */
#include "tqs_mve_quads.h"

/* clang-format off */
#if TQS_WEIGHT_BITS == 8
#define TQS_UNSIGNED(weights) "veor " weights ", " weights ", q7\n\t"
#define TQS_CONSTANT "vmov.i8 q7, #128\n\t"
#define TQS_LOOP_BLOCKS ".rept 2\n\t" TQS_LOAD_WORDS TQS_FIELDS(TQS_FIELD) ".endr\n\t"
#else
#define TQS_UNSIGNED(weights) ""
#define TQS_CONSTANT TQS_MASK
#define TQS_LOOP_BLOCKS TQS_LOAD_WORDS TQS_FIELDS(TQS_FIELD)
#endif

#define TQS_ROW_(high, low, weights, cut, after)                                                   \
    cut                                                                                            \
    "vmladava.s8 " high ", " weights ", q4\n\t"                                                    \
    TQS_UNSIGNED(weights)                                                                          \
    "vmladava.u8 " low ", " weights ", q5\n\t"                                                     \
    after
#define TQS_ROW(high, low, cut_weights) TQS_ROW_(high, low, cut_weights)
#define TQS_FIELD(CUT)                                                                             \
    "vldrb.u8 q4, [r3], #16\n\t"                                                                   \
    "vldrb.u8 q5, [r3], #16\n\t"                                                                   \
    TQS_ROW("r0", "r8", CUT("q0"))                                                                 \
    TQS_ROW("r2", "r10", CUT("q1"))                                                                \
    TQS_ROW("r4", "r12", CUT("q2"))                                                                \
    TQS_ROW("r6", "lr", CUT("q3"))

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (76 bytes of stack that the compiler does not count).
   r0 r2 r4 r6 accumulators of high, r8 r10 r12 lr of low, r1 w, r3 plane, r5 what is left, r7 y,
   r9 multiplier, r11 bias. On the stack: four zeros, the first 36 bytes of *quads, and 0, 16, 32,
   48. */
static inline void tqs_run_quads(tqs_quads *quads) {
    register tqs_quads *r0 __asm__("r0") = quads;
    __asm__ volatile(
        "push {r7, r11}\n\t"
        "movs r2, #0\n\t"
        "vidup.u32 q6, r2, #4\n\t"
        "vshl.i32 q6, q6, #2\n\t"
        "sub sp, #16\n\t"
        "vstrw.32 q6, [sp]\n\t"
        "ldm r0!, {r1, r2, r3, r4, r5, r6, r8, r10, r12}\n\t"
        "push {r1, r2, r3, r4, r5, r6, r8, r10, r12}\n\t"
        "vmov.i32 q6, #0\n\t"
        "sub sp, #16\n\t"
        "vstrw.32 q6, [sp]\n\t"
        "ldrd r1, r7, [r0]\n\t"
        "ldrd r11, r9, [r0, #8]\n\t"
        TQS_CONSTANT
        "\n2:\n\t"
        "ldm r11!, {r8, r10, r12, lr}\n\t"
        "ldm sp, {r0, r2, r4, r6}\n\t"
        "ldrd r3, r5, [sp, #16]\n\t"
        "cbnz r5, 1f\n\t"
        "b 3f\n"
        "1:\n\t"
        TQS_LOOP_BLOCKS
        "subs r5, #1\n\t"
        "bne 1b\n"
        "3:\n\t"
        "ldrd r5, r3, [sp, #32]\n\t"
        "cbnz r5, 5f\n"
        "4:\n\t"
        "add r0, r8, r0, lsl #8\n\t"
        "add r2, r10, r2, lsl #8\n\t"
        "add r4, r12, r4, lsl #8\n\t"
        "add r6, lr, r6, lsl #8\n\t"
        TQS_ACC_TO_VECTOR
        "ldrd r10, r8, [sp, #24]\n\t"
        "vsub.i32 q0, q0, r8\n\t"
        TQS_OUTPUT("r9", "r10")
        "cmp r7, r3\n\t"
        "bne 2b\n\t"
        "b 8f\n"
        "5:\n\t"
        "ldr r3, [sp, #48]\n\t"
        "ldr r5, [sp, #44]\n\t"
        "cbz r5, 7f\n"
        TQS_LOAD_WORDS
        "b 6f\n"
        "7:\n\t"
        "ldr r5, [sp, #40]\n\t"
        "cmp r5, #0\n\t"
        "beq 9f\n\t"
        "vldrw.u32 q6, [sp, #52]\n\t"
        "vadd.i32 q6, q6, r1\n\t"
        TQS_LOAD_TAIL_WORDS
        "movs r5, #0\n"
        "6:\n\t"
        TQS_FIELDS(TQS_FIELD)
        "cmp r5, #0\n\t"
        "bne 7b\n"
        "9:\n\t"
        "ldr r3, [sp, #36]\n\t"
        "b 4b\n"
        "8:\n\t"
        "add sp, #68\n\t"
        "pop {r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory",
          "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7");
}

#if TQS_WEIGHT_BITS == 8
#define TQS_NARROW_ROW(high, low, weights)                                                         \
    "vmladav.s8 " high ", " weights ", q4\n\t"                                                     \
    TQS_UNSIGNED(weights)                                                                          \
    "vmladava.u8 " low ", " weights ", q5\n\t"

/* The same where the tail is all there is, as in a layer that reads the few inputs of a model: x
   stays in q4 and q5, the addresses of words in q6, the predicate in place. r1 bytes from quad to
   quad, r3 excess, r5 shift; the end of y is on the stack (12 bytes). */
static inline void tqs_run_narrow_quads(tqs_quads *quads) {
    register tqs_quads *r0 __asm__("r0") = quads;
    __asm__ volatile(
        "push {r7, r11}\n\t"
        "ldrd r3, r4, [r0, #32]\n\t"
        "vldrb.u8 q4, [r3]\n\t"
        "vldrb.u8 q5, [r3, #16]\n\t"
        "movs r2, #0\n\t"
        "vidup.u32 q6, r2, #4\n\t"
        "vshl.i32 q6, q6, #2\n\t"
        "vadd.i32 q6, q6, r4\n\t"
        TQS_CONSTANT
        "ldr r1, [r0, #24]\n\t"
        "vctp.32 r1\n\t"
        "lsl r1, r1, #4\n\t"
        "ldrd r5, r3, [r0, #8]\n\t"
        "ldrd r7, r11, [r0, #40]\n\t"
        "ldr r9, [r0, #48]\n\t"
        "ldr r0, [r0, #20]\n\t"
        "push {r0}\n"
        "2:\n\t"
        "ldm r11!, {r8, r10, r12, lr}\n\t"
        "vpstttt\n\t"
        "vldrwt.u32 q0, [q6]\n\t"
        "vldrwt.u32 q1, [q6, #4]\n\t"
        "vldrwt.u32 q2, [q6, #8]\n\t"
        "vldrwt.u32 q3, [q6, #12]\n\t"
        "vadd.i32 q6, q6, r1\n\t"
        TQS_NARROW_ROW("r0", "r8", "q0")
        TQS_NARROW_ROW("r2", "r10", "q1")
        TQS_NARROW_ROW("r4", "r12", "q2")
        TQS_NARROW_ROW("r6", "lr", "q3")
        "add r0, r8, r0, lsl #8\n\t"
        "add r2, r10, r2, lsl #8\n\t"
        "add r4, r12, r4, lsl #8\n\t"
        "add r6, lr, r6, lsl #8\n\t"
        TQS_ACC_TO_VECTOR
        "vsub.i32 q0, q0, r3\n\t"
        TQS_OUTPUT("r9", "r5")
        "ldr r0, [sp]\n\t"
        "cmp r7, r0\n\t"
        "bne 2b\n\t"
        "pop {r0, r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory",
          "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7");
}
#endif
/* clang-format on */
