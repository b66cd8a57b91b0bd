/* What the firmware says in GPIOR1. */
#ifndef BULLA_TEST_AVR_COUNTER_H
#define BULLA_TEST_AVR_COUNTER_H

#define AVR_OPENED  1
#define AVR_SEALED  2 /* the number was written to GPIOR0 before */
#define AVR_REFUSED 3
#define AVR_FAILED  4

#endif
