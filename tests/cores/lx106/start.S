/*
 * Start-up for lx106 in QEMU's `sim` machine, which resets to 0x50000000 whatever the image says, and the
 * calls to the simulator. A trap ends the program with status 64 + EXCCAUSE: an unaligned access is 73.
 */
    .section .reset, "ax"
    .global _reset
_reset:
    j       1f
    .align  4
9:  .word   _start              /* l32r reaches backward only */
1:  l32r    a0, 9b
    jx      a0

    .section .vectors, "ax"     /* VECBASE */
    .macro  trap offset
    .org    \offset
    rsr     a3, exccause
    addi    a3, a3, 64
    movi    a2, 1               /* SYS_exit */
    simcall
    .endm
    .org    0
    trap    0x30                /* kernel, user and double exception */
    trap    0x50
    trap    0x70

    .section .text.start, "ax"
    .global _start
    .align  4
_start:
    movi    a1, __stack_top
    movi    a2, 0x20            /* PS: user mode, no exception, all interrupts */
    wsr     a2, ps
    rsync
    movi    a2, __bss_start
    movi    a3, __bss_end
    movi    a4, 0
1:  bgeu    a2, a3, 2f
    s32i    a4, a2, 0
    addi    a2, a2, 4
    j       1b
2:  call0   main
    call0   sim_exit

    .section .text.sim, "ax"
    .global sim_exit
    .align  4
sim_exit:                       /* (status) */
    mov     a3, a2
    movi    a2, 1
    simcall
1:  j       1b

    .global sim_read
    .align  4
sim_read:                       /* (file, bytes, len): how many, or -1 */
    mov     a5, a4
    mov     a4, a3
    mov     a3, a2
    movi    a2, 3
    simcall
    ret

    .global sim_write
    .align  4
sim_write:                      /* likewise */
    mov     a5, a4
    mov     a4, a3
    mov     a3, a2
    movi    a2, 4
    simcall
    ret
