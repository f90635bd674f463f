/* The functions a freestanding compiler may call on its own account. Whole words where both ends
   are aligned (v6-M has no unaligned access). The empty asm statements keep the loops from being
   recognised and turned back into calls of themselves. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    unsigned char *d = to;
    const unsigned char *s = from;
    if ((((uintptr_t)d | (uintptr_t)s) & 3) == 0) {
        for (; bytes >= 4; bytes -= 4, d += 4, s += 4) {
            *(uint32_t *)(void *)d = *(const uint32_t *)(const void *)s;
            __asm volatile("" ::: "memory");
        }
    }
    while (bytes-- > 0) {
        *d++ = *s++;
        __asm volatile("" ::: "memory");
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    unsigned char *d = to;
    const unsigned char *s = from;
    if ((uintptr_t)d <= (uintptr_t)s)
        return memcpy(to, from, bytes);
    while (bytes-- > 0) {
        d[bytes] = s[bytes];
        __asm volatile("" ::: "memory");
    }
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    unsigned char *d = to;
    while (bytes-- > 0) {
        *d++ = (unsigned char)value;
        __asm volatile("" ::: "memory");
    }
    return to;
}
