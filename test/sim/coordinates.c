#include "test/sim/coordinates.h"
int coordinates_run(void)
{
    return 0;
}
