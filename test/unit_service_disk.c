/* Whole nodes whose disks do what disks do. */
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "test/service_lab.h"
#include "test/wait_for.h"

#define PACK_BYTES 300000

static struct lab lab;

static char *in_data(size_t node, const char *name)
{
    static char path[1100];
    snprintf(path, sizeof(path), "%s/%s", lab.nodes[node].config.data_dir, name);
    return path;
}

/* What `by` says is wrong with `of`. */
static bool says(size_t by, size_t of, const char *trouble)
{
    struct err err = ERR_INIT;
    struct member_list list;
    bool found = false;
    lab_ok(client_members(lab_client(&lab, by), &list, &err));
    for (size_t i = 0; i < list.count; i++)
        found |= strcmp(list.members[i].name, lab.nodes[of].config.name) == 0 &&
                 strcmp(list.members[i].trouble, trouble) == 0;
    member_list_release(&list);
    return found;
}

static bool status_says(size_t node, const char *trouble)
{
    struct err err = ERR_INIT;
    struct node_status status;
    lab_ok(client_status(lab_client(&lab, node), &status, &err));
    for (size_t i = 0; i < status.trouble_count; i++)
        if (strstr(status.troubles[i], trouble) != NULL)
            return true;
    return false;
}

static bool log_says(size_t node, const char *text)
{
    static char log[1 << 16];
    char path[256];
    snprintf(path, sizeof(path), "%s/%s/log", lab.dir, lab.nodes[node].config.name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(log, 1, sizeof(log) - 1, file);
    log[size] = '\0';
    fclose(file);
    return strstr(log, text) != NULL;
}

static uint32_t nodes_that_take(const struct lab_pack *pack)
{
    struct client_answer answer = lab_put(&lab, 0, pack, 2, 2);
    if (answer.err.code != ERR_NONE)
        fail_msg("%s", answer.err.text);
    return answer.held.nodes;
}

static void a_node_whose_fragments_were_removed_takes_others_and_says_what_it_lost(void **state)
{
    (void)state;
    struct lab_pack pack = lab_pack(PACK_BYTES), next = lab_pack(PACK_BYTES);
    assert_int_equal(nodes_that_take(&pack), 4);
    assert_true(says(0, 2, "") && says(2, 2, ""));
    remove_tree(in_data(2, "fragments"));
    assert_int_equal(nodes_that_take(&next), 4);
    WAIT_FOR(says(2, 2, "1 fragment is gone from its disk"));
    WAIT_FOR(says(0, 2, "1 fragment is gone from its disk"));
    assert_true(status_says(2, "1 fragment is gone"));
    assert_true(log_says(2, "1 fragment is gone from "));
    free(pack.bytes);
    free(next.bytes);
}

static void fragments_that_come_back_are_known_without_a_restart(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct lab_pack pack = lab_pack(PACK_BYTES);
    struct redundancy held;
    char away[512];
    assert_int_equal(nodes_that_take(&pack), 4);
    snprintf(away, sizeof(away), "%s/away", lab.dir);
    assert_int_equal(rename(in_data(1, "fragments"), away), 0);
    lab_ok(client_pin_packs(lab_client(&lab, 0), &lab.pin, &pack.id, 1, false, NULL, &held, &err));
    assert_int_equal(held.nodes, 3);
    WAIT_FOR(access(in_data(1, "fragments"), F_OK) == 0);
    remove_tree(in_data(1, "fragments"));
    assert_int_equal(rename(away, in_data(1, "fragments")), 0);
    WAIT_FOR(client_pin_packs(lab_client(&lab, 0), &lab.pin, &pack.id, 1, false, NULL, &held,
                              &err) == 0 &&
             held.nodes == 4);
    WAIT_FOR(says(0, 1, ""));
    free(pack.bytes);
}

/* ---- a disk that hangs ---- */

static bool with_disk, has_disk; /* the third node is to have one of its own, and has it */

static bool run(const char *const words[])
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* An ext4 in a file over the third node's data directory; false: this machine does not let us. */
static bool mount_disk(void)
{
    char image[128];
    const char *where = lab.nodes[2].config.data_dir;
    snprintf(image, sizeof(image), "%s/disk", lab.dir);
    int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, 64 << 20) == 0);
    close(fd);
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           run((const char *const[]){"mkfs.ext4", "-q", image, NULL}) &&
           run((const char *const[]){"mount", "-o", "loop", image, where, NULL}) &&
           store_create(where, &lab.nodes[2].keys->node, NULL) == 0;
}

static int freeze(bool frozen)
{
    int fd = open(lab.nodes[2].config.data_dir, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -1 : ioctl(fd, frozen ? FIFREEZE : FITHAW, 0);
    if (fd >= 0)
        close(fd);
    return result;
}

/* How many times `by` saw `of` suspect or dead. */
static size_t doubts(size_t by, size_t of)
{
    struct err err = ERR_INIT;
    struct member_list list;
    size_t count = 0;
    const struct members_wanted wanted = {.members = true, .events_max = CLIENT_EVENTS_MAX};
    lab_ok(client_members_wanted(lab_client(&lab, by), &wanted, &list, &err));
    for (size_t i = 0; i < list.event_count; i++)
        count += strcmp(list.events[i].name, lab.nodes[of].config.name) == 0 &&
                 (strcmp(list.events[i].kind, "suspect") == 0 ||
                  strcmp(list.events[i].kind, "dead") == 0);
    member_list_release(&list);
    return count;
}

static void a_node_whose_disk_hangs_is_alive_and_says_so(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct node_status status;
    struct lab_pack pack = lab_pack((size_t)8 << 20), next = lab_pack((size_t)8 << 20);
    if (!has_disk) {
        print_message("(needs root, and an ext4 on a loop device)\n");
        skip();
    }
    assert_int_equal(nodes_that_take(&pack), 4);
    size_t before = doubts(0, 2);
    assert_int_equal(freeze(true), 0);
    assert_int_equal(nodes_that_take(&next), 3);
    int64_t end_ms = monotonic_ms() + LAB_WAIT_MS;
    while (!says(0, 2, "its disk hangs") && monotonic_ms() < end_ms)
        usleep(20000);
    assert_true(says(0, 2, "its disk hangs"));
    assert_true(says(2, 2, "its disk hangs")); /* who waits for nothing still answers there */
    lab_ok(client_status(lab_client(&lab, 2), &status, &err));
    assert_non_null(strstr(status.state, "the disk hangs"));
    assert_int_equal(lab_alive_at(&lab, 0), 4);
    assert_int_equal(doubts(0, 2), before);
    assert_int_equal(freeze(false), 0);
    WAIT_FOR(says(0, 2, "") && says(2, 2, ""));
    lab_ok(client_status(lab_client(&lab, 2), &status, &err));
    assert_string_equal(status.state, "serving");
    free(pack.bytes);
    free(next.bytes);
}

static int setup(void **state)
{
    (void)state;
    if (rs_setup(NULL) != 0)
        return -1;
    lab_init(&lab);
    for (size_t i = 0; i < 4; i++)
        lab_add_node(&lab, (uint64_t)1 << 30);
    if (with_disk)
        has_disk = mount_disk();
    for (size_t i = 0; i < 4; i++)
        lab_start_node(&lab, i);
    lab_settle(&lab);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (has_disk)
        (void)freeze(false); /* a test that failed may have left it so */
    for (size_t i = 0; has_disk && i < lab.count; i++)
        lab_end_node(&lab, i, SIGTERM);
    if (has_disk && umount(lab.nodes[2].config.data_dir) != 0)
        return -1;
    has_disk = false;
    lab_release(&lab);
    return 0;
}

static int setup_disk(void **state)
{
    with_disk = true;
    int result = setup(state);
    with_disk = false;
    return result;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--node") == 0)
        return lab_node_main(argv[2]);
    if (sodium_init() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(a_node_whose_fragments_were_removed_takes_others_and_says_what_it_lost),
        TEST(fragments_that_come_back_are_known_without_a_restart),
        cmocka_unit_test_setup_teardown(a_node_whose_disk_hangs_is_alive_and_says_so, setup_disk,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
