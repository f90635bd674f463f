/* What host and firmware say to one another: one request, one reply (targets/README.md, "Link").
   Numbers are little endian. twin: tqs_edge/device/messages.py. */
#ifndef TQS_MESSAGES_H
#define TQS_MESSAGES_H

enum {
    TQS_LINK_VERSION = 1,
    TQS_LINK_HEAD = 2, /* uint8 kind, uint8 sequence */

    TQS_HELLO = 1,    /* -> int32 version, packet_bytes, length, features, block, exog, has_cycles;
                            the model's hash as text */
    TQS_RESET = 2,    /* -> nothing; the model is in its initial state, 0 steps done */
    TQS_RUN = 3,      /* int32 steps_done; uint8 rows, steps; int16 [rows][F], int16 [steps][E]
                         -> int32 cycles of all steps; int16 [steps][K][F]
                         Row i enters the window before step i; rows without a step just enter. */
    TQS_REPORT = 4,   /* -> int32 stack_bytes, most cycles of one step, broken packets received */
    TQS_REPLY = 0x80, /* added to the kind of the request */
    TQS_FAILED = 0xff /* int32 reason; text */
};

/* Reasons besides exit statuses: 5 the weights were refused, 253 and 254 a fault. */
enum { TQS_BAD_REQUEST = 1, TQS_WRONG_POSITION = 2 };
#endif
