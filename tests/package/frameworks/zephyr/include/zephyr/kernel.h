/* A wait ends the program after 40 of them. */
#ifndef ZEPHYR_KERNEL_H
#define ZEPHYR_KERNEL_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define printk printf

static inline int32_t k_msleep(int32_t milliseconds) {
    static int waits;
    if (milliseconds != 100 || ++waits == 40)
        exit(milliseconds == 100 ? 0 : 1);
    return 0;
}
#endif
