/* What is signed is opened here, and counted when it is refused; the store has the rest. */
#include "node/store/local.h"
#include "node/trust/grant.h"
#include "node/trust/record.h"
#include "node/trust/writer_cert.h"

int local_put_fragment(const struct local *local, const struct fragment_to_put *put,
                       struct grant *grant, struct err *err)
{
    struct opened_grant opened;
    if (put->grant_size > GRANT_BYTES_MAX ||
        grant_open(&opened.grant, &opened.writer, put->grant, put->grant_size,
                   local->authority_public, err) != 0) {
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
        if (put->grant_size > GRANT_BYTES_MAX)
            return err_set(err, ERR_FORMAT, "a grant of %zu bytes", put->grant_size);
        return err_context(err, "grant");
    }
    if (put->pin != NULL && !id_equal(&opened.grant.vault, &put->pin->vault)) {
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
        return err_set(err, ERR_DENIED, "the grant is of another vault than the pin");
    }
    int result = store_put_fragment(local->store, put, &opened, err);
    if (result != 0 && (err->code == ERR_DENIED || err->code == ERR_FOREIGN))
        count_one(local->counters, COUNTED_GRANTS_REFUSED);
    if (result == 0 && grant != NULL)
        *grant = opened.grant;
    return result;
}

int local_put_record(const struct local *local, const uint8_t *record, size_t size, struct err *err)
{
    struct record opened;
    struct writer_cert writer;
    if (size > RECORD_BYTES_MAX ||
        record_open(&opened, &writer, record, size, &local->cluster, err) != 0) {
        count_one(local->counters, COUNTED_RECORDS_REFUSED);
        if (size > RECORD_BYTES_MAX)
            return err_set(err, ERR_FORMAT, "a record of %zu bytes", size);
        return err_context(err, "record");
    }
    int result = store_put_record(local->store, record, size, &opened, err);
    record_release(&opened);
    return result;
}
