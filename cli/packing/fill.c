#include "cli/packing/fill.h"

void fill_init(struct fill *fill, enum pack_kind kind, const struct sender_options *send,
               struct sender **sender)
{
    *fill = (struct fill){.kind = kind, .send = send, .sender = sender, .pack = NO_PACK};
    fill->pack_bytes = sender_pack_bytes(send->data, send->parity);
    pthread_mutex_init(&fill->lock, NULL);
}

void fill_release(struct fill *fill)
{
    if (fill->writer != NULL)
        pack_writer_destroy(&fill->writer);
    pthread_mutex_destroy(&fill->lock);
}

static int end_pack(const struct fill *fill, struct pack_writer *writer, uint32_t pack,
                    struct err *err)
{
    struct sealed_pack sealed;
    pack_writer_finish(&writer, &sealed);
    places_set_id(fill->send->places, pack, &sealed.id);
    return sender_put(*fill->sender, &sealed, err);
}

int fill_add(struct fill *fill, const struct segment *segment, uint32_t place, struct err *err)
{
    struct pack_writer *full = NULL;
    uint32_t full_pack = NO_PACK;
    pthread_mutex_lock(&fill->lock);
    if (fill->writer != NULL && !pack_writer_has_room(fill->writer, segment)) {
        full = fill->writer;
        full_pack = fill->pack;
        fill->writer = NULL;
    }
    int result = 0;
    if (fill->writer == NULL) {
        result = pack_writer_new(&fill->writer, fill->kind, fill->pack_bytes,
                                 fill->send->vault->keys, err);
        fill->pack = places_new_pack(fill->send->places);
    }
    if (result == 0)
        result = pack_writer_add(fill->writer, segment, err);
    places_set_pack(fill->send->places, place, fill->pack);
    pthread_mutex_unlock(&fill->lock);
    if (full != NULL && end_pack(fill, full, full_pack, err) != 0)
        result = -1;
    return result;
}

int fill_end(struct fill *fill, struct err *err)
{
    struct pack_writer *writer = fill->writer;
    fill->writer = NULL;
    return writer != NULL ? end_pack(fill, writer, fill->pack, err) : 0;
}
