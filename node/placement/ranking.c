/* A data row that is missing costs some milliseconds of decoding: among holders that are about
 * equally far away, data rows go before parity rows. */
#include "node/placement/ranking.h"

#define NEAR_MS   2  /* round trips below are all alike */
#define DISTANCES 16 /* classes of round trips, each twice as long as the one before */

/* Distances that differ by less than a factor of two are one, and so are all within a site: noise
 * must not send every node to the same few holders. Who was never measured counts as near. */
static int distance_class(double rtt_ms)
{
    int distance = 0;
    for (double limit_ms = NEAR_MS; rtt_ms >= limit_ms && distance < DISTANCES - 1; limit_ms *= 2)
        distance++;
    return distance;
}

int ranking(enum standing standing, double rtt_ms, bool parity)
{
    int distance = standing == STANDING_SELF ? 0 : distance_class(rtt_ms);
    return ((int)standing * DISTANCES + distance) * 2 + parity;
}
