/* wait_for.h - until a condition holds, with a deadline: what a test does instead of sleeping.
 *
 * Include cmocka.h first.
 */
#ifndef ECBAK_TEST_WAIT_FOR_H
#define ECBAK_TEST_WAIT_FOR_H

#include <unistd.h>

#include "node/common/clock.h"

#define WAIT_FOR_MS 15000 /* only a test that fails takes so long */

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_end_ms = monotonic_ms() + WAIT_FOR_MS;                                        \
        while (!(condition)) {                                                                     \
            if (monotonic_ms() > wait_end_ms)                                                      \
                fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);          \
            usleep(1000);                                                                          \
        }                                                                                          \
    } while (0)

#endif
