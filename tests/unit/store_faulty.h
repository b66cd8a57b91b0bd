/*
 * A store whose n-th call fails, whichever it is.
 */
#ifndef STORE_FAULTY_H
#define STORE_FAULTY_H

#include "store_fixture.h"

struct faulty_store {
    struct store store; /* first */
    struct store *inner;
    unsigned calls;   /* so far */
    unsigned fail_in; /* 1: the next call fails; 0: none does */
    bool after;       /* it is carried out all the same */
};

#endif
