/*
 * SHA-256's compression of a block (FIPS 180-4 6.2.2) for AVR: a table says what a round does, and few
 * instructions do it, in half of the flash that a compiler needs for crypto_tiny_sha256.c.
 */
#include "provider.h"

#if BULLA_WITH_TINY && defined(__AVR__)

#include "crypto_tiny.h"

#include <string.h>

/* Where a word stands, in bytes from the array's begin on. */
#define W(i) (4 * (i))
#define NEXT W(16)
#define H    W(TINY_SHA256_H)
#define G    (H + 4)
#define E    (H + 12)
#define D    (H + 16)
#define C    (H + 20)
#define A    (H + 28)
#define SUM  (H + 32)

/* What a step adds to a word. */
#define WORD     0 /* another word */
#define TURNED   3 /* it, after so many turns */
#define CHOICE   4 /* of it and the two above it what the uppermost chooses */
#define MAJORITY 5 /* or their majority; odd, which tells it apart */

/* A step: the word where it begins, what it adds, and to which word. A word is turned so: first shifted to
 * the right, then turned to the right by a, XORed with what it was, turned by b, XORed likewise, turned by c.
 */
#define ADD(from, what, to)                  from, what, to
#define ADD_TURNED(from, shift, a, b, c, to) from, TURNED, shift, a, b, c, to

/* A round. The sum begins as its constant, and the next word of the schedule as the first. */
static const uint8_t steps[] TINY_ROM = {
    ADD(W(0), WORD, SUM),
    ADD(H, WORD, SUM),
    ADD(G, CHOICE, SUM),
    ADD_TURNED(E, 0, 14, 5, 6, SUM), /* by 6, 11 and 25 */
    ADD(W(9), WORD, NEXT),
    ADD_TURNED(W(1), 3, 14, 11, 7, NEXT),    /* by 7 and 18 */
    ADD_TURNED(W(14), 10, 15, 30, 19, NEXT), /* by 17 and 19 */
    ADD(SUM, WORD, D),
    ADD(C, MAJORITY, SUM),
    ADD_TURNED(A, 0, 21, 23, 22, SUM), /* by 2, 13 and 22 */
};

/* Begins a round. Returns where its constant ends. */
static const uint8_t *begin_round(uint32_t *v, const uint8_t *constant)
{
    uint8_t count;

    __asm__ volatile("    ldi  %[count], 4\n"
                     "1:  ld   r0, X\n"
                     "    subi r26, lo8(-%[next])\n"
                     "    sbci r27, hi8(-%[next])\n"
                     "    st   X, r0\n"
                     "    lpm  r0, Z+\n"
                     "    adiw r26, %[sum] - %[next]\n"
                     "    st   X, r0\n"
                     "    subi r26, lo8(%[sum] - 1)\n"
                     "    sbci r27, hi8(%[sum] - 1)\n"
                     "    dec  %[count]\n"
                     "    brne 1b\n"
                     : [count] "=&d"(count), "+x"(v), "+z"(constant)
                     : [next] "i"(NEXT), [sum] "i"(SUM)
                     : "memory");
    return constant;
}

/* Takes the steps. */
static void walk(uint32_t *v)
{
    const uint8_t *step = steps;
    uint32_t word;
    uint32_t was; /* and for a choice its first byte */
    uint8_t what;
    uint8_t count;

    __asm__ volatile("1:  lpm  r0, Z+\n"
                     "    movw r26, %[v]\n"
                     "    add  r26, r0\n"
                     "    adc  r27, r1\n"
                     "    ld   %A[word], X+\n"
                     "    ld   %B[word], X+\n"
                     "    ld   %C[word], X+\n"
                     "    ld   %D[word], X+\n"
                     "    lpm  %[what], Z+\n"
                     "    cpi  %[what], %[turned]\n"
                     "    brlo 9f\n"
                     "    breq 3f\n"

                     /* Choice or majority: a byte, and the next one becomes the lowest. */
                     "    ldi  %[count], 4\n"
                     "2:  ld   %A[was], X\n"
                     "    eor  %A[was], %A[word]\n"
                     "    adiw r26, 4\n"
                     "    ld   r0, X\n"
                     "    sbiw r26, 3\n"
                     "    sbrc %[what], 0\n"
                     "    eor  r0, %A[word]\n"
                     "    and  %A[was], r0\n"
                     "    eor  %A[was], %A[word]\n"
                     "    mov  %A[word], %B[word]\n"
                     "    mov  %B[word], %C[word]\n"
                     "    mov  %C[word], %D[word]\n"
                     "    mov  %D[word], %A[was]\n"
                     "    dec  %[count]\n"
                     "    brne 2b\n"
                     "    rjmp 9f\n"

                     /* The shift. */
                     "3:  movw %A[was], %A[word]\n"
                     "    movw %C[was], %C[word]\n"
                     "    lpm  %[count], Z+\n"
                     "    rjmp 5f\n"
                     "4:  lsr  %D[word]\n"
                     "    ror  %C[word]\n"
                     "    ror  %B[word]\n"
                     "    ror  %A[word]\n"
                     "5:  dec  %[count]\n"
                     "    brpl 4b\n"
                     "    rjmp 7f\n"

                     /* The turns: by bytes, beyond what is asked for, then back by bits. */
                     "6:  eor  %A[word], %A[was]\n"
                     "    eor  %B[word], %B[was]\n"
                     "    eor  %C[word], %C[was]\n"
                     "    eor  %D[word], %D[was]\n"
                     "7:  lpm  %[count], Z+\n"
                     "8:  mov  r0, %A[word]\n"
                     "    mov  %A[word], %B[word]\n"
                     "    mov  %B[word], %C[word]\n"
                     "    mov  %C[word], %D[word]\n"
                     "    mov  %D[word], r0\n"
                     "    subi %[count], 8\n"
                     "    brsh 8b\n"
                     "8:  lsl  %A[word]\n"
                     "    rol  %B[word]\n"
                     "    rol  %C[word]\n"
                     "    rol  %D[word]\n"
                     "    adc  %A[word], r1\n"
                     "    inc  %[count]\n"
                     "    brne 8b\n"
                     "    dec  %[what]\n"
                     "    brne 6b\n"

                     /* The sum. */
                     "9:  lpm  r0, Z+\n"
                     "    movw r26, %[v]\n"
                     "    add  r26, r0\n"
                     "    adc  r27, r1\n"
                     "    ld   r0, X\n"
                     "    add  r0, %A[word]\n"
                     "    st   X+, r0\n"
                     "    ld   r0, X\n"
                     "    adc  r0, %B[word]\n"
                     "    st   X+, r0\n"
                     "    ld   r0, X\n"
                     "    adc  r0, %C[word]\n"
                     "    st   X+, r0\n"
                     "    ld   r0, X\n"
                     "    adc  r0, %D[word]\n"
                     "    st   X, r0\n"
                     "    cpi  r30, lo8(%[end])\n"
                     "    breq 1f\n"
                     "    rjmp 1b\n"
                     "1:\n"
                     : [word] "=&r"(word), [was] "=&r"(was), [what] "=&d"(what), [count] "=&d"(count),
                       "+z"(step)
                     : [v] "r"(v), [turned] "M"(TURNED), [end] "i"(steps + sizeof(steps))
                     : "r26", "r27", "memory");
}

/* Every word to the place before it. */
static void move_on(uint32_t *v)
{
    uint8_t count;

    __asm__ volatile("    ldi  %[count], %[words]\n"
                     "1:  ldd  r0, Z+4\n"
                     "    st   Z+, r0\n"
                     "    ldd  r0, Z+4\n"
                     "    st   Z+, r0\n"
                     "    ldd  r0, Z+4\n"
                     "    st   Z+, r0\n"
                     "    ldd  r0, Z+4\n"
                     "    st   Z+, r0\n"
                     "    dec  %[count]\n"
                     "    brne 1b\n"
                     : [count] "=&d"(count), "+z"(v)
                     : [words] "M"(TINY_SHA256_WORDS - 1)
                     : "memory");
}

void bulla_tiny_sha256_block(struct bulla_tiny_sha256 *hash)
{
    const uint8_t *constant = (const uint8_t *)bulla_tiny_sha256_constants;
    const uint8_t *end = constant + sizeof(bulla_tiny_sha256_constants);
    uint32_t *v = hash->v;

    memcpy(v + TINY_SHA256_H, hash->state, TINY_SHA256_SIZE);
    do {
        constant = begin_round(v, constant);
        walk(v);
        move_on(v);
    } while (constant != end);
    for (uint8_t i = 0; i < 8; i++)
        hash->state[i] += v[TINY_SHA256_H + i];
}

#endif
