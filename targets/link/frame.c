/* Both directions work on single bytes: no second buffer, no limit of length. */
#include "frame.h"

#include "crc32.h"

enum { LONGEST_BLOCK = 254 };

static uint32_t stored_crc(const uint8_t *bytes) {
    uint32_t crc = 0;
    for (int32_t i = 0; i < TQS_FRAME_CRC_BYTES; i++)
        crc |= (uint32_t)bytes[i] << (8 * i);
    return crc;
}

static void restart(tqs_frame_receiver *receiver) {
    receiver->bytes = receiver->left = 0;
    receiver->zero_due = receiver->begun = receiver->broken = false;
}

void tqs_frame_begin(tqs_frame_receiver *receiver, uint8_t *buffer, int32_t capacity) {
    receiver->buffer = buffer;
    receiver->capacity = capacity;
    restart(receiver);
}

static void append(tqs_frame_receiver *receiver, uint8_t byte) {
    if (receiver->bytes < receiver->capacity)
        receiver->buffer[receiver->bytes++] = byte;
    else
        receiver->broken = true;
}

static int32_t end(tqs_frame_receiver *receiver) {
    const int32_t bytes = receiver->bytes - TQS_FRAME_CRC_BYTES;
    const bool begun = receiver->begun;
    const bool whole = !receiver->broken && receiver->left == 0 && bytes >= 0;
    restart(receiver);
    if (!begun)
        return TQS_FRAME_NONE;
    if (!whole || tqs_crc32(0, receiver->buffer, bytes) != stored_crc(&receiver->buffer[bytes]))
        return TQS_FRAME_BROKEN;
    return bytes;
}

int32_t tqs_frame_take(tqs_frame_receiver *receiver, uint8_t byte) {
    if (byte == 0)
        return end(receiver);
    receiver->begun = true;
    if (receiver->left > 0) {
        append(receiver, byte);
        receiver->left--;
        return TQS_FRAME_NONE;
    }
    if (receiver->zero_due)
        append(receiver, 0);
    receiver->left = byte - 1;
    receiver->zero_due = byte <= LONGEST_BLOCK;
    return TQS_FRAME_NONE;
}

void tqs_frame_send(uint8_t *packet, int32_t bytes, tqs_frame_put put, void *sink) {
    const uint32_t crc = tqs_crc32(0, packet, bytes);
    for (int32_t i = 0; i < TQS_FRAME_CRC_BYTES; i++)
        packet[bytes + i] = (uint8_t)(crc >> (8 * i));
    const int32_t total = bytes + TQS_FRAME_CRC_BYTES;
    for (int32_t from = 0; from <= total;) { /* an empty block ends what ends in a zero */
        int32_t to = from;
        while (to < total && to - from < LONGEST_BLOCK && packet[to] != 0)
            to++;
        put(sink, (uint8_t)(to - from + 1));
        for (int32_t i = from; i < to; i++)
            put(sink, packet[i]);
        from = to - from < LONGEST_BLOCK ? to + 1 : to; /* a full block stands for no zero */
    }
    put(sink, 0);
}
