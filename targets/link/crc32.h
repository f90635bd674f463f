/* CRC-32 of frames, as zlib computes it (IEEE 802.3, reflected). */
#ifndef TQS_CRC32_H
#define TQS_CRC32_H
#include <stdint.h>

/* The checksum of `bytes` bytes behind those that gave `crc`; 0 begins. Reads data[0 .. bytes-1].
   twin: zlib.crc32(data, crc). */
uint32_t tqs_crc32(uint32_t crc, const uint8_t *data, int32_t bytes);
#endif
