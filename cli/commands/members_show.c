/* One table for the plain list and the watched one; the latter leaves out what does not fit. */
#include "cli/commands/members_show.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/text.h"
#include "coding/base/alloc.h"
#include "coding/base/bytes.h"

#define BAR_WIDTH 8

const char *const members_states[MEMBERS_STATES] = {"alive", "suspect", "away",        "dead",
                                                    "left",  "revoked", "incompatible"};

enum column {
    COLUMN_SELF,
    COLUMN_NAME,
    COLUMN_STATE,
    COLUMN_ADDRESS,
    COLUMN_ZONE,
    COLUMN_BAR,
    COLUMN_USED,
    COLUMN_RTT,
    COLUMN_VERSION,
    COLUMN_SINCE,
    COLUMNS,
};

/* Left out in this order, the first first. */
static const enum column dispensable[] = {COLUMN_VERSION, COLUMN_ADDRESS, COLUMN_ZONE,
                                          COLUMN_BAR,     COLUMN_SINCE,   COLUMN_RTT};

static bool is_alive(const struct member_info *member)
{
    return strcmp(member->state, "alive") == 0;
}

static bool is_incompatible(const char *state)
{
    return strcmp(state, "incompatible") == 0;
}

/* ---- for programs -------------------------------------------------------------------------- */

static json_t *member_json(const struct member_info *m)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_hex(m->id.bytes, ID_SIZE));
    json_object_set_new(object, "name", json_text(m->name));
    json_object_set_new(object, "state", json_text(m->state));
    json_object_set_new(object, "address", json_text(m->address));
    json_object_set_new(object, "zone", json_text(m->zone));
    json_object_set_new(object, "incarnation", json_integer((json_int_t)m->incarnation));
    json_object_set_new(object, "rtt_ms", json_figure(m->rtt_ms));
    json_object_set_new(object, "rtt_estimated", json_boolean(m->rtt_estimated));
    json_object_set_new(object, "capacity_bytes", json_integer((json_int_t)m->capacity_bytes));
    json_object_set_new(object, "used_bytes", json_integer((json_int_t)m->used_bytes));
    json_object_set_new(object, "software", json_text(m->version));
    json_object_set_new(object, "protocol_min", json_integer(m->protocol.lowest));
    json_object_set_new(object, "protocol_max", json_integer(m->protocol.highest));
    json_object_set_new(object, "trouble", json_text(m->trouble));
    json_object_set_new(object, "since", json_time(m->since_s, 0, 0));
    return object;
}

json_t *member_event_json(const struct member_event_info *event)
{
    json_t *object = json_object();
    json_object_set_new(object, "number", json_integer((json_int_t)event->number));
    json_object_set_new(
        object, "time",
        json_time(event->time_ms / 1000, (uint32_t)(event->time_ms % 1000) * 1000000u, 3));
    json_object_set_new(object, "event", json_text(event->kind));
    json_object_set_new(object, "id", json_hex(event->id.bytes, ID_SIZE));
    json_object_set_new(object, "name", json_text(event->name));
    json_object_set_new(object, "address", json_text(event->address));
    json_object_set_new(object, "detail", json_text(event->detail));
    return object;
}

json_t *members_json(const struct member_list *list, bool with_events)
{
    json_t *members = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(members, member_json(&list->members[i]));
    json_t *object = json_object();
    json_object_set_new(object, "cluster", json_hex(list->cluster.bytes, ID_SIZE));
    json_object_set_new(object, "members", members);
    if (!with_events)
        return object;
    json_t *events = json_array();
    for (size_t i = 0; i < list->event_count; i++)
        json_array_append_new(events, member_event_json(&list->events[i]));
    json_object_set_new(object, "events", events);
    return object;
}

/* ---- for people ---------------------------------------------------------------------------- */

enum style member_state_style(const char *state)
{
    if (strcmp(state, "alive") == 0)
        return STYLE_GOOD;
    if (strcmp(state, "suspect") == 0)
        return STYLE_WARN;
    if (strcmp(state, "dead") == 0 || strcmp(state, "revoked") == 0 || is_incompatible(state))
        return STYLE_BAD;
    return STYLE_DIM;
}

void members_count(const struct member_list *list, size_t counts[MEMBERS_STATES])
{
    memset(counts, 0, MEMBERS_STATES * sizeof(counts[0]));
    for (size_t i = 0; i < list->count; i++)
        for (size_t s = 0; s < MEMBERS_STATES; s++)
            counts[s] += strcmp(list->members[i].state, members_states[s]) == 0;
}

static void add_since(struct table *table, enum style style, int64_t since_s)
{
    char text[TEXT_SHORT_MAX];
    int64_t age_s = (int64_t)time(NULL) - since_s;
    if (since_s <= 0)
        table_add(table, style, "-");
    else if (age_s < 10)
        table_add(table, style, "%d s", age_s > 0 ? (int)age_s : 0);
    else
        table_add(table, style, "%s", text_duration(text, (double)age_s));
}

static void add_cell(struct table *table, const struct member_info *m, enum column column)
{
    char bar[BAR_TEXT_MAX], used[TEXT_SHORT_MAX], capacity[TEXT_SHORT_MAX];
    enum style dim = is_alive(m) ? STYLE_PLAIN : STYLE_DIM;
    switch (column) {
    case COLUMN_SELF:
        table_add(table, STYLE_DIM, "%s", m->self ? "*" : "");
        break;
    case COLUMN_NAME:
        table_add(table, STYLE_BOLD, "%s", m->name);
        break;
    case COLUMN_STATE:
        table_add(table, member_state_style(m->state), "%s", m->state);
        break;
    case COLUMN_ADDRESS:
        table_add(table, dim, "%s", m->address);
        break;
    case COLUMN_ZONE:
        table_add(table, dim, "%s", m->zone);
        break;
    case COLUMN_BAR:
        table_add(table, STYLE_DIM, "%s",
                  output_bar(bar, BAR_WIDTH, m->used_bytes, m->capacity_bytes));
        break;
    case COLUMN_USED:
        table_add(table, dim, "%s of %s", text_bytes(used, m->used_bytes),
                  text_bytes(capacity, m->capacity_bytes));
        break;
    case COLUMN_RTT:
        if (m->self || m->rtt_ms < 0 || !is_alive(m))
            table_add(table, STYLE_DIM, "-");
        else if (m->rtt_ms < 0.05) /* clocks are read in whole milliseconds */
            table_add(table, dim, "%s<0.1 ms", m->rtt_estimated ? "~" : "");
        else
            table_add(table, dim, "%s%.1f ms", m->rtt_estimated ? "~" : "", m->rtt_ms);
        break;
    case COLUMN_VERSION:
        table_add(table, dim, "%s", m->version);
        break;
    default:
        add_since(table, dim, m->since_s);
        break;
    }
}

/* The members that `shown` says, all when it is NULL; columns is a bit each. */
static void build(struct table *table, const struct member_list *list, const bool *shown,
                  uint32_t columns)
{
    static const char *const heads[COLUMNS] = {"",     "NAME", "STATE", "ADDRESS", "ZONE",
                                               "USED", "",     "RTT",   "VERSION", "SINCE"};
    static const uint32_t right = 1u << COLUMN_USED | 1u << COLUMN_RTT | 1u << COLUMN_SINCE;
    enum column set[COLUMNS];
    size_t count = 0;
    uint32_t flush_right = 0;
    for (unsigned c = 0; c < COLUMNS; c++)
        if (columns >> c & 1) {
            flush_right |= (right >> c & 1) << count;
            set[count++] = c;
        }
    table_init(table, count, flush_right);
    for (size_t c = 0; c < count; c++) {
        bool alone = set[c] == COLUMN_USED && (columns >> COLUMN_BAR & 1) == 0;
        table_add(table, STYLE_DIM, "%s", alone ? heads[COLUMN_BAR] : heads[set[c]]);
    }
    for (size_t i = 0; i < list->count; i++)
        for (size_t c = 0; c < count && (shown == NULL || shown[i]); c++)
            add_cell(table, &list->members[i], set[c]);
}

static void print_advice(const struct member_list *list)
{
    struct protocol ours = {0, 0};
    char advice[PROTOCOL_ADVICE_MAX];
    for (size_t i = 0; i < list->count; i++)
        if (list->members[i].self)
            ours = list->members[i].protocol;
    for (size_t i = 0; i < list->count; i++)
        if (is_incompatible(list->members[i].state))
            printf("%s %s\n", list->members[i].name,
                   protocol_advice(advice, list->members[i].protocol, ours));
    for (size_t i = 0; i < list->count; i++)
        if (list->members[i].trouble[0] != '\0')
            printf("%s%s: %s%s\n", style_on(stdout, STYLE_BAD), list->members[i].name,
                   list->members[i].trouble, style_off(stdout));
}

void members_print(const struct member_list *list)
{
    struct table table;
    size_t counts[MEMBERS_STATES];
    build(&table, list, NULL, (1u << COLUMNS) - 1);
    table_print(&table, stdout);
    table_release(&table);
    members_count(list, counts);
    printf("\n%zu member%s:", list->count, list->count == 1 ? "" : "s");
    const char *comma = " ";
    for (size_t s = 0; s < MEMBERS_STATES; s++)
        if (counts[s] > 0) {
            printf("%s%s%zu %s%s", comma, style_on(stdout, member_state_style(members_states[s])),
                   counts[s], members_states[s], style_off(stdout));
            comma = ", ";
        }
    putchar('\n');
    print_advice(list);
}

/* Marks at most `rows` members: those that are not alive, then the first of the others. */
static void choose(const struct member_list *list, size_t rows, bool *shown)
{
    for (int alive = 0; alive < 2; alive++)
        for (size_t i = 0; i < list->count && rows > 0; i++)
            if (is_alive(&list->members[i]) == (alive != 0)) {
                shown[i] = true;
                rows--;
            }
}

size_t members_print_within(const struct member_list *list, const struct members_room *room,
                            FILE *to)
{
    bool all = list->count <= room->rows;
    size_t rows = all ? list->count : room->rows > 0 ? room->rows - 1 : 0;
    bool *shown = alloc_zero(list->count, sizeof(*shown));
    choose(list, rows, shown);
    uint32_t columns = (1u << COLUMNS) - 1;
    struct table table;
    build(&table, list, shown, columns);
    for (size_t i = 0;
         table_width(&table) > room->columns && i < sizeof(dispensable) / sizeof(dispensable[0]);
         i++) {
        table_release(&table);
        columns &= ~(1u << dispensable[i]);
        build(&table, list, shown, columns);
    }
    free(shown);
    table.width_max = room->columns;
    table.line_end = room->line_end;
    table_print(&table, to);
    table_release(&table);
    if (all || room->rows == 0)
        return rows + 1;
    table_init(&table, 1, 0);
    table.width_max = room->columns;
    table.line_end = room->line_end;
    table_add(&table, STYLE_DIM, "... and %zu more", list->count - rows);
    table_print(&table, to);
    table_release(&table);
    return rows + 2;
}

char *member_event_text(char to[MEMBER_EVENT_TEXT_MAX], const struct member_event_info *event)
{
    char id[17];
    const char *name = event->name[0] != '\0' ? event->name : hex_encode(id, event->id.bytes, 8);
    const char *before = ": ", *detail = event->detail, *after = "";
    if (strcmp(event->kind, "suspect") == 0) {
        before = ", says ";
    } else if (strcmp(event->kind, "conflict") == 0) {
        before = ", the same name at ";
    } else if (strcmp(event->kind, "copied") == 0) {
        before = ", its key is at another machine too: ";
    } else if (strcmp(event->kind, "joined") == 0) {
        before = " (";
        detail = event->address;
        after = ")";
    }
    if (detail[0] == '\0')
        before = after = "";
    snprintf(to, MEMBER_EVENT_TEXT_MAX, "%s %s%s%s%s", name, event->kind, before, detail, after);
    return to;
}
