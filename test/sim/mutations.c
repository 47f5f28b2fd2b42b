/* Node 1 is the one that is broken; where another is needed, it is node 2. Some mutations change the
 * inside of the core and let it run on, some tell the checker what no core would. */
#include "test/sim/mutations.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gossip/core/news.h"
#include "gossip/core/swim_internal.h"
#include "gossip/core/sync.h"
#include "test/sim/invariants.h"

#define MEMBERS 8 /* the last of them never starts */
#define BROKEN  1
#define OTHER   2
#define ABSENT  (MEMBERS - 1)

static struct swim *broken(struct world *world)
{
    return world->nodes[BROKEN].core;
}

static struct roster_member *other(struct world *world)
{
    return roster_find(&broken(world)->roster, &world->nodes[OTHER].id);
}

static void awareness(struct world *world)
{
    broken(world)->probes.awareness = 1000;
}

static void counts(struct world *world)
{
    broken(world)->roster.by_state[SWIM_ALIVE]++;
}

static void counts_swapped(struct world *world)
{
    broken(world)->roster.by_state[SWIM_ALIVE]--;
    broken(world)->roster.by_state[SWIM_LEFT]++;
    invariants_scan(world, BROKEN);
}

static void suspects_itself(struct world *world)
{
    roster_state(&broken(world)->roster, self_of(broken(world)), SWIM_SUSPECT);
}

static void rumours_counted(struct world *world)
{
    broken(world)->rumours.count += 3;
}

static void rumour_too_often(struct world *world)
{
    struct rumours *rumours = &broken(world)->rumours;
    rumour_claim(broken(world), other(world), false);
    rumours->limit = rumour_limit(broken(world));
    rumours->by_sent[1][rumours->limit] = rumours->by_sent[1][0];
    invariants_stepped(world, BROKEN);
}

static void sends_waiting(struct world *world)
{
    world->config.orders_max = 0; /* the cores know of no such limit */
}

static void packet_large(struct world *world)
{
    world->config.packet_size_max = 10;
}

static void message_large(struct world *world)
{
    world->config.sync_size_max = 10;
}

static void message_senseless(struct world *world)
{
    static uint8_t bytes[2000] = "\x08\x01\x10\x01\x18\x01\x20\x01\xff\xff\xff\xff";
    struct swim_order order = {.kind = SWIM_SEND};
    order.send.bytes = bytes;
    order.send.size = sizeof(bytes);
    invariants_send(world, BROKEN, &order);
}

/* Together with something to say at once, or the step ends before anything is said. */
static void sent_unpersisted(struct world *world)
{
    struct swim *swim = broken(world);
    swim->own.incarnation += 1;
    sync_hello(swim, other(world));
    node_drain(world, BROKEN);
}

static void not_persisted(struct world *world)
{
    broken(world)->own.incarnation += 1;
    invariants_stepped(world, BROKEN);
}

static void persists_less(struct world *world)
{
    invariants_persist(world, BROKEN, 0);
}

static void announces_less(struct world *world)
{
    broken(world)->own.incarnation = 0;
    self_announce(broken(world), 0);
}

/* A claim of node 2, well signed. */
static void hear(struct world *world, uint64_t incarnation)
{
    struct sim_node *node = &world->nodes[OTHER];
    struct swim_ops ops = {.context = &node->context, .sign = sim_sign};
    uint8_t bytes[SWIM_CLAIM_MAX];
    struct claim claim = {.state = SWIM_ALIVE,
                          .version_min = PROTOCOL_LOWEST,
                          .version = PROTOCOL_HIGHEST,
                          .version_max = PROTOCOL_HIGHEST,
                          .incarnation = incarnation,
                          .id = node->id,
                          .name = node->name,
                          .address = node->address};
    size_t size = claim_encode(&claim, &ops, bytes);
    news_claim(broken(world), &world->nodes[0].id, bytes, size);
}

static void incarnation_sinks(struct world *world)
{
    other(world)->incarnation--;
    hear(world, other(world)->incarnation + 1);
}

static void incarnation_invented(struct world *world)
{
    hear(world, 1000);
}

static void claim_of_nobody(struct world *world)
{
    uint8_t claim[SWIM_CLAIM_MAX] = {0};
    claim[8] = 1;
    memcpy(claim + 28, world->nodes[ABSENT].id.bytes, ID_SIZE);
    invariants_kept(world, BROKEN, claim);
}

static void dead_without_suspicion(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_DEAD, OTHER);
}

static void event_about_itself(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_SUSPECT, BROKEN);
}

static void joins_twice(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_JOINED, OTHER);
}

static void joins_silently(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_JOINED, ABSENT);
}

static void dies(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_SUSPECT, OTHER);
    invariants_event(world, BROKEN, SWIM_EVENT_DEAD, OTHER);
}

static void revived(struct world *world)
{
    dies(world);
    invariants_event(world, BROKEN, SWIM_EVENT_ALIVE, OTHER);
}

static void leaves_silently(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_LEFT, OTHER);
}

static void forgotten_alive(struct world *world)
{
    invariants_event(world, BROKEN, SWIM_EVENT_FORGOTTEN, OTHER);
}

static void dies_early(struct world *world)
{
    world->config.active_confirmation = false;
    dies(world);
}

/* Node 2 is suspected by node 1. */
static struct suspicion *suspicion(struct world *world)
{
    node_crash(world, OTHER);
    while (other(world)->suspicion == NULL)
        world_step(world);
    return other(world)->suspicion;
}

static void suspicion_short(struct world *world)
{
    struct suspicion *s = suspicion(world);
    s->first_hand = false;
    s->deadline_ms = s->start_ms + 1;
    invariants_stepped(world, BROKEN);
}

static void suspicion_long(struct world *world)
{
    struct suspicion *s = suspicion(world);
    s->deadline_ms = s->start_ms + HOUR;
    invariants_stepped(world, BROKEN);
}

static void suspicion_lost(struct world *world)
{
    suspicion(world);
    broken(world)->suspicions.first = NULL;
}

static void suspicion_foreign(struct world *world)
{
    suspicion(world)->member = roster_find(&broken(world)->roster, &world->nodes[0].id);
    invariants_stepped(world, BROKEN);
}

static void accusers_many(struct world *world)
{
    suspicion(world)->accuser_count = ACCUSERS_MAX;
    invariants_stepped(world, BROKEN);
}

static void swap(struct roster *roster, size_t a, size_t b)
{
    struct roster_member *moved = roster->members[a];
    roster->members[a] = roster->members[b];
    roster->members[b] = moved;
    roster->members[a]->position = (uint32_t)a;
    roster->members[b]->position = (uint32_t)b;
}

/* Whoever was just probed comes next again. */
static void probed_twice(struct world *world)
{
    struct roster *roster = &broken(world)->roster;
    while (roster->cursor != 3)
        world_step(world);
    swap(roster, 2, 3);
}

/* A probe of it that never ends keeps its turn from coming. */
static void probed_never(struct world *world)
{
    broken(world)->probes.slots[PROBES_MAX - 1] = (struct probe){
        .member = other(world), .kind = PROBE_CONFIRM, .ask_ms = NEVER, .fail_ms = NEVER};
}

static void probes_two(struct world *world)
{
    broken(world)->stats.probe_count += 2;
}

static void probes_nobody(struct world *world)
{
    broken(world)->probes.round_ms++;
    invariants_stepped(world, BROKEN);
}

static void changes_silently(struct world *world)
{
    other(world)->incarnation--;
    invariants_scan(world, BROKEN);
}

static void misplaced(struct world *world)
{
    other(world)->position = 0;
    invariants_scan(world, BROKEN);
}

static const struct mutation {
    const char *name;
    void (*mutate)(struct world *world);
    const char *expected;
} mutations[] = {
    {"awareness above its maximum", awareness, "awareness beyond its maximum"},
    {"one member counted twice", counts, "members are counted wrongly"},
    {"a member counted in another state", counts_swapped, "members are counted wrongly"},
    {"suspects itself", suspects_itself, "suspects itself"},
    {"rumours counted wrongly", rumours_counted, "too many rumours"},
    {"a rumour beyond the limit", rumour_too_often, "a rumour sent too often"},
    {"more sends than may wait", sends_waiting, "too many sends wait"},
    {"a packet too large", packet_large, "a packet beyond its budget"},
    {"a message too large", message_large, "a message beyond every budget"},
    {"a message that makes no sense", message_senseless, "a message that does not decode"},
    {"sent before persisted", sent_unpersisted, "an incarnation sent before it was persisted"},
    {"raised and not persisted", not_persisted, "an incarnation that is not persisted"},
    {"persists less than before", persists_less, "persists a lower incarnation"},
    {"announces less than before", announces_less, "its own incarnation does not grow"},
    {"adopts what is not newer", incarnation_sinks, "an incarnation did not rise"},
    {"adopts what was never said", incarnation_invented,
     "an incarnation that its owner never announced"},
    {"keeps a stranger's claim", claim_of_nobody, "a claim of nobody it knows"},
    {"death without suspicion", dead_without_suspicion,
     "a state that does not follow from the one before"},
    {"an event about itself", event_about_itself, "an event about itself"},
    {"joins twice", joins_twice, "somebody known joins"},
    {"joins without a claim", joins_silently, "a state without a claim that says so"},
    {"the dead revived without a claim", revived, "a state without a claim that says so"},
    {"leaves without a claim", leaves_silently, "a state without a claim that says so"},
    {"forgotten while alive", forgotten_alive, "a state that does not follow from the one before"},
    {"death before the shortest suspicion", dies_early, "a suspicion shorter than the shortest"},
    {"a deadline too early", suspicion_short, "a suspicion shorter than the shortest"},
    {"a deadline too late", suspicion_long, "a suspicion longer than the longest"},
    {"a suspect without suspicion", suspicion_lost, "a suspect without its one suspicion"},
    {"a suspicion of another", suspicion_foreign, "a suspicion of nobody suspect"},
    {"more accusers than count", accusers_many, "too many accusers are counted"},
    {"probed twice in a lap", probed_twice, "probed twice in a lap"},
    {"never probed", probed_never, "probed too late"},
    {"two probes at once", probes_two, "two round probes at once"},
    {"lets a round pass", probes_nobody, "a round without a probe"},
    {"an incarnation changed silently", changes_silently, "knows what it did not say"},
    {"a member out of its place", misplaced, "a member out of its place"},
};

size_t mutations_count(void)
{
    return sizeof(mutations) / sizeof(mutations[0]);
}

const char *mutations_name(size_t index)
{
    return mutations[index].name;
}

/* In the child: 0 when the right invariant failed. */
static int try(const struct mutation *mutation)
{
    struct world world;
    world_init(&world, "mutations", 1, MEMBERS);
    if (setjmp(world.failed) != 0) {
        if (world.expected && strcmp(world.failure, mutation->expected) == 0)
            return 0;
        fprintf(stderr, "%s: \"%s\" instead of \"%s\"\n", mutation->name, world.failure,
                mutation->expected);
        return 1;
    }
    for (uint32_t i = 0; i < ABSENT; i++)
        node_start(&world, i, 0);
    world_until(&world, SWIM_ALIVE, 0);
    self_announce(world.nodes[OTHER].core, 0); /* a second incarnation */
    world_run(&world, 30 * SECOND);
    world.expected = true;
    mutation->mutate(&world);
    world_run(&world, MINUTE);
    return 2;
}

bool mutations_caught(size_t index)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(try(&mutations[index]));
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
