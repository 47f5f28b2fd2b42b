/* The description is the first thing written and the last removed, so that a lab that was made by
 * half can still be taken down. */
#include "cli/lab/lab.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/lab/lab_internal.h"
#include "cli/lab/ports.h"
#include "node/common/durable.h"

#define LAB_VERSION 1

int lab_locate(char path[LAB_PATH_MAX], const char *dir, struct err *err)
{
    const char *from = dir != NULL ? dir : getenv("ECBAK_LAB");
    char here[LAB_PATH_MAX - PATH_ROOM] = "";
    int length;
    if (from != NULL && from[0] != '\0') {
        if (from[0] != '/' && getcwd(here, sizeof(here)) == NULL)
            return err_errno(err, "this folder");
        length = snprintf(path, LAB_PATH_MAX, "%s%s%s", here, from[0] != '/' ? "/" : "", from);
    } else {
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        if (state != NULL && state[0] == '/')
            length = snprintf(path, LAB_PATH_MAX, "%s/ecbak/lab", state);
        else if (home != NULL && home[0] == '/')
            length = snprintf(path, LAB_PATH_MAX, "%s/.local/state/ecbak/lab", home);
        else
            return err_set(err, ERR_USAGE, "no $HOME: say where the lab is with --dir DIR");
    }
    if (length < 0 || length >= LAB_PATH_MAX - PATH_ROOM)
        return err_set(err, ERR_USAGE, "the lab's folder has too long a name");
    /* It is written into configurations, in quotes. */
    for (const char *at = path; *at != '\0'; at++)
        if (*at == '"' || (unsigned char)*at < ' ')
            return err_set(err, ERR_USAGE, "a lab's folder has no quotes or control characters");
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    return 0;
}

static int make_folders(const char *path, struct err *err)
{
    char part[LAB_PATH_MAX];
    PATH_SET(part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_errno(err, "making the folder %s", part);
        if (kept == '\0')
            return 0;
        *at = kept;
    }
}

static int check_empty(const char *path, struct err *err)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return err_errno(err, "opening %s", path);
    int status = 0;
    for (const struct dirent *entry; status == 0 && (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lock") != 0)
            status =
                err_set(err, ERR_EXISTS,
                        "%s is not empty and not a lab: a new lab wants a folder of its own", path);
    closedir(folder);
    return status;
}

/* Sockets live in DIR/run where their paths are short enough, else in a folder in /tmp. */
static int choose_run_dir(struct lab *lab, struct err *err)
{
    if (strlen(lab->dir) + strlen("/run/.sock") + LAB_NAME_MAX <= LAB_SOCKET_MAX) {
        PATH_SET(lab->run_dir, "%.*s/run", DIR_WIDTH, lab->dir);
        return 0;
    }
    PATH_SET(lab->run_dir, "/tmp/ecbak-lab-XXXXXX");
    if (mkdtemp(lab->run_dir) == NULL)
        return err_errno(err, "making a folder for sockets in /tmp");
    return 0;
}

int lab_create(struct lab *lab, const char *dir, struct err *err)
{
    *lab = (struct lab){.lock = -1};
    if (lab_locate(lab->dir, dir, err) != 0 || make_folders(lab->dir, err) != 0 ||
        check_empty(lab->dir, err) != 0)
        return -1;
    return choose_run_dir(lab, err);
}

static int bad_description(const struct lab *lab, const char *what, struct err *err)
{
    return err_set(err, ERR_FORMAT, "%s/lab.json: %s", lab->dir, what);
}

static int read_node(struct lab *lab, json_t *entry, struct err *err)
{
    const char *name, *zone;
    int member_port, bulk_port;
    struct lab_node *node = &lab->nodes[lab->count];
    if (json_unpack(entry, "{s:s, s:s, s:i, s:i}", "name", &name, "zone", &zone, "member_port",
                    &member_port, "bulk_port", &bulk_port) != 0)
        return bad_description(lab, "a node lacks its name, zone or ports", err);
    /* Names become file names. */
    if (name[0] == '\0' || strlen(name) > LAB_NAME_MAX || strlen(zone) > LAB_NAME_MAX ||
        strchr(name, '/') != NULL || name[0] == '.' || member_port < 1 ||
        member_port > UINT16_MAX || bulk_port < 1 || bulk_port > UINT16_MAX)
        return bad_description(lab, "a node's name, zone or port is out of range", err);
    snprintf(node->name, sizeof(node->name), "%s", name);
    snprintf(node->zone, sizeof(node->zone), "%s", zone);
    node->member_port = (uint16_t)member_port;
    node->bulk_port = (uint16_t)bulk_port;
    lab->count++;
    return 0;
}

static int read_description(struct lab *lab, json_t *root, struct err *err)
{
    const char *run_dir, *profile;
    json_int_t capacity, zones;
    int version;
    json_t *nodes;
    if (json_unpack(root, "{s:i}", "version", &version) != 0 || version != LAB_VERSION)
        return bad_description(lab, "not a description of this version", err);
    if (json_unpack(root, "{s:s, s:s, s:I, s:I, s:o}", "run_dir", &run_dir, "profile", &profile,
                    "capacity_bytes", &capacity, "zones", &zones, "nodes", &nodes) != 0 ||
        !json_is_array(nodes))
        return bad_description(lab, "a field is missing", err);
    if (strlen(run_dir) > LAB_SOCKET_MAX || run_dir[0] != '/' ||
        strlen(profile) >= sizeof(lab->profile) || capacity < 0 || zones < 1 ||
        json_array_size(nodes) > LAB_NODES_MAX)
        return bad_description(lab, "a value is out of range", err);
    PATH_SET(lab->run_dir, "%s", run_dir);
    snprintf(lab->profile, sizeof(lab->profile), "%s", profile);
    lab->capacity_bytes = (uint64_t)capacity;
    lab->zones = (uint64_t)zones;
    size_t i;
    json_t *entry;
    json_array_foreach(nodes, i, entry) if (read_node(lab, entry, err) != 0) return -1;
    return 0;
}

int lab_load(struct lab *lab, const char *dir, struct err *err)
{
    *lab = (struct lab){.lock = -1};
    char path[LAB_PATH_MAX];
    if (lab_locate(lab->dir, dir, err) != 0)
        return -1;
    PATH_SET(path, "%.*s/lab.json", DIR_WIDTH, lab->dir);
    if (access(path, F_OK) != 0)
        return err_set(err, ERR_NOT_FOUND, "there is no lab in %s; 'ecbak lab up' makes one",
                       lab->dir);
    json_error_t why;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return bad_description(lab, why.text, err);
    int status = read_description(lab, root, err);
    json_decref(root);
    return status;
}

int lab_save(const struct lab *lab, struct err *err)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < lab->count; i++)
        json_array_append_new(nodes, json_pack("{s:s, s:s, s:i, s:i}", "name", lab->nodes[i].name,
                                               "zone", lab->nodes[i].zone, "member_port",
                                               (int)lab->nodes[i].member_port, "bulk_port",
                                               (int)lab->nodes[i].bulk_port));
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:I, s:I, s:o}", "version", LAB_VERSION, "run_dir", lab->run_dir,
                  "profile", lab->profile, "capacity_bytes", (json_int_t)lab->capacity_bytes,
                  "zones", (json_int_t)lab->zones, "nodes", nodes);
    char path[LAB_PATH_MAX], fresh[LAB_PATH_MAX];
    PATH_SET(path, "%.*s/lab.json", DIR_WIDTH, lab->dir);
    PATH_SET(fresh, "%.*s/lab.json.new", DIR_WIDTH, lab->dir);
    int status = 0;
    if (root == NULL)
        status = err_set(err, ERR_FORMAT, "%s is not UTF-8", lab->dir);
    else if (json_dump_file(root, fresh, JSON_INDENT(2)) != 0)
        status = err_errno(err, "writing %s", path);
    else
        status = durable_rename(fresh, path, err);
    json_decref(root);
    return status;
}

int lab_lock(struct lab *lab, struct err *err)
{
    char path[LAB_PATH_MAX];
    PATH_SET(path, "%.*s/lock", DIR_WIDTH, lab->dir);
    lab->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lab->lock < 0)
        return err_errno(err, "opening %s", path);
    while (flock(lab->lock, LOCK_EX) != 0)
        if (errno != EINTR)
            return err_errno(err, "locking %s", path);
    return 0;
}

void lab_unlock(struct lab *lab)
{
    if (lab->lock >= 0)
        close(lab->lock);
    lab->lock = -1;
}

int lab_grow(struct lab *lab, size_t count, struct err *err)
{
    if (count < 1 || count > LAB_NODES_MAX)
        return err_set(err, ERR_USAGE, "a lab has 1 to %d nodes", LAB_NODES_MAX);
    if (count < lab->count)
        return err_set(err, ERR_USAGE, "the lab has %zu nodes already; it can only grow",
                       lab->count);
    size_t added = count - lab->count;
    assert(lab->count <= LAB_NODES_MAX && lab->zones > 0);
    uint16_t ports[2 * LAB_NODES_MAX];
    if (ports_free(ports, 2 * added, err) != 0)
        return -1;
    for (size_t i = 0; i < added; i++) {
        struct lab_node *node = &lab->nodes[lab->count];
        snprintf(node->name, sizeof(node->name), "node-%zu", lab->count + 1);
        snprintf(node->zone, sizeof(node->zone), "zone-%zu", lab->count % (size_t)lab->zones + 1);
        node->member_port = ports[2 * i];
        node->bulk_port = ports[2 * i + 1];
        lab->count++;
    }
    return 0;
}

const struct lab_node *lab_find(const struct lab *lab, const char *name, struct err *err)
{
    for (size_t i = 0; i < lab->count; i++)
        if (strcmp(lab->nodes[i].name, name) == 0)
            return &lab->nodes[i];
    err_set(err, ERR_NOT_FOUND, "the lab has no node '%s'; it has %s%s%s", name,
            lab->count > 0 ? lab->nodes[0].name : "none", lab->count > 1 ? " to " : "",
            lab->count > 1 ? lab->nodes[lab->count - 1].name : "");
    return NULL;
}

void lab_node_path(char path[LAB_PATH_MAX], const struct lab *lab, const struct lab_node *node,
                   const char *file)
{
    PATH_SET(path, "%.*s/nodes/%s/%s", DIR_WIDTH, lab->dir, node->name, file);
}

void lab_node_endpoint(char endpoint[LAB_PATH_MAX], const struct lab *lab,
                       const struct lab_node *node)
{
    PATH_SET(endpoint, "ipc://%.*s/%s.sock", DIR_WIDTH, lab->run_dir, node->name);
}
