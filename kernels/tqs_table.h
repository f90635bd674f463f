/* A scalar function of int16 by its own table of knots. See README.md, "Tables".
   twin: tqs_edge.quant.knots */
#ifndef TQS_TABLE_H
#define TQS_TABLE_H

#include "tqs_fixed.h"

/* Linear between the knots around x, constant beyond the end ones. table[k], 0 <= k <= cells, is
   the value at first + k * 2^step_bits; step_bits in [1, 15], |first| <= 2^16. */
static inline int16_t tqs_table_s16(int16_t x, const int16_t *table, int32_t cells, int32_t first,
                                    int32_t step_bits) {
    const int32_t place = x < first ? 0 : x - first;
    const int32_t index = place >> step_bits;
    TQS_ASSERT(step_bits >= 1 && step_bits <= 15);
    if (index >= cells)
        return table[cells];
    const int32_t fraction = place & ((1 << step_bits) - 1);
    const int32_t low = table[index], rise = table[index + 1] - low;
    return (int16_t)(low + ((rise * fraction + (1 << (step_bits - 1))) >> step_bits));
}

/* sin or cos of x * turn / 2^32 turns; table: 257 values of one turn. */
static inline int16_t tqs_wave_s16(int16_t x, const int16_t *table, int32_t turn) {
    const uint32_t angle = (uint32_t)(int32_t)x * (uint32_t)turn, index = angle >> 24;
    const int32_t rest = (int32_t)(angle >> 9) & 0x7FFF;
    const int32_t low = table[index], rise = table[index + 1] - low;
    return (int16_t)(low + ((rise * rest + (1 << 14)) >> 15));
}

#endif
