/* serve_peer_parts.h - an answer to another node while it is made: the inside of serve_peer.h.
 *
 *   Memory   everything that the reply borrows lives in one struct reply_parts, and is freed after
 *            packing; the payload goes to the transport
 */
#ifndef ECBAK_NODE_SERVICE_SERVE_PEER_PARTS_H
#define ECBAK_NODE_SERVICE_SERVE_PEER_PARTS_H

#include "node/service/peer.pb-c.h"
#include "node/service/serve_peer.h"

struct reply_parts {
    Ecbak__PeerReply reply;
    Ecbak__PutFragmentReply put;
    Ecbak__LocateReply locate;
    Ecbak__PinReply pin;
    Ecbak__RecordDigestReply digest;
    Ecbak__ListRecordsReply list;
    Ecbak__GetGrantReply grant;
    Ecbak__ListRevocationsReply revocations;
    Ecbak__Revoked *revoked;
    Ecbak__Revoked **revoked_list;
    char (*revoked_bulk)[REVOCATION_ADDRESS_SIZE];
    struct fragment_info *found;
    Ecbak__FragmentAt *at;
    Ecbak__FragmentAt **at_list;
    struct holders *holders;
    ProtobufCBinaryData *views;
    uint8_t *bytes;
    struct payload payload;
};

void serve_free_payload(void *bytes, void *hint);

int serve_record_digest(const struct holder *holder, struct reply_parts *parts,
                        struct err *err) MUST_CHECK;
int serve_list_records(const struct holder *holder, const Ecbak__ListRecords *request,
                       struct reply_parts *parts, struct err *err) MUST_CHECK;
void serve_list_revocations(const struct holder *holder, struct reply_parts *parts);
int serve_get_record(const struct holder *holder, const Ecbak__GetRecord *request,
                     struct reply_parts *parts, struct err *err) MUST_CHECK;

#endif
