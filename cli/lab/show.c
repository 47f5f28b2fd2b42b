/* Asks only /proc; what the members think of each other is `ecbak members`. */
#include "cli/lab/show.h"

#include <stdio.h>

#include "cli/lab/process.h"
#include "cli/ui/output.h"

static json_t *node_json(const struct lab *lab, const struct lab_node *node)
{
    static const struct {
        const char *key, *file;
    } files[] = {{"dir", ""}, {"log", "log"}, {"config", "ecbakd.conf"}};
    char text[LAB_PATH_MAX];
    pid_t pid = process_running(lab, node);
    json_t *object = json_object();
    json_object_set_new(object, "name", json_text(node->name));
    json_object_set_new(object, "zone", json_text(node->zone));
    json_object_set_new(object, "state", json_text(pid != 0 ? "running" : "stopped"));
    json_object_set_new(object, "pid", pid != 0 ? json_integer(pid) : json_null());
    snprintf(text, sizeof(text), "127.0.0.1:%u", node->member_port);
    json_object_set_new(object, "address", json_text(text));
    snprintf(text, sizeof(text), "127.0.0.1:%u", node->bulk_port);
    json_object_set_new(object, "bulk_address", json_text(text));
    lab_node_endpoint(text, lab, node);
    json_object_set_new(object, "socket", json_text(text));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        lab_node_path(text, lab, node, files[i].file);
        json_object_set_new(object, files[i].key, json_text(text));
    }
    return object;
}

static void show_json(const struct lab *lab)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < lab->count; i++)
        json_array_append_new(nodes, node_json(lab, &lab->nodes[i]));
    output_json(json_pack("{s:o, s:s, s:o}", "dir", json_text(lab->dir), "profile", lab->profile,
                          "nodes", nodes));
}

static void show_text(const struct lab *lab)
{
    static const char *const heads[] = {"NAME", "STATE", "PID", "ADDRESS", "ZONE", "LOG"};
    struct table table;
    table_init(&table, 6, 1u << 2);
    for (size_t i = 0; i < 6; i++)
        table_add(&table, STYLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < lab->count; i++) {
        const struct lab_node *node = &lab->nodes[i];
        char log[LAB_PATH_MAX];
        pid_t pid = process_running(lab, node);
        lab_node_path(log, lab, node, "log");
        table_add(&table, STYLE_BOLD, "%s", node->name);
        table_add(&table, pid != 0 ? STYLE_GOOD : STYLE_BAD, "%s",
                  pid != 0 ? "running" : "stopped");
        if (pid != 0)
            table_add(&table, STYLE_PLAIN, "%d", (int)pid);
        else
            table_add(&table, STYLE_PLAIN, "-");
        table_add(&table, STYLE_PLAIN, "127.0.0.1:%u", node->member_port);
        table_add(&table, STYLE_PLAIN, "%s", node->zone);
        table_add(&table, STYLE_DIM, "%s", log);
    }
    table_print(&table, stdout);
    table_release(&table);
}

void lab_show(const struct command_line *line, const struct lab *lab)
{
    if (line->json)
        show_json(lab);
    else if (!line->quiet)
        show_text(lab);
}
