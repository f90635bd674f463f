/* Internal: the loops of tqs_push_rows_s8 and _s16, four elements at a time. Ascending, so that
   next may be past: no element is read after it was replaced. */
#ifndef TQS_PUSH_ROWS_H
#define TQS_PUSH_ROWS_H

#include "tqs_fixed.h"
#include "tqs_kernels.h"

#define TQS_DEFINE_PUSH_ROWS(symbol, type)                                                         \
    void symbol(const type *past, const type *rows, type *next, int32_t kept, int32_t pushed) {    \
        TQS_ASSERT(kept >= 0 && pushed >= 1);                                                      \
        const type *from = past + pushed;                                                          \
        int32_t left = kept;                                                                       \
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
