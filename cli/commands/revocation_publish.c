/* Two commands publish: the one that signs, and the one that is given what was signed elsewhere. */
#include "cli/commands/revocation_publish.h"

#include "cli/ui/output.h"

int revocation_publish(struct client *client, const struct revocation *r, bool *known,
                       struct err *err)
{
    uint8_t bytes[REVOCATION_BYTES];
    return revocation_encode(r, bytes, err) == 0
               ? client_revoke(client, bytes, sizeof(bytes), known, err)
               : -1;
}

json_t *revocation_json(const struct revocation *r, const char *armor)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_text(r->name));
    json_object_set_new(object, "node", json_hex(r->node.bytes, ID_SIZE));
    json_object_set_new(object, "cluster", json_hex(r->cluster.bytes, ID_SIZE));
    json_object_set_new(object, "serial", json_integer((json_int_t)r->serial));
    json_object_set_new(object, "at", json_time(r->at_s, 0, 0));
    json_object_set_new(object, "reason", json_text(r->reason));
    if (armor != NULL)
        json_object_set_new(object, "revocation", json_text(armor));
    return object;
}
