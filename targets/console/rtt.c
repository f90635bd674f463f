/* SEGGER RTT: two rings in RAM that the debug probe reads and writes while the core runs. Needs no
   pins and no clock. The host finds the block by its symbol, or by searching RAM for its id. */
#include "console.h"

enum { RING_BYTES = 256 };

typedef struct {
    const char *name;
    volatile uint8_t *ring;
    uint32_t bytes;
    volatile uint32_t written; /* where the writer goes on */
    volatile uint32_t read;    /* where the reader goes on; equal: empty */
    uint32_t flags;
} rtt_channel;

typedef struct {
    char id[16];
    int32_t ups, downs;
    rtt_channel up, down; /* to the host, from the host */
} rtt_block;

static volatile uint8_t up_ring[RING_BYTES], down_ring[RING_BYTES];

extern rtt_block _SEGGER_RTT; /* the name that tools look for */
rtt_block _SEGGER_RTT = {
    .id = "SEGGER RTT",
    .ups = 1,
    .downs = 1,
    .up = {.name = "tqs", .ring = up_ring, .bytes = RING_BYTES},
    .down = {.name = "tqs", .ring = down_ring, .bytes = RING_BYTES},
};

void console_open(void) {
}

static uint32_t next(uint32_t at) {
    return at + 1 < RING_BYTES ? at + 1 : 0;
}

uint8_t console_get(void) {
    rtt_channel *down = &_SEGGER_RTT.down;
    while (down->read == down->written) {
    }
    const uint8_t byte = down->ring[down->read];
    down->read = next(down->read);
    return byte;
}

void console_put(uint8_t byte) {
    rtt_channel *up = &_SEGGER_RTT.up;
    while (next(up->written) == up->read) {
    }
    up->ring[up->written] = byte;
    up->written = next(up->written);
}
