/* Second boot stage of RP2040. Its ROM copies the first 256 bytes of flash to the end of SRAM,
   checks their CRC and runs them there. They set the flash interface to read with command 03h, which
   every serial flash knows, and start the firmware whose vector table lies behind them.
   From the RP2040 datasheet: Flash Second Stage (CRC), SSI and M0PLUS (registers). */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .equ SSI_CTRLR0, 0x00
    .equ SSI_CTRLR1, 0x04
    .equ SSI_SSIENR, 0x08
    .equ SSI_BAUDR, 0x14
    .equ CLOCK_DIVIDER, 4 /* even; 200 MHz / 4 are the 50 MHz of 03h on a W25Q16JV */

    .section .boot, "ax", %progbits
    .balign 4
boot:
    ldr r0, ssi_base
    movs r1, #0
    str r1, [r0, #SSI_SSIENR] /* off, so that it can be changed */
    movs r2, #CLOCK_DIVIDER
    str r2, [r0, #SSI_BAUDR]
    ldr r2, ctrlr0
    str r2, [r0, #SSI_CTRLR0]
    str r1, [r0, #SSI_CTRLR1] /* one word per read */
    ldr r3, spi_ctrlr0_register
    ldr r2, spi_ctrlr0
    str r2, [r3]
    movs r1, #1
    str r1, [r0, #SSI_SSIENR]
    ldr r0, vectors
    ldr r1, vtor
    str r0, [r1]
    ldmia r0!, {r1, r2}
    msr msp, r1
    bx r2

    .balign 4
ssi_base: .word 0x18000000
ctrlr0: .word (31 << 16) | (3 << 8) /* frames of 32 bits; send command and address, then read */
spi_ctrlr0_register: .word 0x180000F4
spi_ctrlr0: .word (0x03 << 24) | (2 << 8) | (6 << 2) /* command of 8 bits, address of 24 bits */
vectors: .word 0x10000100
vtor: .word 0xE000ED08

    .space 252 - (. - boot)
    .word 0x8087786D /* CRC-32 of the 252 bytes: 0x04C11DB7, from all ones, not reflected */
