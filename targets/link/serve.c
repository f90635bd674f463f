/* The model as a server: the host resets it, feeds rows and asks for steps; every reply carries the
   outputs. Like common/main.c it holds no expected output and nothing but one step's data.

   A request that arrives twice is answered twice and done once, so that the host may repeat it when
   an answer was lost. Requests of another moment (the firmware was restarted) are refused. */
#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "frame.h"
#include "messages.h"
#include "model.h"
#include "platform.h"
#include "semihost.h"

enum {
    VALUE_BYTES = (int32_t)sizeof(int16_t),
    ROW_BYTES = TQS_MODEL_FEATURES * VALUE_BYTES,
    EXOG_BYTES = TQS_MODEL_EXOG * VALUE_BYTES,
    OUTPUT_BYTES = TQS_MODEL_OUTPUTS * VALUE_BYTES,
    RUN_HEAD = TQS_LINK_HEAD + 6,
    RESULT_HEAD = TQS_LINK_HEAD + 4,
    HASH_BYTES = (int32_t)sizeof TQS_MODEL_HASH - 1,
    LEAST_PACKET = 192, /* room for the answer to HELLO, and for several steps of a small model */
    REQUEST = RUN_HEAD + ROW_BYTES + EXOG_BYTES,
    RESULT = RESULT_HEAD + OUTPUT_BYTES,
    LARGEST = REQUEST > RESULT ? REQUEST : RESULT,
    PACKET_BYTES = LARGEST > LEAST_PACKET ? LARGEST : LEAST_PACKET,
    BUFFER_BYTES = PACKET_BYTES + TQS_FRAME_CRC_BYTES,
    TEXT_BYTES = 96,
    BAD_WEIGHTS = 5 /* exit status, as of main.c */
};

typedef uint8_t hello_fits[TQS_LINK_HEAD + 7 * 4 + HASH_BYTES <= PACKET_BYTES ? 1 : -1];

int main(void);

static tqs_model_t model;
static tqs_model_arena arena;
static int16_t window[TQS_MODEL_INPUTS];
static int16_t output[TQS_MODEL_OUTPUTS];
static int16_t exog[TQS_MODEL_EXOG > 0 ? TQS_MODEL_EXOG : 1];

static uint8_t request[BUFFER_BYTES], reply[BUFFER_BYTES];
static tqs_frame_receiver receiver;
static int32_t reply_bytes; /* 0 before the first reply */
static int32_t steps_done, broken_packets;
static uint32_t most_cycles;
static char failure[TEXT_BYTES]; /* what sh_puts was given */
static int32_t failure_bytes;

static void put_byte(void *sink, uint8_t byte) {
    (void)sink;
    console_put(byte);
}

static void send_reply(void) {
    tqs_frame_send(reply, reply_bytes, put_byte, NULL);
}

static void add_word(uint32_t value) {
    for (int32_t i = 0; i < 4; i++)
        reply[reply_bytes++] = (uint8_t)(value >> (8 * i));
}

static void add_text(const char *text, int32_t bytes) {
    for (int32_t i = 0; i < bytes; i++)
        reply[reply_bytes++] = (uint8_t)text[i];
}

static void begin_reply(uint8_t kind) {
    reply[0] = kind;
    reply[1] = request[1];
    reply_bytes = TQS_LINK_HEAD;
}

static void fail(int32_t reason) {
    begin_reply(TQS_FAILED);
    add_word((uint32_t)reason);
    add_text(failure, failure_bytes);
}

static void get_values(const uint8_t *from, int16_t *to, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        to[i] = (int16_t)((uint32_t)from[2 * i] | ((uint32_t)from[2 * i + 1] << 8));
}

static int32_t get_word(const uint8_t *from) {
    uint32_t value = 0;
    for (int32_t i = 0; i < 4; i++)
        value |= (uint32_t)from[i] << (8 * i);
    return (int32_t)value;
}

/* Drops the oldest `count` values of the window; returns where as many newer ones go. */
static int16_t *shift_window(int32_t count) {
    for (int32_t i = count; i < TQS_MODEL_INPUTS; i++)
        window[i - count] = window[i];
    return &window[TQS_MODEL_INPUTS - count];
}

/* The newest rows of the output become the newest of the window. */
static void push_output(void) {
    const int32_t pushed =
        TQS_MODEL_OUTPUTS < TQS_MODEL_INPUTS ? TQS_MODEL_OUTPUTS : TQS_MODEL_INPUTS;
    int16_t *to = shift_window(pushed);
    for (int32_t i = 0; i < pushed; i++)
        to[i] = output[TQS_MODEL_OUTPUTS - pushed + i];
}

/* The cycles that one step took. */
static uint32_t call_step(const uint8_t *exog_row) {
    get_values(exog_row, exog, TQS_MODEL_EXOG);
    const uint32_t start = platform_cycles();
    const tqs_model_status status =
        tqs_model_step(&model, window, TQS_MODEL_EXOG > 0 ? exog : NULL, output);
    const uint32_t cycles = platform_cycles() - start;
    if (status != TQS_MODEL_OK)
        sh_exit(BAD_WEIGHTS);
    if (cycles > most_cycles)
        most_cycles = cycles;
    steps_done++;
    return cycles;
}

static void run(int32_t bytes) {
    const int32_t rows = request[RUN_HEAD - 2], steps = request[RUN_HEAD - 1];
    if (bytes < RUN_HEAD || bytes != RUN_HEAD + rows * ROW_BYTES + steps * EXOG_BYTES ||
        RESULT_HEAD + steps * OUTPUT_BYTES > PACKET_BYTES) {
        fail(TQS_BAD_REQUEST);
        return;
    }
    if (get_word(&request[TQS_LINK_HEAD]) != steps_done) {
        fail(TQS_WRONG_POSITION);
        return;
    }
    const uint8_t *row = &request[RUN_HEAD], *exog_row = row + rows * ROW_BYTES;
    begin_reply(TQS_RUN | TQS_REPLY);
    add_word(0);
    uint32_t cycles = 0;
    for (int32_t i = 0; i < rows || i < steps; i++) {
        if (i < rows)
            get_values(row + i * ROW_BYTES, shift_window(TQS_MODEL_FEATURES), TQS_MODEL_FEATURES);
        if (i >= steps)
            continue;
        cycles += call_step(exog_row + i * EXOG_BYTES);
        for (int32_t j = 0; j < TQS_MODEL_OUTPUTS; j++) {
            reply[reply_bytes++] = (uint8_t)output[j];
            reply[reply_bytes++] = (uint8_t)((uint16_t)output[j] >> 8);
        }
        push_output();
    }
    for (int32_t i = 0; i < 4; i++)
        reply[TQS_LINK_HEAD + i] = (uint8_t)(cycles >> (8 * i));
}

static void hello(void) {
    const int32_t facts[7] = {
        TQS_LINK_VERSION, PACKET_BYTES,   TQS_MODEL_LENGTH,        TQS_MODEL_FEATURES,
        TQS_MODEL_BLOCK,  TQS_MODEL_EXOG, platform_start_cycles(),
    };
    most_cycles = 0;
    broken_packets = 0;
    begin_reply(TQS_HELLO | TQS_REPLY);
    for (int32_t i = 0; i < 7; i++)
        add_word((uint32_t)facts[i]);
    add_text(TQS_MODEL_HASH, HASH_BYTES);
}

static void answer(int32_t bytes) {
    const bool again = reply_bytes > 0 && request[1] == reply[1] &&
                       (reply[0] == (request[0] | TQS_REPLY) || reply[0] == TQS_FAILED);
    if (request[0] == TQS_HELLO) {
        hello();
    } else if (again) {
        return;
    } else if (request[0] == TQS_RUN) {
        run(bytes);
    } else if (bytes != TQS_LINK_HEAD) {
        fail(TQS_BAD_REQUEST);
    } else if (request[0] == TQS_RESET) {
        tqs_model_reset(&model);
        steps_done = 0;
        begin_reply(TQS_RESET | TQS_REPLY);
    } else if (request[0] == TQS_REPORT) {
        begin_reply(TQS_REPORT | TQS_REPLY);
        add_word((uint32_t)platform_stack_bytes());
        add_word(most_cycles);
        add_word((uint32_t)broken_packets);
    } else {
        fail(TQS_BAD_REQUEST);
    }
}

/* Waits for a packet with a head, which then lies in `request`; its size. */
static int32_t next_request(void) {
    for (;;) {
        const int32_t bytes = tqs_frame_take(&receiver, console_get());
        if (bytes >= TQS_LINK_HEAD)
            return bytes;
        if (bytes == TQS_FRAME_BROKEN)
            broken_packets++;
    }
}

/* Faults end here: the host is told at once, and again whenever it asks. */
void sh_puts(const char *text) {
    while (*text != '\0' && failure_bytes < TEXT_BYTES)
        failure[failure_bytes++] = *text++;
}

void sh_exit(int32_t status) {
    for (;;) {
        fail(status);
        send_reply();
        (void)next_request();
    }
}

int main(void) {
    console_open();
    tqs_frame_begin(&receiver, request, BUFFER_BYTES);
    if (tqs_model_init(&model, &arena, &tqs_model_weights) != TQS_MODEL_OK)
        sh_exit(BAD_WEIGHTS);
    for (;;) {
        answer(next_request());
        send_reply();
    }
}
