/* One table says of each key where its value lives, what is allowed, what it is without the file,
 * and why one would change it. */
#include "node/config/config_keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/api/client.h"
#include "node/trust/cert.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define PIB (1024 * TIB)

#define FIELD(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)

const struct config_key config_keys[] = {
    {"name", TYPE_NAME, FIELD(name), 0, 0, NULL,
     "What people call this node. It goes into the request for its certificate; from then on the\n"
     "certificate says it. Default: this machine's host name."},
    {"zone", TYPE_NAME, FIELD(zone), 0, 0, "auto",
     "What fails together with this node: a room, a house, a power supply. Fragments of one pack\n"
     "are spread over zones. It goes into the request for the certificate too. With auto, a\n"
     "host and its containers are one zone, and so are all VMs of one network, since any of\n"
     "them may share a host; every other machine is its own (see `ecbakd --print-zone`).\n"
     "Say it where machines share a room, or where it is known on which host a VM runs."},
    {"data_dir", TYPE_PATH, FIELD(data_dir), 0, 0, "/var/lib/ecbak/data",
     "Where fragments and records of others are kept. Made by `ecbakd --init`; when it is missing\n"
     "or another node's, storage is out of service until it is back."},
    {"capacity", TYPE_SIZE, FIELD(capacity_bytes), 16 * MIB, 1024 * PIB, "100G",
     "How much of data_dir's disk others may fill. Also this node's weight in placement: a node\n"
     "that offers twice as much gets twice as many fragments."},
    {"sponsor_share", TYPE_COUNT, FIELD(sponsor_share), 1, 100, "5",
     "How many percent of the capacity the snapshot records and pins may take that one other node\n"
     "brings here: they come without fragments, and every node keeps every record. More makes\n"
     "room for a node that stores very often (a record takes 4 KiB or more), less bounds what a\n"
     "node that misbehaves can fill."},
    {"key_file", TYPE_PATH, FIELD(key_file), 0, 0, "/var/lib/ecbak/node.key",
     "This node's secret keys (made by `ecbakd --init`, mode 0600; never leaves the machine)."},
    {"certificate_file", TYPE_PATH, FIELD(certificate_file), 0, 0, "/etc/ecbak/node.cert",
     "The line that `ecbak authority sign` printed for this node."},
    {"authority_file", TYPE_PATH, FIELD(authority_file), 0, 0, "/etc/ecbak/authority.pub",
     "The public key of the cluster's authority: who is let in."},
    {"listen_address", TYPE_HOST, FIELD(listen_address), 0, 0, "0.0.0.0",
     "Address to listen at for other nodes, in digits."},
    {"advertise_address", TYPE_HOST, FIELD(advertise_address), 0, 0, "",
     "Address at which other nodes reach this one. Empty: listen_address. To be set when\n"
     "listen_address is 0.0.0.0 and there are other machines. Of a name, others are told the "
     "address\n"
     "that it has here, and when that changes."},
    {"member_port", TYPE_PORT, FIELD(member_port), 1, 65535, "7411",
     "TCP port for membership (pings, gossip)."},
    {"bulk_port", TYPE_PORT, FIELD(bulk_port), 1, 65535, "7412",
     "TCP port for fragments and records. Separate, so that bulk never delays a ping."},
    {"client_endpoint", TYPE_ENDPOINT, FIELD(client_endpoint), 0, 0, CLIENT_SOCKET_DEFAULT,
     "Socket for commands on this machine; who may open it may use the node."},
    {"profile", TYPE_PROFILE, FIELD(profile), 0, 0, "lan",
     "How patient failure detection is. local: one machine; lan: some seconds; wan: slower links,\n"
     "fewer messages. The same on all nodes."},
    {"client_jobs", TYPE_COUNT, FIELD(client_jobs), 1, 64, "4",
     "Requests of commands worked on at once. Each may hold a pack and its fragments in memory,\n"
     "about 50 MiB."},
    {"peer_jobs", TYPE_COUNT, FIELD(peer_jobs), 1, 64, "3",
     "Requests of other nodes worked on at once. Each may hold one fragment in memory."},
    {"members_max", TYPE_COUNT, FIELD(members_max), 2, 100000, "1000",
     "Members that this node is willing to know. Bounds its memory."},
    {"connections_max", TYPE_COUNT, FIELD(connections_max), 8, 4096, "64",
     "Connections for membership that this node makes and keeps open, whatever the size of the\n"
     "cluster; the least recently used one gives way. Each takes a file descriptor and about 40 "
     "KiB\n"
     "on both sides; one that was given up costs a handshake (2.1 KB) when it is needed again."},
};
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) == CONFIG_KEYS, "the header counts");

/* ---- values ---- */

const char *config_key_allowed(const struct config_key *key, char text[CONFIG_ALLOWED_MAX])
{
    switch (key->type) {
    case TYPE_NAME:
        return "1 to 31 of A-Z a-z 0-9 . _ -";
    case TYPE_PATH:
        return "an absolute path";
    case TYPE_HOST:
        return "an address or host name of at most 63 characters";
    case TYPE_ENDPOINT:
        return "ipc:// and an absolute path of at most 107 characters";
    case TYPE_PROFILE:
        return "lan, wan or local";
    case TYPE_SIZE:
        snprintf(text, CONFIG_ALLOWED_MAX,
                 "%" PRIu64 "M to %" PRIu64 "P (bytes, or with K, M, G, T, P: 1024 each)",
                 key->min / (uint64_t)MIB, key->max / (uint64_t)PIB);
        return text;
    case TYPE_PORT:
    case TYPE_COUNT:
        break;
    }
    snprintf(text, CONFIG_ALLOWED_MAX, "%" PRIu64 " to %" PRIu64, key->min, key->max);
    return text;
}

bool config_read_number(const char *text, bool suffix, uint64_t *value)
{
    static const char suffixes[] = "KMGTP";
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    if (at == text)
        return false;
    const char *found = suffix && *at != '\0' ? strchr(suffixes, *at) : NULL;
    if (found != NULL) {
        for (const char *step = suffixes; step <= found; step++)
            if (__builtin_mul_overflow(number, KIB, &number))
                return false;
        at++;
    }
    *value = number;
    return *at == '\0';
}

bool config_is_host(const char *text)
{
    static const char characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    return text[strspn(text, characters)] == '\0';
}

static bool is_text_allowed(const struct config_key *key, const char *text)
{
    switch (key->type) {
    case TYPE_NAME:
        return cert_name_valid(text);
    case TYPE_PATH:
        return text[0] == '/';
    case TYPE_HOST: /* empty only where it means something */
        return config_is_host(text) && (text[0] != '\0' || key->standard[0] == '\0');
    case TYPE_ENDPOINT:
        return strncmp(text, "ipc:///", 7) == 0 && strlen(text) <= 6 + 107;
    case TYPE_PROFILE:
        return strcmp(text, "lan") == 0 || strcmp(text, "wan") == 0 || strcmp(text, "local") == 0;
    default:
        return false;
    }
}

bool config_key_set(struct config *config, const struct config_key *key, const char *text)
{
    char *field = (char *)config + key->offset;
    uint64_t number;
    if (key->type < TYPE_PORT) {
        if (strlen(text) >= key->size || !is_text_allowed(key, text))
            return false;
        memset(field, 0, key->size);
        memcpy(field, text, strlen(text));
        return true;
    }
    if (!config_read_number(text, key->type == TYPE_SIZE, &number) || number < key->min ||
        number > key->max)
        return false;
    assert(key->size == (key->type == TYPE_PORT    ? sizeof(uint16_t)
                         : key->type == TYPE_COUNT ? sizeof(uint32_t)
                                                   : sizeof(uint64_t)));
    if (key->type == TYPE_PORT)
        memcpy(field, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
    else if (key->type == TYPE_COUNT)
        memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    else
        memcpy(field, &number, sizeof(number));
    return true;
}
