/* What the network and the disk bring to a node's membership and transport: an envelope, a node's
 * description, the notes of the last run, the date written down. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/date_file.h"
#include "node/membership/member_notes.h"
#include "node/membership/meta.h"
#include "node/net/link_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct node_meta meta;
    struct member_notes notes;
    uint8_t bytes[META_BYTES_MAX];
    size_t encoded;
    if (meta_decode(&meta, data, size, &err) == 0 && meta_encode(&meta, bytes, &encoded, &err) != 0)
        abort(); /* what was read can be written */
    if (member_notes_decode(&notes, data, size, &err) == 0 && notes.count > MEMBER_NOTES_MAX)
        abort();
    int64_t seen_s = 0;
    if (date_file_decode(&seen_s, data, size, &err) == 0 && seen_s < 0)
        abort();
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, size) != 0)
        return 0;
    if (size > 0)
        memcpy(zmq_msg_data(&frame), data, size);
    Ecbak__LinkEnvelope *envelope = wire_envelope(&frame);
    if (envelope != NULL)
        ecbak__link_envelope__free_unpacked(envelope, NULL);
    zmq_msg_close(&frame);
    return 0;
}
