/* Image definition that the boot ROM of RP2350 looks for in the first 4 KB of an image (RP2350
   datasheet, Minimum viable image metadata): a loop of one block that says "Arm executable,
   secure". The ROM then starts from the vector table at the beginning of flash. */
#include <stdint.h>

enum {
    LAST_ITEM = 0x000001FF, /* ends the items: one word of them */
    IMAGE_TYPE = 0x10210142 /* item 0x42 of one word; EXE 1, secure 2 << 4, Arm 0, RP2350 1 << 12 */
};

__attribute__((section(".image_def"), used)) static const uint32_t image_definition[5] = {
    0xFFFFDED3u, IMAGE_TYPE, LAST_ITEM, 0 /* the next block is this one */, 0xAB123579u,
};
