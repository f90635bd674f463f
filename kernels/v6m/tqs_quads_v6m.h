/* Internal: the loop over quads of tqs_dense_v6m.h. What is multiplied, and how, is in
   tqs_fields_v6m.h or tqs_pairs_v6m.h, which define
     TQS_QUAD          the sums of a quad, in r8-r11, of its words from r0 on, which it leaves at
                       their end; it finds sums before in r2-r5, the end of what is prepared in r12
     TQS_SUM           brings one of the four sums into a low register
     TQS_FRAME_BYTES   of stack at sp + 40, as a string */

#include <stddef.h>

/* Quads on their way through a chunk of x. The assembly loads the fields in this order, and keeps
   what it needs in its loop on the stack, at the offsets that follow. */
typedef struct {
    uint32_t constant;         /* 28: of TQS_QUAD */
    int32_t left_out;          /* 32: columns that a quad's first pass leaves out */
    const void *to_end;        /* 36 */
    const uint32_t *end;       /* of prepared */
    const int32_t *from;       /*  0: sums before, four per quad */
    void *to;                  /*  4: outputs, or sums; these may be from */
    const int32_t *multiplier; /*  8: 0 where sums are wanted */
    int32_t down;              /* 12: shift - 32 */
    const uint32_t *w;         /* 16 */
    int32_t skip;              /* 20: bytes from the end of a quad's chunk to the next quad's */
    const uint32_t *prepared;  /* 24 */
} tqs_job;
typedef char tqs_job_layout[offsetof(tqs_job, prepared) == 40 ? 1 : -1];

/* One instruction per line: */
/* clang-format off */

#define TQS_SET_SUMS(a, b, c, d)                                                                   \
    "mov r8, " a "\n"                                                                              \
    "mov r9, " b "\n"                                                                              \
    "mov r10, " c "\n"                                                                             \
    "mov r11, " d "\n"
/* The four columns of a loop's pass. A quad's first pass leaves out as many as [sp, #32]
   says: bit 1 becomes C, bit 0 N, and far ones are out of reach of a conditional branch. */
#define TQS_FOUR_COLUMNS(spare, column)                                                            \
    "ldr " spare ", [sp, #32]\n"                                                                   \
    "lsls " spare ", " spare ", #31\n"                                                             \
    "bcc 4f\n"                                                                                     \
    "bmi 3f\n"                                                                                     \
    "b .Ltqs_%=_2\n"                                                                               \
    "3:\n"                                                                                         \
    "b .Ltqs_%=_3\n"                                                                               \
    "4:\n"                                                                                         \
    "bmi .Ltqs_%=_1\n"                                                                             \
    "2:\n"                                                                                         \
    ".irp number, 0, 1, 2, 3\n"                                                                    \
    ".Ltqs_%=_\\number:\n"                                                                         \
    column                                                                                         \
    ".endr\n"
/* GCC reckons with an instruction per line of an assembly statement: these stand for the lines that
   .rept and .irp repeat. */
#define TQS_16_LINES "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
#define TQS_64_LINES TQS_16_LINES TQS_16_LINES TQS_16_LINES TQS_16_LINES

/* Loops that need most registers: beside the kernel's own variables they would keep some on the
   stack. */
#define TQS_NOINLINE __attribute__((noinline))

#if TQS_ACT_BITS == 8 && TQS_WEIGHT_BITS < 8
#include "tqs_pairs_v6m.h"
#else
#include "tqs_fields_v6m.h"
#endif
/* The output of the sum that TQS_SUM brings into r3: (r3 * multiplier) >> (32 + r2), rounded, where
   the high word of the product is made of those of half words: see tqs_product_high. What rounds is
   the carry, the last bit that is shifted out. Where r2 is 0 that is the low word's: a shift by 0
   leaves the carry alone, and so does ADD without S. r4 is 0. */
#define TQS_OUTPUT_ROW(acc, m, high, y, total)                                                     \
    TQS_SUM("r3", "r5", acc, total)                                                                \
    "uxth r5, r3\n"                                                                                \
    "asrs r3, r3, #16\n"                                                                           \
    "ldrh r6, [r1, #" #m "]\n"                                                                     \
    "movs r7, r5\n"                                                                                \
    "muls r7, r6, r7\n"                                                                            \
    "lsrs r7, r7, #16\n"                                                                           \
    "muls r6, r3, r6\n"                                                                            \
    "adds r6, r6, r7\n"                                                                            \
    "ldrh r7, [r1, #" #high "]\n"                                                                  \
    "muls r5, r7, r5\n"                                                                            \
    "muls r3, r7, r3\n"                                                                            \
    "uxth r7, r6\n"                                                                                \
    "adds r5, r5, r7\n"                                                                            \
    "asrs r6, r6, #16\n"                                                                           \
    "adds r3, r3, r6\n"                                                                            \
    "lsrs r5, r5, #16\n"                                                                           \
    "add r3, r5\n"                                                                                 \
    "asrs r3, r2\n"                                                                                \
    "adcs r3, r4\n"                                                                                \
    "sxth r5, r3\n"                                                                                \
    "cmp r5, r3\n"                                                                                 \
    "beq 3f\n"                                                                                     \
    "asrs r3, r3, #31\n"                                                                           \
    "mvns r3, r3\n"                                                                                \
    "movs r5, #128\n"                                                                              \
    "lsls r5, r5, #8\n"                                                                            \
    "eors r3, r5\n" /* the low half word is 32767 or -32768 */                                     \
    "3:\n"                                                                                         \
    "strh r3, [r0, #" #y "]\n"

/* All quads in one statement: it needs every register, so r7 and r11, which may be the frame
   pointer, are saved by hand (48 bytes of stack, and TQS_FRAME_BYTES, that the compiler does not
   count). */
static inline void tqs_add_quads(tqs_job *job) {
    register tqs_job *r0 __asm__("r0") = job;
    __asm__ volatile(
        ".syntax unified\n"
        "mov r1, r11\n"
        "push {r1, r7}\n"
        "sub sp, #" TQS_FRAME_BYTES "\n"
        "ldmia r0!, {r1-r4}\n"
        "mov r12, r4\n"
        "push {r1-r3}\n"
        "ldmia r0!, {r1-r7}\n"
        "push {r1-r7}\n"
        "1:\n" /* a quad */
        "ldr r1, [sp, #0]\n"
        "ldmia r1!, {r2-r5}\n"
        "str r1, [sp, #0]\n"
        "ldr r0, [sp, #16]\n"
        TQS_QUAD
        "ldr r1, [sp, #20]\n"
        "adds r0, r0, r1\n"
        "str r0, [sp, #16]\n"
        "ldr r0, [sp, #4]\n"
        "ldr r1, [sp, #8]\n"
        "cmp r1, #0\n"
        "bne 4f\n"
        "b 6f\n"
        "4:\n"
        "ldr r2, [sp, #12]\n"
        "movs r4, #0\n"
        TQS_OUTPUT_ROW("r8", 0, 2, 0, 40)
        TQS_OUTPUT_ROW("r9", 4, 6, 2, 44)
        TQS_OUTPUT_ROW("r10", 8, 10, 4, 48)
        TQS_OUTPUT_ROW("r11", 12, 14, 6, 52)
        "adds r0, r0, #8\n"
        "adds r1, r1, #16\n"
        "str r1, [sp, #8]\n"
        "5:\n"
        "str r0, [sp, #4]\n"
        "ldr r1, [sp, #36]\n"
        "cmp r0, r1\n"
        "beq 7f\n"
        "b 1b\n"
        "6:\n" /* sums */
        TQS_SUM("r4", "r3", "r8", 40)
        TQS_SUM("r5", "r3", "r9", 44)
        TQS_SUM("r6", "r3", "r10", 48)
        TQS_SUM("r7", "r3", "r11", 52)
        "stmia r0!, {r4-r7}\n"
        "b 5b\n"
        "7:\n"
        "add sp, #40 + " TQS_FRAME_BYTES "\n"
        "pop {r1, r7}\n"
        "mov r11, r1"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory");
}
/* clang-format on */
