/* members_show.h - members and what happened to them, as people and programs read it.
 *
 *   Memory   borrows the list; json_t * returned is the caller's
 *   Threads  one
 */
#ifndef ECBAK_CLI_COMMANDS_MEMBERS_SHOW_H
#define ECBAK_CLI_COMMANDS_MEMBERS_SHOW_H

#include <jansson.h>

#include "cli/ui/output.h"
#include "node/api/client.h"

/* {"cluster", "members"}, and "events" when they are wanted. */
json_t *members_json(const struct member_list *list, bool with_events);
json_t *member_event_json(const struct member_event_info *event);

enum style member_state_style(const char *state);
/* How many are in each of members_states. */
#define MEMBERS_STATES 7
extern const char *const members_states[MEMBERS_STATES];
void members_count(const struct member_list *list, size_t counts[MEMBERS_STATES]);

/* Every member and, below, how many are alive, and what to do about those that are incompatible. */
void members_print(const struct member_list *list);

/* Where there is little room: lines of at most `columns`, columns left out from the least important
 * on, and at most `rows` lines below the head: first those that are not alive get one, and the last
 * line says how many are not shown. Returns the lines printed. */
struct members_room {
    size_t columns, rows;
    const char *line_end;
};
size_t members_print_within(const struct member_list *list, const struct members_room *room,
                            FILE *to);

/* "node-3 dead", "node-3 suspect, says node-1". Returns `to`. */
#define MEMBER_EVENT_TEXT_MAX 256
char *member_event_text(char to[MEMBER_EVENT_TEXT_MAX], const struct member_event_info *event);

#endif
