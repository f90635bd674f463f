/* The first instructions after reset and after a trap; the rest is startup.c. */
    .option arch, +zicsr
    .section .vectors, "ax", %progbits
    .globl reset_handler
    .type reset_handler, %function
reset_handler:
    la sp, stack_top
    andi sp, sp, -16 /* as the calling convention wants it */
    la t0, trap
    csrw mtvec, t0
    j start
    .size reset_handler, . - reset_handler

/* Reports on a fresh stack: the old one may be what is broken. */
    .balign 4
trap:
    csrr a0, mepc
    csrr a1, mcause
    csrr a2, mtval
    la sp, stack_top
    andi sp, sp, -16
    j report_fault
