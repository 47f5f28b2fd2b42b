/* Text and append only, so that an operator can read, copy and keep the lists with what she has,
 * and no crash can take away what was there. A line that a crash cut is skipped: nothing was handed
 * out for it. */
#include "cli/admit/issuer.h"
#include "cli/base/undumpable.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "coding/base/alloc.h"
#include "coding/base/bytes.h"
#include "node/common/clock.h"
#include "node/common/durable.h"
#include "node/trust/authority.h"
#include "node/trust/node_keys.h"

#define DAY_S          86400
#define ID_PREFIX_MIN  8
#define LIST_BYTES_MAX ((size_t)ISSUER_LINES_MAX * CERT_ARMOR_MAX)

_Static_assert(CERT_ARMOR_MAX == REVOCATION_ARMOR_MAX, "one length of lines");

struct issuer {
    char dir[DURABLE_PATH_MAX - 16];
    uint8_t *secret; /* 64 bytes, sodium_malloc */
    int issued_fd, revoked_fd;
    struct cert *issued;
    size_t issued_count;
    struct revocation *revoked;
    size_t revoked_count;
};

/* ---- the lists ----------------------------------------------------------------------------- */

static bool take_issued(struct issuer *issuer, const char *line)
{
    struct cert cert;
    if (cert_unarmor(&cert, line, NULL) != 0 || cert_check(&cert, issuer->secret + 32, NULL) != 0)
        return false;
    issuer->issued = alloc_grow(issuer->issued, issuer->issued_count + 1, sizeof(*issuer->issued));
    issuer->issued[issuer->issued_count++] = cert;
    return true;
}

static bool take_revoked(struct issuer *issuer, const char *line)
{
    struct revocation r;
    if (revocation_unarmor(&r, line, NULL) != 0 ||
        revocation_check(&r, issuer->secret + 32, NULL) != 0)
        return false;
    issuer->revoked =
        alloc_grow(issuer->revoked, issuer->revoked_count + 1, sizeof(*issuer->revoked));
    issuer->revoked[issuer->revoked_count++] = r;
    return true;
}

/* Opens a list and reads it; `fd` stays open to append. Only a last line without its end may be
 * none: anything else in it was not put there by us. */
static int open_list(struct issuer *issuer, const char *name, int *fd,
                     bool (*take)(struct issuer *issuer, const char *line), struct err *err)
{
    char path[DURABLE_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", issuer->dir, name);
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*fd < 0)
        return err_errno(err, "opening %s", path);
    while (flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return err_errno(err, "locking %s", path);
    uint8_t *bytes;
    size_t size;
    if (durable_read(path, LIST_BYTES_MAX, &bytes, &size, err) != 0)
        return -1;
    int result = 0;
    size_t number = 0;
    for (size_t at = 0; at < size && result == 0;) {
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - bytes) - at : size - at;
        char line[CERT_ARMOR_MAX] = "";
        number++;
        if (length < sizeof(line))
            memcpy(line, bytes + at, length);
        if (length > 0 && end != NULL && !take(issuer, line))
            result =
                err_set(err, ERR_DAMAGED,
                        "%s: line %zu is not what the authority signed: take it out", path, number);
        at += length + 1;
    }
    if (result == 0 && size > 0 && bytes[size - 1] != '\n') {
        /* Cut by a crash: it was not handed out. */
        size_t whole = size;
        while (whole > 0 && bytes[whole - 1] != '\n')
            whole--;
        if (ftruncate(*fd, (off_t)whole) != 0)
            result = err_errno(err, "mending %s", path);
    }
    free(bytes);
    return result;
}

static int append(const struct issuer *issuer, int fd, const char *line, struct err *err)
{
    char text[CERT_ARMOR_MAX + 1];
    size_t length = (size_t)snprintf(text, sizeof(text), "%s\n", line);
    if (write(fd, text, length) != (ssize_t)length || fsync(fd) != 0)
        return err_errno(err, "writing down what was signed, in %s", issuer->dir);
    return durable_sync_dir(issuer->dir, err);
}

int issuer_open(struct issuer **issuer, const char *dir, struct err *err)
{
    undumpable_begin();
    struct issuer *i = alloc_zero(1, sizeof(*i));
    i->issued_fd = i->revoked_fd = -1;
    i->secret = sodium_malloc(64);
    int result = -1;
    if (i->secret == NULL)
        err_set(err, ERR_MEMORY, "no locked memory for the key");
    else if ((size_t)snprintf(i->dir, sizeof(i->dir), "%s", dir) >= sizeof(i->dir))
        err_set(err, ERR_INVALID, "the path \"%.64s...\" is too long", dir);
    else if (authority_load(dir, i->secret, err) == 0 &&
             open_list(i, "issued", &i->issued_fd, take_issued, err) == 0 &&
             open_list(i, "revoked", &i->revoked_fd, take_revoked, err) == 0)
        result = 0;
    if (result != 0)
        issuer_close(&i);
    *issuer = i;
    return result;
}

void issuer_close(struct issuer **issuer)
{
    struct issuer *i = *issuer;
    if (i == NULL)
        return;
    if (i->issued_fd >= 0)
        close(i->issued_fd);
    if (i->revoked_fd >= 0)
        close(i->revoked_fd);
    sodium_free(i->secret);
    free(i->issued);
    free(i->revoked);
    free(i);
    *issuer = NULL;
}

const uint8_t *issuer_public(const struct issuer *issuer)
{
    return issuer->secret + 32;
}

/* ---- signing ------------------------------------------------------------------------------- */

static const struct revocation *revoked(const struct issuer *issuer, const struct cert *cert)
{
    for (size_t i = 0; i < issuer->revoked_count; i++)
        if (revocation_covers(&issuer->revoked[i], &cert->node, cert->curve, cert->serial))
            return &issuer->revoked[i];
    return NULL;
}

static int set_label(char to[CERT_NAME_MAX + 1], const char *from, const char *what,
                     struct err *err)
{
    if (from == NULL)
        return 0;
    if (strlen(from) > CERT_NAME_MAX)
        return err_set(err, ERR_USAGE, "the %s '%s' is longer than %d characters", what, from,
                       CERT_NAME_MAX);
    snprintf(to, CERT_NAME_MAX + 1, "%s", from);
    return 0;
}

/* The last certificate of that name that is good and another node's. */
static const struct cert *holder_of(const struct issuer *issuer, const struct cert *cert,
                                    int64_t now_s)
{
    const struct cert *found = NULL;
    for (size_t i = 0; i < issuer->issued_count; i++) {
        const struct cert *other = &issuer->issued[i];
        if (strcmp(other->name, cert->name) == 0 && other->not_after_s >= now_s &&
            !id_equal(&other->node, &cert->node) && revoked(issuer, other) == NULL)
            found = other;
    }
    return found;
}

static int check_terms(const struct issuer *issuer, const struct cert *cert, bool replace,
                       int64_t now_s, struct cert *replaced, struct err *err)
{
    const struct revocation *r = revoked(issuer, cert);
    if (r != NULL)
        return err_set(err, ERR_DENIED,
                       "this machine was revoked, as %s%s%s: to admit it again, let it make new "
                       "keys (a new key_file and data_dir, then `ecbakd --init`)",
                       r->name, r->reason[0] != '\0' ? ": " : "", r->reason);
    const struct cert *holder = holder_of(issuer, cert, now_s);
    if (holder != NULL && !replace) {
        char id[17];
        return err_set(err, ERR_EXISTS,
                       "another machine is %s already (node %s): give this one another name "
                       "(--name), or say --replace when it takes the other's place",
                       cert->name, hex_encode(id, holder->node.bytes, 8));
    }
    if (holder != NULL)
        *replaced = *holder;
    return 0;
}

int issuer_sign(struct issuer *issuer, const char *request, const struct issuer_terms *terms,
                struct cert *cert, struct cert *replaced, struct err *err)
{
    char line[CERT_ARMOR_MAX];
    *cert = *replaced = (struct cert){0};
    struct timespec now = wall_time();
    if (terms->days < 1 || terms->days > ISSUER_DAYS_MAX)
        return err_set(err, ERR_USAGE, "--days takes 1 to %d", ISSUER_DAYS_MAX);
    if (cert_request_read(cert, request, err) != 0 ||
        set_label(cert->name, terms->name, "name", err) != 0 ||
        set_label(cert->zone, terms->zone, "zone", err) != 0)
        return -1;
    /* Microseconds since 1970: rises from one certificate to the next, whatever becomes of the
     * list. */
    cert->serial = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    cert->not_before_s = (int64_t)now.tv_sec;
    cert->not_after_s = (int64_t)now.tv_sec + (int64_t)terms->days * DAY_S;
    if (check_terms(issuer, cert, terms->replace, (int64_t)now.tv_sec, replaced, err) != 0 ||
        cert_sign(cert, issuer->secret, err) != 0 || cert_armor(line, cert, err) != 0 ||
        append(issuer, issuer->issued_fd, line, err) != 0)
        return -1;
    if (!take_issued(issuer, line))
        return err_set(err, ERR_DAMAGED, "what was signed does not prove itself");
    return 0;
}

int issuer_note_ticket(struct issuer *issuer, const struct cert *admitted, struct err *err)
{
    char path[DURABLE_PATH_MAX], line[CERT_ARMOR_MAX], id[2 * ID_SIZE + 1], at[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm) != NULL)
        (void)!strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(path, sizeof(path), "%s/tickets", issuer->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, "opening %s", path);
    snprintf(line, sizeof(line), "%s used by %s %s", at, admitted->name,
             hex_encode(id, admitted->node.bytes, ID_SIZE));
    int result = append(issuer, fd, line, err);
    close(fd);
    return result;
}

/* ---- revoking ------------------------------------------------------------------------------ */

static bool matches(const struct cert *cert, const char *what)
{
    char id[2 * ID_SIZE + 1];
    size_t length = strlen(what);
    hex_encode(id, cert->node.bytes, ID_SIZE);
    return strcmp(cert->name, what) == 0 ||
           (length >= ID_PREFIX_MIN && length <= 2 * ID_SIZE && strncmp(id, what, length) == 0);
}

int issuer_find(const struct issuer *issuer, const char *what, struct cert *cert, struct err *err)
{
    const struct cert *found = NULL;
    char one[17], other[17];
    if (strncmp(what, "ecbak-certificate-", strlen("ecbak-certificate-")) == 0)
        return cert_unarmor(cert, what, err) == 0 ? cert_check(cert, issuer->secret + 32, err) : -1;
    /* The newest certificate of the one node that is meant and not revoked yet; one that is revoked
     * only when there is none else, to print the same line again. */
    for (int also_revoked = 0; also_revoked < 2 && found == NULL; also_revoked++)
        for (size_t i = 0; i < issuer->issued_count; i++) {
            const struct cert *c = &issuer->issued[i];
            if (!matches(c, what) || (!also_revoked && revoked(issuer, c) != NULL))
                continue;
            if (found != NULL && !id_equal(&found->node, &c->node))
                return err_set(err, ERR_USAGE,
                               "several machines are meant by '%s': say which by its id (%s, %s) "
                               "or its certificate",
                               what, hex_encode(one, found->node.bytes, 8),
                               hex_encode(other, c->node.bytes, 8));
            found = c;
        }
    if (found != NULL) {
        *cert = *found;
        return 0;
    }
    *cert = (struct cert){.not_after_s = INT64_MAX};
    if (strlen(what) != 2 * ID_SIZE || hex_decode(cert->node.bytes, ID_SIZE, what) != 0)
        return err_set(err, ERR_NOT_FOUND,
                       "'%s' is no name or id of a certificate that was signed here (the list is "
                       "%s/issued): give the certificate, or the whole id",
                       what, issuer->dir);
    snprintf(cert->name, sizeof(cert->name), "%.16s", what); /* nobody knows a better one */
    return 0;
}

int issuer_revoke(struct issuer *issuer, const struct cert *cert, bool only_this,
                  const char *reason, struct revocation *revocation, struct err *err)
{
    char line[REVOCATION_ARMOR_MAX];
    uint64_t serial = only_this ? cert->serial : 0;
    if (only_this && serial == 0)
        return err_set(err, ERR_USAGE, "--only needs a certificate, or one that was signed here");
    for (size_t i = 0; i < issuer->revoked_count; i++) {
        const struct revocation *r = &issuer->revoked[i];
        if (id_equal(&r->node, &cert->node) && (r->serial == 0 || r->serial == serial)) {
            *revocation = *r;
            return 0;
        }
    }
    struct revocation r = {
        .serial = serial, .at_s = (int64_t)time(NULL), .until_s = cert->not_after_s};
    if (reason != NULL && strlen(reason) > REVOCATION_REASON_MAX)
        return err_set(err, ERR_USAGE, "a reason is at most %d bytes long", REVOCATION_REASON_MAX);
    r.node = cert->node;
    memcpy(r.curve, cert->curve, sizeof(r.curve));
    snprintf(r.name, sizeof(r.name), "%s", cert->name);
    snprintf(r.reason, sizeof(r.reason), "%s", reason != NULL ? reason : "");
    bool listed = false;
    for (size_t i = 0; !only_this && i < issuer->issued_count; i++) {
        const struct cert *c = &issuer->issued[i];
        if (!id_equal(&c->node, &cert->node))
            continue;
        listed |= c->serial == cert->serial;
        if (c->not_after_s > r.until_s)
            r.until_s = c->not_after_s;
    }
    /* One that the list does not have was signed before there was a list: there may be others. */
    if (!only_this && !listed)
        r.until_s = INT64_MAX;
    if (revocation_sign(&r, issuer->secret, err) != 0 || revocation_armor(line, &r, err) != 0 ||
        append(issuer, issuer->revoked_fd, line, err) != 0)
        return -1;
    if (!take_revoked(issuer, line))
        return err_set(err, ERR_DAMAGED, "what was signed does not prove itself");
    *revocation = r;
    return 0;
}
