/* report.h - what `ecbak status` and `ecbak members` show of a node.
 *
 *   Memory   a report keeps what its reply borrows: release it after the reply is packed
 *   Threads  any
 */
#ifndef ECBAK_NODE_SERVE_REPORT_H
#define ECBAK_NODE_SERVE_REPORT_H

#include "node/api/client.pb-c.h"
#include "node/membership/incompatible.h"
#include "node/serve/service_internal.h"

#define REPORT_COUNTERS_MAX 32
#define REPORT_TROUBLES_MAX 8

struct report {
    Ecbak__StatusReply status;
    Ecbak__MembersReply members;
    struct reachable reachable;
    Ecbak__Counter counters[REPORT_COUNTERS_MAX];
    Ecbak__Counter *counter_list[REPORT_COUNTERS_MAX];
    char incompatible[INCOMPATIBLE_MAX][CERT_NAME_MAX + 1 + PROTOCOL_ADVICE_MAX];
    char *incompatible_list[INCOMPATIBLE_MAX];
    char troubles[REPORT_TROUBLES_MAX][320];
    char *trouble_list[REPORT_TROUBLES_MAX];
    struct member_table *table;
    char (*member_troubles)[MEMBER_TROUBLE_MAX];
    Ecbak__Member *member_messages;
    Ecbak__Member **member_list;
    struct member_event *events;
    Ecbak__MemberEvent *event_messages;
    Ecbak__MemberEvent **event_list;
    struct err state, no_shape;
};

void report_status(struct report *report, struct service *service, Ecbak__ClientReply *reply);
void report_members(struct report *report, struct service *service,
                    const Ecbak__MembersRequest *request, Ecbak__ClientReply *reply);
void report_release(struct report *report);

#endif
