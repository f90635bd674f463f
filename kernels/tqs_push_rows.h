/* Internal: the loops of tqs_push_rows_s8 and _s16. They ascend and read all of a pass before they
   write any, so that next may be past. Where both ends are words, four words at a time. */
#ifndef TQS_PUSH_ROWS_H
#define TQS_PUSH_ROWS_H

#include "tqs_fixed.h"
#include "tqs_kernels.h"

typedef uint32_t __attribute__((may_alias)) tqs_word;

/* Four words from *from to *next, both then past them. */
static inline void tqs_move_words(const tqs_word **from, tqs_word **next) {
#ifdef __thumb__
    __asm__ volatile("ldmia %0!, {r3, r4, r5, r6}\n\t"
                     "stmia %1!, {r3, r4, r5, r6}"
                     : "+l"(*from), "+l"(*next)
                     :
                     : "r3", "r4", "r5", "r6", "memory");
#else
    const tqs_word a = (*from)[0], b = (*from)[1], c = (*from)[2], d = (*from)[3];
    (*next)[0] = a;
    (*next)[1] = b;
    (*next)[2] = c;
    (*next)[3] = d;
    *from += 4;
    *next += 4;
#endif
}

#define TQS_DEFINE_PUSH_ROWS(symbol, type)                                                         \
    void symbol(const type *past, const type *rows, type *next, int32_t kept, int32_t pushed) {    \
        TQS_ASSERT(kept >= 0 && pushed >= 1);                                                      \
        const int32_t block = 16 / (int32_t)sizeof(type);                                          \
        const type *from = past + pushed;                                                          \
        int32_t left = kept;                                                                       \
        if ((((uintptr_t)from | (uintptr_t)next) & 3) == 0) {                                      \
            const tqs_word *word = (const tqs_word *)(const void *)from;                           \
            tqs_word *to = (tqs_word *)(void *)next;                                               \
            for (; left >= block; left -= block)                                                   \
                tqs_move_words(&word, &to);                                                        \
            from = (const type *)(const void *)word;                                               \
            next = (type *)(void *)to;                                                             \
        }                                                                                          \
        for (; left >= 4; left -= 4) {                                                             \
            const type a = from[0], b = from[1], c = from[2], d = from[3];                         \
            next[0] = a;                                                                           \
            next[1] = b;                                                                           \
            next[2] = c;                                                                           \
            next[3] = d;                                                                           \
            from += 4;                                                                             \
            next += 4;                                                                             \
        }                                                                                          \
        for (; left > 0; --left)                                                                   \
            *next++ = *from++;                                                                     \
        for (int32_t i = 0; i < pushed; ++i)                                                       \
            next[i] = rows[i];                                                                     \
    }

#endif
