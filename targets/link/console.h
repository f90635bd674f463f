/* The stream of bytes between the firmware and its host; one file of ../console implements it. */
#ifndef TQS_CONSOLE_H
#define TQS_CONSOLE_H
#include <stdint.h>

/* Before anything else. */
void console_open(void);
/* Both wait until there is a byte, or room for one. */
uint8_t console_get(void);
void console_put(uint8_t byte);
#endif
