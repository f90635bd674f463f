/* Files, console and exit through Arm semihosting; host/semihost.c is the same over <stdio.h>. */
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
void sh_put_hex(uint32_t value);
void sh_exit(int32_t status) __attribute__((noreturn));
#endif
