/* The first instructions: a stack of the size that the board file reserves, so that its use can be
   measured; the rest is startup.c. */
    .section .vectors, "ax", %progbits
    .globl reset_handler
    .type reset_handler, %function
reset_handler:
#ifdef __aarch64__
    adrp x0, stack_top
    add x0, x0, :lo12:stack_top
    mov sp, x0
    b start
#else
    ldr sp, =stack_top
    b start
    .ltorg
#endif
    .size reset_handler, . - reset_handler
    .section .note.GNU-stack, "", %progbits
