/* envelope.h - the Signed around the body of every statement (statement.proto).
 *
 * The body's bytes are what was signed, so they are never made again from their fields. The
 * envelope around them is not signed: it is only taken in the one form that packing it gives, so
 * that nobody can hang other bytes onto a statement that travels and is kept under the hash of its
 * body.
 *
 *   Errors   ERR_FORMAT, ERR_VERSION, ERR_DAMAGED (signature); ERR_INVALID too large to pack
 *   Memory   messages are protobuf-c's, released with wire_free; packed bytes with free()
 *   Threads  any
 */
#ifndef ECBAK_NODE_TRUST_ENVELOPE_H
#define ECBAK_NODE_TRUST_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"
#include "coding/base/id.h"
#include "node/trust/node_keys.h"
#include "node/trust/sign.h"
#include "node/trust/statement.pb-c.h"

/* Of grants, receipts and writer certificates; whoever changes one gives it a number of its own. */
#define STATEMENT_VERSION 1

/* Unpacks a Signed, or a message around several, of at most size_max bytes, exactly as packing it
 * gives; NULL on error. */
void *envelope_open(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                    size_t size_max, const char *what, struct err *err);
int envelope_check_signature(const Ecbak__Signed *envelope, const char *context,
                             const uint8_t key[SIGN_PUBLIC_SIZE], const char *what,
                             struct err *err) MUST_CHECK;
int envelope_check_version(uint32_t version, uint32_t known, const char *what,
                           struct err *err) MUST_CHECK;
/* The body as a message; NULL on error. Says nothing about its signature. */
void *envelope_open_body(const ProtobufCMessageDescriptor *type, const Ecbak__Signed *envelope,
                         const char *what, struct err *err);
/* Packs and signs a body. The envelope borrows `signature`; body.data is the caller's to free. */
void envelope_seal(Ecbak__Signed *envelope, uint8_t signature[SIGN_SIZE],
                   const ProtobufCMessage *body, const char *context,
                   const uint8_t secret[SIGN_SECRET_SIZE]);
/* ---- who brought it in ---- */

/* A node countersigns a body that a writer signed: its certificate and this signature go beside the
 * envelope. They are not part of what is signed, so the statement is the same whoever brings it. */
void envelope_countersign(uint8_t signature[SIGN_SIZE], const Ecbak__Signed *envelope,
                          const char *context, const struct node_keys *keys);
/* The node that countersigned: a member of the cluster of this authority, now or once (dates do not
 * matter, they are those of long ago). ERR_DENIED when nobody did, or one that the authority did not
 * certify. */
int envelope_check_countersignature(const Ecbak__Signed *envelope, const char *context,
                                    ProtobufCBinaryData certificate, ProtobufCBinaryData signature,
                                    const uint8_t authority_public[32], struct node_id *sponsor,
                                    const char *what, struct err *err) MUST_CHECK;

/* ERR_INVALID when it has more than size_max bytes. */
int envelope_pack(const ProtobufCMessage *message, size_t size_max, const char *what,
                  uint8_t **bytes, size_t *size, struct err *err) MUST_CHECK;

#endif
