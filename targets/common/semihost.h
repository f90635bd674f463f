/* Files, console and exit through Arm semihosting; host/semihost.c is the same over <stdio.h>.
   Firmware with a link (../link) has no files, and its console and exit tell the host. */
#ifndef TQS_SEMIHOST_H
#define TQS_SEMIHOST_H
#include <stdint.h>

enum { SH_READ_BINARY = 1, SH_WRITE_BINARY = 5 };

/* Returns a file handle, or -1. */
int32_t sh_open(const char *name, int32_t mode);
/* Move a file to an absolute byte offset; 0 when done. */
int32_t sh_seek(int32_t file, int32_t offset);
/* Both return the number of bytes NOT transferred, as semihosting does. */
int32_t sh_read(int32_t file, void *buffer, int32_t bytes);
int32_t sh_write(int32_t file, const void *buffer, int32_t bytes);
int32_t sh_close(int32_t file);
/* Print on the console. */
void sh_puts(const char *text);
void sh_exit(int32_t status) __attribute__((noreturn));

static inline void sh_put_hex(uint32_t value) {
    char text[11] = "0x";
    for (int32_t i = 0; i < 8; i++)
        text[2 + i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15];
    text[10] = '\0';
    sh_puts(text);
}
#endif
