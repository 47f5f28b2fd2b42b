/* Objects whose rows, shape and losses the input picks: decoding either gives the pack that was coded or
 * an error, and with only honest rows, k of them, always the pack. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding/fragment_bundle.h"
#include "test/fragment_set.h"

#define PACK_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct fragment_set *set, const struct object_row rows[], bool honest,
                   unsigned have, const uint8_t *pack, size_t pack_size)
{
    struct err err = ERR_INIT;
    const struct object_shape *shape = &set->object.shape;
    uint8_t *out = malloc(object_pack_room(shape));
    assert(out != NULL);
    int result = object_decode(&set->object, rows, out, &err);
    if (result == 0)
        assert(memcmp(out, pack, pack_size) == 0);
    else
        assert(err.code != ERR_NONE);
    assert(result == 0 || !honest || have < shape->k);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct object_shape shape;
    struct fragment_set set;
    struct object_row rows[RS_TOTAL_MAX] = {{NULL, NULL}};
    uint8_t pack[PACK_MAX] = {0}, *rebuilt = NULL;
    if (size < 12 || rs_setup(&err) != 0)
        return 0;
    unsigned k = data[0] % 12 + 1, m = data[1] % 12 + 1;
    size_t pack_size = (data[2] | (size_t)data[3] << 8) % PACK_MAX;
    uint32_t lost = data[4] | (uint32_t)data[5] << 8 | (uint32_t)data[6] << 16;
    memcpy(pack, data + 12, size - 12 < pack_size ? size - 12 : pack_size);
    if (object_shape_of(&shape, pack_size, k, m, &err) != 0 ||
        fragment_set_encode_as(&set, &shape, pack, &err) != 0)
        abort();
    unsigned have = 0;
    bool honest = true;
    for (unsigned i = 0; i < set.count; i++) {
        struct fragment fragment;
        if (fragment_parse(&fragment, set.bytes[i], set.size, &err) != 0)
            abort();
        if (lost >> i & 1)
            continue;
        have++;
        rows[i].bytes = fragment.row;
        if (data[7] & 1)
            rows[i].leaves = fragment.leaves;
        if ((data[7] & 2) && data[8] % (k + m) == i) {
            honest = false;
            rows[i].leaves = NULL;
            set.bytes[i][fragment.row - set.bytes[i] + data[9] % 64] ^= data[10];
        }
    }
    decode(&set, rows, honest, have, pack, pack_size);
    unsigned index = data[11] % (k + m);
    if (fragment_rebuild(&set.object, rows, index, &rebuilt, &err) == 0) {
        struct fragment fragment;
        if (fragment_parse(&fragment, rebuilt, set.size, &err) != 0 ||
            fragment_verify(&fragment, &err) != 0)
            abort();
        free(rebuilt);
    }
    fragment_set_release(&set);
    return 0;
}
