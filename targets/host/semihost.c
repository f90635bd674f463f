/* semihost.h and platform.h over <stdio.h>: lets the rollout driver run as a program of the host,
   where AddressSanitizer and UndefinedBehaviorSanitizer watch the generated code. */
#include "semihost.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform.h"

enum { MAX_FILES = 4 };

static FILE *files[MAX_FILES];

int32_t sh_open(const char *name, int32_t mode) {
    for (int32_t i = 0; i < MAX_FILES; i++) {
        if (files[i] != NULL)
            continue;
        files[i] = fopen(name, mode == SH_WRITE_BINARY ? "wb" : "rb");
        return files[i] != NULL ? i : -1;
    }
    return -1;
}

int32_t sh_seek(int32_t file, int32_t offset) {
    return fseek(files[file], offset, SEEK_SET);
}

int32_t sh_read(int32_t file, void *buffer, int32_t bytes) {
    return bytes - (int32_t)fread(buffer, 1, (size_t)bytes, files[file]);
}

int32_t sh_write(int32_t file, const void *buffer, int32_t bytes) {
    return bytes - (int32_t)fwrite(buffer, 1, (size_t)bytes, files[file]);
}

int32_t sh_close(int32_t file) {
    FILE *closed = files[file];
    files[file] = NULL;
    return fclose(closed);
}

void sh_puts(const char *text) {
    (void)fputs(text, stderr);
}

void sh_exit(int32_t status) {
    exit(status);
}

int32_t platform_stack_bytes(void) {
    return -1;
}
