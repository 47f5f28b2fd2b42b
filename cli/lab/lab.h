/* lab.h - a cluster on this machine's loopback: what it is made of, and where.
 *
 *   DIR/lab.json           this description: names, zones, ports, profile
 *       lock               one change at a time
 *       authority/         authority.key, authority.pub
 *       home/, cache/      $ECBAK_HOME and $ECBAK_CACHE of commands in the lab
 *       nodes/NAME/        node.key, node.cert, ecbakd.conf, data/, pid, log
 *       run/NAME.sock      client sockets, or a short folder in /tmp where DIR is too long for them
 *
 *   Limits   LAB_NODES_MAX nodes; a socket's path at most LAB_SOCKET_MAX bytes
 *   Errors   ERR_NOT_FOUND no lab there; ERR_FORMAT lab.json is not what it should be;
 *            ERR_EXISTS the folder holds something else
 *   Memory   plain values, no pointers
 */
#ifndef ECBAK_CLI_LAB_LAB_H
#define ECBAK_CLI_LAB_LAB_H

#include <stddef.h>
#include <stdint.h>

#include "coding/base/err.h"

#define LAB_NODES_MAX  64
#define LAB_PATH_MAX   4096
#define LAB_SOCKET_MAX 107 /* sun_path, without its NUL */
#define LAB_NAME_MAX   31

struct lab_node {
    char name[LAB_NAME_MAX + 1];
    char zone[LAB_NAME_MAX + 1];
    uint16_t member_port, bulk_port;
};

struct lab {
    char dir[LAB_PATH_MAX];     /* absolute */
    char run_dir[LAB_PATH_MAX]; /* of the sockets */
    char profile[8];            /* lan wan local */
    uint64_t capacity_bytes;    /* that each node offers */
    uint64_t zones;             /* the nodes are spread over so many */
    struct lab_node nodes[LAB_NODES_MAX];
    size_t count;
    int lock; /* file descriptor */
};

/* dir NULL: $ECBAK_LAB, else the default folder of this user. Makes it absolute. */
int lab_locate(char path[LAB_PATH_MAX], const char *dir, struct err *err) MUST_CHECK;
/* A new description in an empty folder (made when it is not there); saves nothing yet. */
int lab_create(struct lab *lab, const char *dir, struct err *err) MUST_CHECK;
int lab_load(struct lab *lab, const char *dir, struct err *err) MUST_CHECK;
int lab_save(const struct lab *lab, struct err *err) MUST_CHECK;
/* Takes DIR/lock, waiting for another command to end. Released by lab_unlock. */
int lab_lock(struct lab *lab, struct err *err) MUST_CHECK;
void lab_unlock(struct lab *lab);

/* Adds nodes node-1, node-2, ... up to count, with zones and free ports. */
int lab_grow(struct lab *lab, size_t count, struct err *err) MUST_CHECK;
/* Makes on disk what is not there: authority, and of each node keys, certificate, configuration.
 * program: ecbakd, which makes a node's keys and data folder. */
int lab_set_up(const struct lab *lab, const char *program, struct err *err) MUST_CHECK;
/* Removes everything that a lab makes; its nodes must be down. */
int lab_remove(const struct lab *lab, struct err *err) MUST_CHECK;

/* NULL with ERR_NOT_FOUND (the text names those there are). */
const struct lab_node *lab_find(const struct lab *lab, const char *name, struct err *err);
/* DIR/nodes/NAME/file */
void lab_node_path(char path[LAB_PATH_MAX], const struct lab *lab, const struct lab_node *node,
                   const char *file);
/* "ipc://..." */
void lab_node_endpoint(char endpoint[LAB_PATH_MAX], const struct lab *lab,
                       const struct lab_node *node);

#endif
