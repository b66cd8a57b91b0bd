/* Start-up for Cortex-M0 and M3. A fault ends the program with status 99: an unaligned access is one on M0. */
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word   __stack_top, _start + 1
    .rept   14
    .word   fault + 1
    .endr

    .section .text.start, "ax"
    .global _start
    .thumb_func
_start:
    ldr     r0, =__data_start
    ldr     r1, =__data_end
    ldr     r2, =__data_load
1:  cmp     r0, r1
    bhs     2f
    ldr     r3, [r2]
    str     r3, [r0]
    adds    r0, #4
    adds    r2, #4
    b       1b
2:  ldr     r0, =__bss_start
    ldr     r1, =__bss_end
    movs    r2, #0
3:  cmp     r0, r1
    bhs     4f
    str     r2, [r0]
    adds    r0, #4
    b       3b
4:  bl      main
    bl      core_stop
    .thumb_func
fault:
    movs    r0, #99
    bl      core_stop
