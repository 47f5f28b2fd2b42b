/* What is written down stays within the certificate's dates: clock.h says why. */
#include "node/chores/dates.h"

#include "node/base/date_file.h"
#include "node/base/log.h"

void dates_write_down(struct date_floor *floor, struct store *store, const char *data_dir,
                      int64_t step_s)
{
    struct err err = ERR_INIT;
    if (store_check(store, &err) != 0 || !date_floor_see(floor, wall_s(), step_s))
        return;
    if (date_file_save(floor, data_dir, &err) != 0)
        log_warn("the date is not written down: %s", err.text);
}

void dates_warn_of_expiry(const struct cert *cert)
{
    int64_t left_s = cert->not_after_s - date_s();
    if (left_s < 0)
        log_error("this node's certificate has ended, and the others refuse it: have the request "
                  "that `ecbakd --print-request` prints signed, put the answer in its place, and "
                  "start anew");
    else if (left_s < CERT_SOON_S)
        log_warn("this node's certificate ends in %lld days: have the request that `ecbakd "
                 "--print-request` prints signed, put the answer in its place, and start anew",
                 (long long)(left_s / 86400));
}
