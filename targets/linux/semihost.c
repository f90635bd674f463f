/* The functions of semihost.h as system calls of Linux on Arm, 32 and 64 bits. */
#include "semihost.h"

enum { AT_FDCWD = -100, O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000 };
enum { ALL_MAY_READ = 0644, STDERR = 2 };
#ifdef __aarch64__
enum { OPENAT = 56, CLOSE = 57, LSEEK = 62, READ = 63, WRITE = 64, EXIT_GROUP = 94 };
#else
enum { OPENAT = 322, CLOSE = 6, LSEEK = 19, READ = 3, WRITE = 4, EXIT_GROUP = 248 };
#endif

static intptr_t call(intptr_t number, intptr_t a, intptr_t b, intptr_t c, intptr_t d) {
#ifdef __aarch64__
    register intptr_t n __asm("x8") = number;
    register intptr_t r0 __asm("x0") = a;
    register intptr_t r1 __asm("x1") = b;
    register intptr_t r2 __asm("x2") = c;
    register intptr_t r3 __asm("x3") = d;
#else
    register intptr_t n __asm("r7") = number;
    register intptr_t r0 __asm("r0") = a;
    register intptr_t r1 __asm("r1") = b;
    register intptr_t r2 __asm("r2") = c;
    register intptr_t r3 __asm("r3") = d;
#endif
    __asm volatile("svc #0" : "+r"(r0) : "r"(n), "r"(r1), "r"(r2), "r"(r3) : "memory", "cc");
    return r0;
}

int32_t sh_open(const char *name, int32_t mode) {
    const intptr_t flags = mode == SH_WRITE_BINARY ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    const intptr_t file = call(OPENAT, AT_FDCWD, (intptr_t)name, flags, ALL_MAY_READ);
    return file < 0 ? -1 : (int32_t)file;
}

int32_t sh_seek(int32_t file, int32_t offset) {
    return call(LSEEK, file, offset, 0, 0) == offset ? 0 : -1;
}

/* Repeats a call that may transfer a part; returns the bytes not transferred. */
static int32_t transfer(intptr_t number, int32_t file, intptr_t buffer, int32_t bytes) {
    while (bytes > 0) {
        const intptr_t done = call(number, file, buffer, bytes, 0);
        if (done <= 0)
            break;
        buffer += done;
        bytes -= (int32_t)done;
    }
    return bytes;
}

int32_t sh_read(int32_t file, void *buffer, int32_t bytes) {
    return transfer(READ, file, (intptr_t)buffer, bytes);
}

int32_t sh_write(int32_t file, const void *buffer, int32_t bytes) {
    return transfer(WRITE, file, (intptr_t)buffer, bytes);
}

int32_t sh_close(int32_t file) {
    return call(CLOSE, file, 0, 0, 0) == 0 ? 0 : -1;
}

void sh_puts(const char *text) {
    int32_t length = 0;
    while (text[length] != '\0')
        length++;
    (void)sh_write(STDERR, text, length);
}

void sh_exit(int32_t status) {
    for (;;)
        (void)call(EXIT_GROUP, status, 0, 0, 0);
}
