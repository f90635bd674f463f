/* Packets over a stream of bytes that may lose, add or change some.

   On the wire a packet is COBS(packet, CRC-32 of it in little endian), then one zero byte. COBS
   (Cheshire and Baker, IEEE/ACM ToN 1999) leaves no zero inside, so a receiver that lost its way
   is right again at the next zero. twin: tqs_edge/device/frame.py. */
#ifndef TQS_FRAME_H
#define TQS_FRAME_H
#include <stdbool.h>
#include <stdint.h>

enum {
    TQS_FRAME_CRC_BYTES = 4,
    TQS_FRAME_NONE = -1,  /* no packet has ended */
    TQS_FRAME_BROKEN = -2 /* one has ended that is too long, cut, or fails its CRC */
};

/* What is known of the packet that is arriving. */
typedef struct {
    uint8_t *buffer;
    int32_t capacity; /* bytes of buffer */
    int32_t bytes;    /* in buffer */
    int32_t left;     /* bytes of the COBS block that have not arrived */
    bool zero_due;    /* the block stands for a zero behind it, unless the packet ends there */
    bool begun;
    bool broken;
} tqs_frame_receiver;

/* Where the byte `byte` goes; `sink` is what the caller of tqs_frame_send gave. */
typedef void (*tqs_frame_put)(void *sink, uint8_t byte);

/* Makes `receiver` wait for a packet in buffer[0 .. capacity-1], CRC included. */
void tqs_frame_begin(tqs_frame_receiver *receiver, uint8_t *buffer, int32_t capacity);

/* Takes one byte of the stream. The size of the packet, without its CRC, when `byte` ends a whole
   one, which then lies in the buffer until the next call; else TQS_FRAME_NONE or TQS_FRAME_BROKEN.
   Writes buffer[0 .. capacity-1] and nothing else, whatever arrives. */
int32_t tqs_frame_take(tqs_frame_receiver *receiver, uint8_t byte);

/* Sends packet[0 .. bytes-1]; writes its CRC to packet[bytes .. bytes+3]. */
void tqs_frame_send(uint8_t *packet, int32_t bytes, tqs_frame_put put, void *sink);
#endif
