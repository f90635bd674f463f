/* Internal: quads of rows by 8-bit x. Per block 5 loads (FIELDS - 1 more), 4 VMLADAVA for each
   field and what cuts the fields out. */
#include "tqs_mve_quads.h"

/* clang-format off */
#define TQS_ROW_(acc, weights, cut, after)                                                         \
    cut "vmladava.s8 " acc ", " weights ", q4\n\t" after
#define TQS_ROW(acc, cut_weights) TQS_ROW_(acc, cut_weights)
#define TQS_FIELD(CUT)                                                                             \
    "vldrb.u8 q4, [r3], #16\n\t"                                                                   \
    TQS_ROW("r0", CUT("q0"))                                                                  \
    TQS_ROW("r2", CUT("q1"))                                                                  \
    TQS_ROW("r4", CUT("q2"))                                                                  \
    TQS_ROW("r6", CUT("q3"))

#if TQS_WEIGHT_BITS < 8
#define TQS_EXCESS_TO_VECTOR "ldr r2, [r0, #12]\n\tvdup.32 q5, r2\n\t"
#define TQS_SUBTRACT_EXCESS "vsub.i32 q0, q0, q5\n\t"
#else
#define TQS_EXCESS_TO_VECTOR ""
#define TQS_SUBTRACT_EXCESS ""
#endif

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (12 bytes of stack that the compiler does not count).
   r0 r2 r4 r6 accumulators, r1 w, r3 plane, r5 rest = tail, r7 y, r8 multiplier, r9 blocks, r10
   bias, r11 shift, r12 end of y, lr loop; the first plane is on the stack. */
static inline void tqs_run_quads(tqs_quads *quads) {
    register tqs_quads *r0 __asm__("r0") = quads;
    __asm__ volatile(
        "ldrd r3, r9, [r0]\n\t"
        "push {r3, r7, r11}\n\t"
        "ldrd r5, r12, [r0, #16]\n\t"
        "ldr r11, [r0, #8]\n\t"
        "ldrd r1, r7, [r0, #36]\n\t"
        "ldrd r10, r8, [r0, #44]\n\t"
        TQS_EXCESS_TO_VECTOR
        TQS_MASK
        "\n2:\n\t"
        "ldm r10!, {r0, r2, r4, r6}\n\t"
        "ldr r3, [sp]\n\t"
        "wls lr, r9, 3f\n"
        "1:\n\t"
        TQS_LOAD_WORDS
        TQS_FIELDS(TQS_FIELD)
        "le lr, 1b\n"
        "3:\n\t"
        "cbnz r5, 5f\n"
        "4:\n\t"
        TQS_ACC_TO_VECTOR
        TQS_SUBTRACT_EXCESS
        TQS_OUTPUT("r8", "r11")
        "cmp r7, r12\n\t"
        "bne 2b\n\t"
        "b 6f\n"
        "5:\n\t"
        "lsr lr, r1, #2\n\t"
        "vidup.u32 q6, lr, #4\n\t"
        "vshl.i32 q6, q6, #2\n\t"
        TQS_LOAD_TAIL_WORDS
        TQS_FIELDS(TQS_FIELD)
        "b 4b\n"
        "6:\n\t"
        "pop {r3, r7, r11}"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory",
          "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7");
}
/* clang-format on */
