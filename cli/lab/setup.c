/* The lab does what an operator does: it writes a configuration, runs `ecbakd --init`, signs the
 * request that this prints, and names the other nodes as seeds. What is there already is left
 * alone, so a second call completes a first one that was cut off, and a lab that grows keeps its
 * older nodes as they are. */
#include "cli/lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/admit/issuer.h"
#include "cli/base/program.h"
#include "cli/lab/lab_internal.h"
#include "coding/base/bytes.h"
#include "node/common/durable.h"
#include "node/trust/authority.h"
#include "node/trust/cert.h"

#define SEEDS_MAX  8 /* of one node; any one that runs is enough to join */
#define OPEN_FILES 16

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "making the folder %s", path);
    return 0;
}

/* Someone else's folder in /tmp must not become the place of our sockets. */
static int make_run_dir(const struct lab *lab, struct err *err)
{
    struct stat seen;
    if (make_folder(lab->run_dir, err) != 0)
        return -1;
    if (lstat(lab->run_dir, &seen) != 0)
        return err_errno(err, "%s", lab->run_dir);
    if (!S_ISDIR(seen.st_mode) || seen.st_uid != geteuid() || (seen.st_mode & 022) != 0)
        return err_set(err, ERR_DENIED, "%s is not a folder of this user alone", lab->run_dir);
    return 0;
}

static int write_file(const char *path, const char *text, struct err *err)
{
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return err_errno(err, "writing %s", path);
    bool written = fputs(text, out) >= 0;
    if (fclose(out) != 0 || !written)
        return err_errno(err, "writing %s", path);
    return 0;
}

static int make_authority(const struct lab *lab, struct err *err)
{
    char dir[LAB_PATH_MAX], key[LAB_PATH_MAX];
    uint8_t public_key[32];
    PATH_SET(dir, "%.*s/authority", DIR_WIDTH, lab->dir);
    PATH_SET(key, "%.*s/authority/authority.key", DIR_WIDTH, lab->dir);
    if (access(key, F_OK) == 0)
        return 0;
    return authority_init(dir, public_key, err);
}

/* The CURVE key that a node proves, from its certificate. */
static int read_curve(uint8_t curve[32], const struct lab *lab, const struct lab_node *node,
                      struct err *err)
{
    char path[LAB_PATH_MAX], armor[CERT_ARMOR_MAX] = "";
    struct cert c;
    lab_node_path(path, lab, node, "node.cert");
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return err_errno(err, "opening %s", path);
    bool read = fgets(armor, sizeof(armor), in) != NULL;
    fclose(in);
    armor[strcspn(armor, "\n")] = '\0';
    if (!read || cert_unarmor(&c, armor, err) != 0)
        return err_context(err, "%s", path);
    memcpy(curve, c.curve, 32);
    return 0;
}

static int print_seeds(FILE *out, const struct lab *lab, const struct lab_node *node,
                       struct err *err)
{
    size_t seeds = 0;
    for (size_t i = 0; i < lab->count && seeds < SEEDS_MAX; i++) {
        uint8_t curve[32];
        char hex[65];
        if (&lab->nodes[i] == node)
            continue;
        if (read_curve(curve, lab, &lab->nodes[i], err) != 0)
            return -1;
        fprintf(out, "seed\n    address = \"127.0.0.1:%u\"\n    key = \"%s\"\n",
                lab->nodes[i].member_port, hex_encode(hex, curve, sizeof(curve)));
        seeds++;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *seen, int kind, struct FTW *where)
{
    (void)seen;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_tree(const char *path, struct err *err)
{
    struct stat seen;
    if (lstat(path, &seen) != 0 && errno == ENOENT)
        return 0;
    if (nftw(path, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        return err_errno(err, "removing %s", path);
    return 0;
}

/* Every value in quotes, since a folder's name may hold what starts a comment. */
static int write_config(const struct lab *lab, const struct lab_node *node, const char *file,
                        bool with_seeds, struct err *err)
{
    char path[LAB_PATH_MAX], value[LAB_PATH_MAX];
    lab_node_path(path, lab, node, file);
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return err_errno(err, "writing %s", path);
    static const struct {
        const char *key, *file;
    } files[] = {{"data_dir", "data"}, {"key_file", "node.key"}, {"certificate_file", "node.cert"}};
    fprintf(out, "# A node of the lab in %s.\n", lab->dir);
    fprintf(out, "name = \"%s\"\nzone = \"%s\"\n", node->name, node->zone);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        lab_node_path(value, lab, node, files[i].file);
        fprintf(out, "%s = \"%s\"\n", files[i].key, value);
    }
    fprintf(out, "authority_file = \"%s/authority/authority.pub\"\n", lab->dir);
    lab_node_endpoint(value, lab, node);
    fprintf(out, "client_endpoint = \"%s\"\n", value);
    fprintf(out, "listen_address = \"127.0.0.1\"\nmember_port = %u\nbulk_port = %u\n",
            node->member_port, node->bulk_port);
    fprintf(out, "profile = %s\ncapacity = %" PRIu64 "\n", lab->profile, lab->capacity_bytes);
    int status = with_seeds ? print_seeds(out, lab, node, err) : 0;
    if (fclose(out) != 0 && status == 0)
        status = err_errno(err, "writing %s", path);
    return status;
}

/* A lab that was cut off signs a name again, for a node with other keys. */
static int sign_node(const struct lab *lab, const struct lab_node *node, const char *request,
                     struct issuer *issuer, struct err *err)
{
    const struct issuer_terms terms = {.days = ISSUER_DAYS_DEFAULT, .replace = true};
    char armor[CERT_ARMOR_MAX], path[LAB_PATH_MAX];
    struct cert c, replaced;
    if (issuer_sign(issuer, request, &terms, &c, &replaced, err) != 0 ||
        cert_armor(armor, &c, err) != 0)
        return -1;
    lab_node_path(path, lab, node, "node.cert");
    return write_file(path, armor, err);
}

/* A node without a certificate never ran: what a call that was cut off left of it goes. */
static int admit(const struct lab *lab, const struct lab_node *node, const char *program,
                 struct issuer *issuer, struct err *err)
{
    char path[LAB_PATH_MAX], request[CERT_ARMOR_MAX];
    lab_node_path(path, lab, node, "node.cert");
    if (access(path, F_OK) == 0)
        return 0;
    lab_node_path(path, lab, node, "");
    if (remove_tree(path, err) != 0)
        return -1;
    if (make_folder(path, err) != 0 || write_config(lab, node, "init.conf", false, err) != 0)
        return -1;
    lab_node_path(path, lab, node, "init.conf");
    const char *const words[] = {program, "--config", path, "--init", NULL};
    if (program_ask(words, request, sizeof(request), err) != 0 ||
        sign_node(lab, node, request, issuer, err) != 0)
        return err_context(err, "%s", node->name);
    unlink(path);
    return 0;
}

/* The configuration is written when every node has its key, which the seeds name. */
static int configure(const struct lab *lab, const struct lab_node *node, struct err *err)
{
    char path[LAB_PATH_MAX], fresh[LAB_PATH_MAX];
    lab_node_path(path, lab, node, "ecbakd.conf");
    lab_node_path(fresh, lab, node, "ecbakd.conf.new");
    if (access(path, F_OK) == 0)
        return 0;
    if (write_config(lab, node, "ecbakd.conf.new", true, err) != 0)
        return -1;
    return durable_rename(fresh, path, err);
}

int lab_set_up(const struct lab *lab, const char *program, struct err *err)
{
    char path[LAB_PATH_MAX];
    static const char *const folders[] = {"authority", "home", "nodes"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        PATH_SET(path, "%.*s/%s", DIR_WIDTH, lab->dir, folders[i]);
        if (make_folder(path, err) != 0)
            return -1;
    }
    if (make_run_dir(lab, err) != 0 || make_authority(lab, err) != 0)
        return -1;
    struct issuer *issuer = NULL;
    PATH_SET(path, "%.*s/authority", DIR_WIDTH, lab->dir);
    int status = issuer_open(&issuer, path, err);
    for (size_t i = 0; status == 0 && i < lab->count; i++)
        status = admit(lab, &lab->nodes[i], program, issuer, err);
    issuer_close(&issuer);
    for (size_t i = 0; status == 0 && i < lab->count; i++)
        status = configure(lab, &lab->nodes[i], err);
    return status;
}

int lab_remove(const struct lab *lab, struct err *err)
{
    /* Only what a lab makes, by name; the description goes last but for the lock. */
    static const char *const made[] = {"nodes", "home",         "cache",    "authority",
                                       "run",   "lab.json.new", "lab.json", "lock"};
    char path[LAB_PATH_MAX];
    if (strncmp(lab->run_dir, "/tmp/ecbak-lab-", strlen("/tmp/ecbak-lab-")) == 0 &&
        remove_tree(lab->run_dir, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        PATH_SET(path, "%.*s/%s", DIR_WIDTH, lab->dir, made[i]);
        if (remove_tree(path, err) != 0)
            return -1;
    }
    if (rmdir(lab->dir) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
        return err_errno(err, "removing %s", lab->dir);
    return 0;
}
