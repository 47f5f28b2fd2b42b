/* Events are asked for four times a second, which costs the node next to nothing; the members
 * themselves once a second, and whenever something happened. */
#include "cli/commands/members_watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/base/text.h"
#include "cli/commands/members_show.h"
#include "cli/ui/screen.h"
#include "coding/base/alloc.h"
#include "node/common/clock.h"

#define POLL_MS      250
#define REPAINT_MS   1000
#define ANSWER_MS    2000        /* a node that takes longer is shown as one that does not answer */
#define RECENT_MAX   64          /* events kept for the view */
#define RECENT_S     (12 * 3600) /* older ones are shown with their date */
#define EVENTS_LEAST 4           /* a part of the view's lines for events: one in so many */

struct watch {
    const char *socket;
    bool json, view;
    struct client *client; /* NULL: the node went away */
    struct member_list list;
    struct member_event_info recent[RECENT_MAX]; /* the oldest first */
    size_t recent_count;
    uint64_t newest_event;
    bool changed; /* since the view was painted last */
    int64_t painted_ms, listed_ms;
    int64_t away_s; /* since when the node does not answer; 0: it does */
};

/* ---- the view ------------------------------------------------------------------------------ */

static void event_time(char to[TEXT_SHORT_MAX], int64_t time_ms)
{
    time_t at = (time_t)(time_ms / 1000);
    struct tm local;
    if (time(NULL) - at < RECENT_S && localtime_r(&at, &local) != NULL)
        strftime(to, TEXT_SHORT_MAX, "%H:%M:%S", &local);
    else
        text_time(to, at);
}

static enum style event_style(const char *kind)
{
    if (strcmp(kind, "alive") == 0 || strcmp(kind, "joined") == 0)
        return STYLE_GOOD;
    if (strcmp(kind, "dead") == 0 || strcmp(kind, "conflict") == 0 || strcmp(kind, "copied") == 0 ||
        strcmp(kind, "refused") == 0)
        return STYLE_BAD;
    return strcmp(kind, "suspect") == 0 ? STYLE_WARN : STYLE_PLAIN;
}

/* One or more lines that fit. */
static void paint_table(struct table *table, size_t columns)
{
    table->width_max = columns;
    table->line_end = SCREEN_LINE_END;
    table_print(table, stdout);
    table_release(table);
}

static void paint_summary(const struct watch *w, size_t columns)
{
    struct table table;
    char text[TEXT_SHORT_MAX];
    size_t counts[MEMBERS_STATES], cells = 2;
    members_count(&w->list, counts);
    for (size_t s = 0; s < MEMBERS_STATES; s++)
        cells += counts[s] > 0;
    table_init(&table, cells, 0);
    table_add(&table, STYLE_BOLD, "%zu member%s", w->list.count, w->list.count == 1 ? "" : "s");
    for (size_t s = 0; s < MEMBERS_STATES; s++)
        if (counts[s] > 0)
            table_add(&table, member_state_style(members_states[s]), "%zu %s", counts[s],
                      members_states[s]);
    event_time(text, (int64_t)time(NULL) * 1000);
    table_add(&table, STYLE_DIM, "%s", text);
    paint_table(&table, columns);
}

static void paint_away(const struct watch *w, size_t columns)
{
    struct table table;
    char since[TEXT_SHORT_MAX];
    event_time(since, w->away_s * 1000);
    table_init(&table, 1, 0);
    table_add(&table, STYLE_BAD, "no answer from this machine's node since %s: trying again",
              since);
    paint_table(&table, columns);
}

static void paint_events(const struct watch *w, size_t columns, size_t rows)
{
    struct table table;
    table_init(&table, 2, 0);
    for (size_t i = rows < w->recent_count ? w->recent_count - rows : 0; i < w->recent_count; i++) {
        char at[TEXT_SHORT_MAX], text[MEMBER_EVENT_TEXT_MAX];
        event_time(at, w->recent[i].time_ms);
        table_add(&table, STYLE_DIM, "%s", at);
        table_add(&table, event_style(w->recent[i].kind), "%s",
                  member_event_text(text, &w->recent[i]));
    }
    paint_table(&table, columns);
}

/* From the top: how it stands, the members, what happened. Each gets its lines of what is left. */
static int paint(const struct watch *w, struct err *err)
{
    size_t columns, rows;
    screen_size(&columns, &rows);
    screen_begin();
    size_t used = 1;
    paint_summary(w, columns);
    if (w->away_s != 0 && used < rows) {
        paint_away(w, columns);
        used++;
    }
    if (rows >= used + 3) {
        size_t left = rows - used - 3; /* two empty lines and the table's head */
        size_t for_events = left / EVENTS_LEAST;
        if (for_events > w->recent_count)
            for_events = w->recent_count;
        struct members_room room = {
            .columns = columns, .rows = left - for_events, .line_end = SCREEN_LINE_END};
        fputs(SCREEN_LINE_END, stdout);
        used += 2 + members_print_within(&w->list, &room, stdout);
        fputs(SCREEN_LINE_END, stdout);
        paint_events(w, columns, rows - used);
    }
    return screen_end(err);
}

/* ---- lines for scripts --------------------------------------------------------------------- */

static void print_events(const struct watch *w, const struct member_list *list)
{
    for (size_t i = 0; i < list->event_count; i++) {
        const struct member_event_info *event = &list->events[i];
        char at[TEXT_SHORT_MAX], text[MEMBER_EVENT_TEXT_MAX];
        if (w->json)
            output_json(member_event_json(event));
        else
            printf("%s %s\n", text_time(at, event->time_ms / 1000), member_event_text(text, event));
    }
}

/* ---- following ----------------------------------------------------------------------------- */

static int ask(struct watch *w, bool members, uint32_t events_max, struct member_list *list,
               struct err *err)
{
    const struct members_wanted wanted = {
        .members = members, .events_max = events_max, .events_after = w->newest_event};
    return client_members_wanted(w->client, &wanted, list, err);
}

/* Takes what happened since the last answer. */
static void take_events(struct watch *w, const struct member_list *list)
{
    for (size_t i = 0; i < list->event_count && w->view; i++) {
        if (w->recent_count == RECENT_MAX)
            memmove(&w->recent[0], &w->recent[1], --w->recent_count * sizeof(w->recent[0]));
        w->recent[w->recent_count++] = list->events[i];
    }
    w->newest_event = list->newest_event;
}

static int ask_all(struct watch *w, struct err *err)
{
    struct member_list list;
    if (ask(w, true, CLIENT_EVENTS_MAX, &list, err) != 0)
        return -1;
    member_list_release(&w->list);
    w->list = list;
    w->listed_ms = monotonic_ms();
    w->changed = true;
    take_events(w, &w->list);
    return 0;
}

static int open_node(struct watch *w, struct err *err)
{
    if (client_open(&w->client, w->socket, err) != 0)
        return -1;
    client_set_timeout(w->client, ANSWER_MS);
    if (ask_all(w, err) != 0) {
        client_close(&w->client);
        return -1;
    }
    if (w->json)
        output_json(members_json(&w->list, false));
    return 0;
}

static int follow(struct watch *w, struct err *err)
{
    struct member_list list;
    if (w->view && monotonic_ms() - w->listed_ms >= REPAINT_MS)
        return ask_all(w, err);
    if (ask(w, false, w->view ? 1 : CLIENT_EVENTS_MAX, &list, err) != 0)
        return -1;
    bool news = list.event_count > 0;
    if (!w->view) {
        print_events(w, &list);
        take_events(w, &list);
    }
    member_list_release(&list);
    return w->view && news ? ask_all(w, err) : 0;
}

/* One question to the node. Trouble with it is shown, and ends nothing. */
static void step(struct watch *w)
{
    struct err trouble = ERR_INIT;
    if (w->away_s != 0) {
        if (open_node(w, &trouble) != 0)
            return;
        w->away_s = 0;
        if (!w->view) {
            output_warning("this machine's node answers again");
            print_events(w, &w->list);
        }
        return;
    }
    if (follow(w, &trouble) == 0)
        return;
    client_close(&w->client);
    w->away_s = (int64_t)time(NULL);
    w->changed = true;
    if (!w->view)
        output_warning("this machine's node does not answer: trying again");
}

/* Paints the view when it is time; elsewhere makes sure that every line written is out. */
static int show(struct watch *w, struct err *err)
{
    if (!w->view) {
        if (fflush(stdout) != 0)
            return err_errno(err, "writing to standard output");
        return 0;
    }
    if (!w->changed && monotonic_ms() - w->painted_ms < REPAINT_MS)
        return 0;
    w->changed = false;
    w->painted_ms = monotonic_ms();
    return paint(w, err);
}

int members_watch(const char *socket, bool json, struct err *err)
{
    struct watch *w = alloc_zero(1, sizeof(*w));
    w->socket = socket;
    w->json = json;
    w->view = !json && screen_possible();
    int status = open_node(w, err);
    if (status == 0 && w->view)
        screen_open();
    while (status == 0 && !screen_ended()) {
        status = show(w, err);
        w->changed |= screen_wait(POLL_MS);
        if (status == 0 && !screen_ended())
            step(w);
    }
    screen_close();
    member_list_release(&w->list);
    client_close(&w->client);
    free(w);
    screen_die();
    return status;
}
