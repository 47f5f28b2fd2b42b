/* What statements share that carry their writer's certificate. */
#ifndef ECBAK_NODE_TRUST_WRITER_CERT_INTERNAL_H
#define ECBAK_NODE_TRUST_WRITER_CERT_INTERNAL_H

#include "node/trust/envelope.h"
#include "node/trust/writer_cert.h"

/* Opens the certificate of a statement whose envelope is open already. */
int writer_cert_check(struct writer_cert *c, const Ecbak__Signed *envelope,
                      struct err *err) MUST_CHECK;
/* The certificate is of this vault and this writer, and lets it add. */
int writer_cert_covers(const struct writer_cert *c, const struct vault_id *vault,
                       const struct writer_id *writer, const char *what,
                       struct err *err) MUST_CHECK;
int statement_check_cluster(const struct cluster_id *claimed, const struct cluster_id *cluster,
                            const char *what, struct err *err) MUST_CHECK;
/* What goes along with each of the signer's statements; NULL on error. */
Ecbak__Signed *signer_certificate(const struct signer *signer, struct err *err);

#endif
