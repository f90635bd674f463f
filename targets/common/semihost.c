/* Files, console and exit through semihosting calls. */
#include "semihost.h"

#include "semihost_call.h"

enum { APPLICATION_EXIT = 0x20026 };

static uint32_t length(const char *text) {
    uint32_t n = 0;
    while (text[n] != '\0')
        n++;
    return n;
}

int32_t sh_open(const char *name, int32_t mode) {
    const uint32_t arguments[3] = {semihost_address(name), (uint32_t)mode, length(name)};
    return semihost_call(SYS_OPEN, arguments);
}

int32_t sh_seek(int32_t file, int32_t offset) {
    const uint32_t arguments[2] = {(uint32_t)file, (uint32_t)offset};
    return semihost_call(SYS_SEEK, arguments);
}

int32_t sh_read(int32_t file, void *buffer, int32_t bytes) {
    const uint32_t arguments[3] = {(uint32_t)file, semihost_address(buffer), (uint32_t)bytes};
    return semihost_call(SYS_READ, arguments);
}

int32_t sh_write(int32_t file, const void *buffer, int32_t bytes) {
    const uint32_t arguments[3] = {(uint32_t)file, semihost_address(buffer), (uint32_t)bytes};
    return semihost_call(SYS_WRITE, arguments);
}

int32_t sh_close(int32_t file) {
    const uint32_t arguments[1] = {(uint32_t)file};
    return semihost_call(SYS_CLOSE, arguments);
}

void sh_puts(const char *text) {
    (void)semihost_call(SYS_WRITE0, text);
}

/* Plain SYS_EXIT cannot carry a status on a 32-bit core; the extended call can. */
void sh_exit(int32_t status) {
    const uint32_t arguments[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;)
        (void)semihost_call(SYS_EXIT_EXTENDED, arguments);
}
