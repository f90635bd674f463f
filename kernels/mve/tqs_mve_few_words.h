/* Internal: quads of rows of few 8-bit weights: of one word, whatever x is, and of one or two whole
   blocks that meet 16-bit x. What is prepared of x stays in registers. */
/* clang-format off */

/* All quads of rows of one word, `count` of them: every column of weights of four rows is a vector,
   times one activation. x: in the order of the word's bytes. r4, r10, r12, r11 w and the bytes
   behind it, r5 bias, r6 multiplier, r7 y, r9 31 - shift, q4 offsets of the words (8 bytes of stack
   that the compiler does not count). */
static inline void tqs_run_one_word_quads(const int32_t *x, const tqs_quads *quads, int32_t count) {
    register int32_t r0 __asm__("r0") = x[0];
    register int32_t r1 __asm__("r1") = x[1];
    register int32_t r2 __asm__("r2") = x[2];
    register int32_t r3 __asm__("r3") = x[3];
    register const uint32_t *r4 __asm__("r4") = quads->w;
    register const int32_t *r5 __asm__("r5") = quads->bias;
    register const int32_t *r6 __asm__("r6") = quads->multiplier;
    register int16_t *r8 __asm__("r8") = quads->y;
    register int32_t r9 __asm__("r9") = quads->left_shift;
    register int32_t r12 __asm__("r12") = count;
    __asm__ volatile(
        "push {r7, r11}\n\t"
        "dls lr, r12\n\t"
        "mov r12, #0\n\t"
        "vidup.u32 q4, r12, #4\n\t"
        "mov r7, r8\n\t"
        "mov r8, #16\n\t"
        "add r10, r4, #1\n\t"
        "add r12, r4, #2\n\t"
        "add r11, r4, #3\n"
        "1:\n\t"
        "vldrw.u32 q0, [r5], #16\n\t"
        "vldrb.s32 q1, [r4, q4]\n\t"
        "vldrb.s32 q2, [r10, q4]\n\t"
        "vldrb.s32 q3, [r12, q4]\n\t"
        "vldrb.s32 q5, [r11, q4]\n\t"
        "vmla.s32 q0, q1, r0\n\t"
        "vmla.s32 q0, q2, r1\n\t"
        "vmla.s32 q0, q3, r2\n\t"
        "vmla.s32 q0, q5, r3\n\t"
        "vadd.i32 q4, q4, r8\n\t"
        TQS_OUTPUT("r6", "r9")
        "le lr, 1b\n\t"
        "pop {r7, r11}"
        : "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r8), "+r"(r12)
        : "r"(r0), "r"(r1), "r"(r2), "r"(r3), "r"(r9)
        : "r10", "lr", "cc", "memory", "q0", "q1", "q2", "q3", "q4", "q5");
}

#if TQS_ACT_BITS == 16
/* w + 128 by VADD, because a general register is left for 128 and no vector. */
#define TQS_BLOCK_ROW(mla, high, low, weights, x_high, x_low)                                      \
    mla ".s8 " high ", " weights ", " x_high "\n\t"                                                \
    "vadd.i8 " weights ", " weights ", r3\n\t"                                                     \
    "vmladava.u8 " low ", " weights ", " x_low "\n\t"
#define TQS_BLOCK_ROWS(mla, x_high, x_low)                                                         \
    TQS_LOAD_WORDS                                                                                 \
    TQS_BLOCK_ROW(mla, "r0", "r8", "q0", x_high, x_low)                                            \
    TQS_BLOCK_ROW(mla, "r2", "r10", "q1", x_high, x_low)                                           \
    TQS_BLOCK_ROW(mla, "r4", "r12", "q2", x_high, x_low)                                           \
    TQS_BLOCK_ROW(mla, "r6", "lr", "q3", x_high, x_low)

/* All quads of rows of as many blocks as BLOCKS are. r0 r2 r4 r6 accumulators of high, r8 r10 r12
   lr of low, r1 w, r3 128, r5 end of y, r7 y, r9 multiplier, r11 bias, q4 to q7 x; 31 - shift and
   excess are on the stack (16 bytes). */
#define TQS_RUN_BLOCKS(name, LOADS, BLOCKS)                                                        \
static inline void name(const tqs_quads *quads) {                                                  \
    register const tqs_quads *r0 __asm__("r0") = quads;                                            \
    __asm__ volatile(                                                                              \
        "push {r7, r11}\n\t"                                                                       \
        "ldr r3, [r0]\n\t"                                                                         \
        LOADS                                                                                      \
        "ldrd r4, r5, [r0, #8]\n\t"                                                                \
        "push {r4, r5}\n\t"                                                                        \
        "ldr r5, [r0, #20]\n\t"                                                                    \
        "ldrd r1, r7, [r0, #36]\n\t"                                                               \
        "ldrd r11, r9, [r0, #44]\n\t"                                                              \
        "movs r3, #128\n"                                                                          \
        "2:\n\t"                                                                                   \
        "ldm r11!, {r8, r10, r12, lr}\n\t"                                                         \
        BLOCKS                                                                                     \
        "add r0, r8, r0, lsl #8\n\t"                                                               \
        "add r2, r10, r2, lsl #8\n\t"                                                              \
        "add r4, r12, r4, lsl #8\n\t"                                                              \
        "add r6, lr, r6, lsl #8\n\t"                                                               \
        TQS_ACC_TO_VECTOR                                                                          \
        "ldrd r10, r8, [sp]\n\t"                                                                   \
        "vsub.i32 q0, q0, r8\n\t"                                                                  \
        TQS_OUTPUT("r9", "r10")                                                                    \
        "cmp r7, r5\n\t"                                                                           \
        "bne 2b\n\t"                                                                               \
        "add sp, #8\n\t"                                                                           \
        "pop {r7, r11}"                                                                            \
        : "+r"(r0)                                                                                 \
        :                                                                                          \
        : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r12", "lr", "cc", "memory",      \
          "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7");                                         \
}
#define TQS_FIRST_X "vldrb.u8 q4, [r3]\n\tvldrb.u8 q5, [r3, #16]\n\t"
#define TQS_SECOND_X "vldrb.u8 q6, [r3, #32]\n\tvldrb.u8 q7, [r3, #48]\n\t"
#define TQS_FIRST_BLOCK TQS_BLOCK_ROWS("vmladav", "q4", "q5")
TQS_RUN_BLOCKS(tqs_run_one_block, TQS_FIRST_X, TQS_FIRST_BLOCK)
TQS_RUN_BLOCKS(tqs_run_two_blocks, TQS_FIRST_X TQS_SECOND_X,
               TQS_FIRST_BLOCK TQS_BLOCK_ROWS("vmladava", "q6", "q7"))
#endif
/* clang-format on */
