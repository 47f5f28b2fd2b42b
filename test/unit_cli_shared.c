/* A recover by root, where another user was before it, or is beside it. Needs root, and says so. */
#include "test/vault_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define STRANGER 54321 /* another user */

static int recover_to(const char *to, bool into_shared, struct recover_result *recovered,
                      struct err *err)
{
    const struct recover_options options = {.to = to, .into_shared = into_shared};
    return recover("latest", &options, recovered, err);
}

static mode_t mode_of(const char *path)
{
    struct stat found;
    assert_int_equal(lstat(path, &found), 0);
    return found.st_mode & 07777;
}

static void make_strangers(const char *path, mode_t mode)
{
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
    assert_int_equal(chown(path, STRANGER, STRANGER), 0);
}

static void assert_refused(const char *to, bool into_shared)
{
    struct err err = ERR_INIT;
    struct recover_result recovered;
    char *inside = alloc_format("%s/tmp", to);
    assert_int_equal(recover_to(to, into_shared, &recovered, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.text, to));
    assert_int_equal(access(inside, F_OK), -1);
    free(inside);
}

static void a_target_of_another_user_is_refused_unless_told(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 100, 1);
    store_well(&result);
    make_strangers(target, 0755);
    assert_refused(target, false);
    assert_int_equal(recover_to(target, true, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_same_file("a");
}

static void a_target_that_others_may_write_is_refused(void **state)
{
    (void)state;
    struct store_result result;
    make_file("a", 100, 1);
    store_well(&result);
    assert_int_equal(mkdir(target, 0700), 0);
    assert_int_equal(chmod(target, 01777), 0);
    assert_refused(target, false);
    assert_int_equal(chmod(target, 0770), 0);
    assert_refused(target, false);
}

static void a_folder_of_another_user_in_the_target_is_refused_and_the_rest_comes(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_folder("private");
    make_file("private/a", 100, 1);
    make_file("b", 100, 2);
    char *private = alloc_format("%s/private", source);
    assert_int_equal(chmod(private, 0700), 0);
    store_well(&result);
    recover_well("latest", &recovered);
    char *waiting = alloc_format("%s%s/private", target, source);
    char *file = alloc_format("%s/a", waiting);
    assert_int_equal(remove_tree(waiting), 0);
    make_strangers(waiting, 0777);
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(recovered.problems, 1);
    assert_non_null(strstr(problem_path, "/private"));
    assert_int_equal(access(file, F_OK), -1);
    assert_same_file("b");
    /* Root's own, but open to everybody. */
    assert_int_equal(chown(waiting, 0, 0), 0);
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(recover_to(target, true, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_same_file("private/a");
    free(file);
    free(waiting);
    free(private);
}

static void a_link_of_another_user_on_the_way_is_not_followed(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 100, 1);
    store_well(&result);
    char *link = alloc_format("%s/link", base), *below = alloc_format("%s/link/below", base);
    assert_int_equal(mkdir(target, 0755), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(lchown(link, STRANGER, STRANGER), 0);
    assert_refused(link, false);
    assert_refused(link, true);
    assert_refused(below, false);
    /* Root's own links are meant. */
    assert_int_equal(lchown(link, 0, 0), 0);
    assert_int_equal(recover_to(link, false, &recovered, &err), 0);
    assert_same_file("a");
    assert_int_equal(recover_to(below, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    free(below);
    free(link);
}

static void a_folder_that_an_earlier_run_gave_to_its_owner_is_gone_into_again(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_folder("home");
    make_folder("home/shared");
    make_file("home/shared/a", 100, 1);
    make_file("home/b", 100, 2);
    make_file("c", 100, 3);
    char *home = alloc_format("%s/home", source), *shared = alloc_format("%s/shared", home);
    char *there = alloc_format("%s%s/home", target, source), *file = alloc_format("%s/b", there);
    assert_int_equal(chown(home, STRANGER, STRANGER), 0);
    assert_int_equal(chmod(home, 0750), 0);
    assert_int_equal(chown(shared, STRANGER, STRANGER), 0);
    assert_int_equal(chmod(shared, 02775), 0);
    store_well(&result);
    recover_well("latest", &recovered);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_same_file("home/b");
    /* What that user has opened to others since is not what the snapshot says. */
    assert_int_equal(unlink(file), 0);
    assert_int_equal(chmod(there, 0755), 0);
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(access(file, F_OK), -1);
    free(file);
    free(there);
    free(shared);
    free(home);
}

/* ---- what others see meanwhile --------------------------------------------------------------- */

static char *watched;
static unsigned begun;   /* temporary files seen */
static char bared[4096]; /* what others could see; noted in a thread that must not fail a test */

static int look(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)kind;
    bool temporary = strncmp(path + place->base, ".ecbak-", 7) == 0 && watched != target;
    begun += temporary;
    if ((temporary && (found->st_mode & 07077) != 0) ||
        (S_ISDIR(found->st_mode) && place->level == 0 && watched == target &&
         (found->st_mode & 0077) != 0))
        snprintf(bared, sizeof(bared), "%s with mode %o", path, found->st_mode & 07777);
    return 0;
}

static void look_around(void)
{
    (void)nftw(watched, look, 8, FTW_PHYS);
}

static void only_the_owner_sees_what_is_not_complete(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("big", 40 * 1000 * 1000, 1);
    char *path = alloc_format("%s/big", source);
    assert_int_equal(chmod(path, 04755), 0);
    store_well(&result);
    /* Below a folder that is made: that folder hides it. */
    watched = target;
    bared[0] = '\0';
    fake.before_answer = look_around;
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    fake.before_answer = NULL;
    assert_string_equal(bared, "");
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_same_file("big");
    assert_int_equal(mode_of(target), 0755);
    free(path);
}

static void a_file_in_an_open_folder_is_its_owners_until_it_is_complete(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("big", 40 * 1000 * 1000, 1);
    char *path = alloc_format("%s/big", source);
    assert_int_equal(chmod(path, 04755), 0);
    store_well(&result);
    recover_well("latest", &recovered);
    watched = alloc_format("%s%s", target, source);
    char *there = alloc_format("%s/big", watched);
    assert_int_equal(unlink(there), 0);
    begun = 0;
    bared[0] = '\0';
    fake.before_answer = look_around;
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    fake.before_answer = NULL;
    assert_string_equal(bared, "");
    assert_int_equal(recovered.outcome, JOB_DONE);
    assert_true(begun > 0);
    assert_int_equal(mode_of(there), 04755);
    free(there);
    free(watched);
    free(path);
}

/* ---- races ----------------------------------------------------------------------------------- */

static bool traps;          /* names are given to other files while they are used */
static const char *swapped; /* a folder of this name is another user's as soon as it is made */

int mkdirat(int folder, const char *name, mode_t mode)
{
    int result = (int)syscall(SYS_mkdirat, folder, name, mode);
    if (result == 0 && swapped != NULL && strcmp(name, swapped) == 0) {
        assert_int_equal(renameat(folder, name, folder, "moved"), 0);
        assert_int_equal(syscall(SYS_mkdirat, folder, name, 0777), 0);
        assert_int_equal(fchownat(folder, name, STRANGER, STRANGER, 0), 0);
    }
    return result;
}

/* Another name of the victim comes to where a fifo was just made. */
int mknodat(int folder, const char *name, mode_t mode, dev_t device)
{
    int result = (int)syscall(SYS_mknodat, folder, name, mode, device);
    if (result == 0 && traps) {
        char *victim = alloc_format("%s/victim", base);
        assert_int_equal(unlinkat(folder, name, 0), 0);
        assert_int_equal(syscall(SYS_linkat, AT_FDCWD, victim, folder, name, 0), 0);
        free(victim);
    }
    return result;
}

/* Another file comes to the name that is linked to. */
int linkat(int folder, const char *name, int to_folder, const char *to, int flags)
{
    if (traps) {
        assert_int_equal(unlinkat(folder, name, 0), 0);
        assert_int_equal(syscall(SYS_mknodat, folder, name, S_IFREG | 0666, 0), 0);
    }
    return (int)syscall(SYS_linkat, folder, name, to_folder, to, flags);
}

static void a_file_that_takes_the_place_of_a_fifo_is_not_given_away(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    struct stat found;
    make_file("a", 100, 1);
    char *fifo = alloc_format("%s/fifo", source), *victim = alloc_format("%s/victim", base);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(chown(fifo, STRANGER, STRANGER), 0);
    store_well(&result);
    assert_int_equal(mkfifo(victim, 0600), 0);
    traps = true;
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    traps = false;
    assert_int_equal(lstat(victim, &found), 0);
    assert_int_equal(found.st_uid, 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_same_file("a");
    free(victim);
    free(fifo);
}

static void a_file_that_takes_the_place_of_another_name_is_not_linked_to(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_file("a", 100, 1);
    char *first = alloc_format("%s/a", source), *second = alloc_format("%s/b", source);
    char *there = alloc_format("%s%s/b", target, source);
    assert_int_equal(link(first, second), 0);
    store_well(&result);
    traps = true;
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    traps = false;
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_int_equal(access(there, F_OK), -1);
    free(there);
    free(second);
    free(first);
}

static void a_folder_that_is_not_the_one_just_made_is_not_gone_into(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_result result;
    struct recover_result recovered;
    make_folder("x");
    make_file("x/a", 100, 1);
    make_file("b", 100, 2);
    store_well(&result);
    swapped = "x";
    assert_int_equal(recover_to(target, false, &recovered, &err), 0);
    assert_int_equal(recovered.outcome, JOB_INCOMPLETE);
    assert_non_null(strstr(problem_path, "/x"));
    char *file = alloc_format("%s%s/x/a", target, source);
    assert_int_equal(access(file, F_OK), -1);
    assert_same_file("b");
    free(file);
    assert_int_equal(remove_tree(target), 0);
    swapped = "target";
    assert_refused(target, false);
    swapped = NULL;
}

/* ---- another user ---------------------------------------------------------------------------- */

static int give_away(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    (void)place;
    return lchown(path, STRANGER, STRANGER);
}

static bool comes_back_to_its_user(void)
{
    struct err err = ERR_INIT;
    struct recover_result recovered;
    bool whole = setgid(STRANGER) == 0 && setuid(STRANGER) == 0 &&
                 recover_to(target, false, &recovered, &err) == 0 && recovered.outcome == JOB_DONE;
    if (!whole)
        print_error("%s; %u problems, the last with %s\n", err.text, problems, problem_path);
    return whole;
}

static void an_ordinary_user_recovers_wherever_that_user_may_write(void **state)
{
    (void)state;
    struct store_result result;
    int status;
    make_folder("x");
    make_file("x/a", 100, 1);
    store_well(&result);
    make_strangers(target, 0777);
    assert_int_equal(nftw(base, give_away, 8, FTW_PHYS), 0);
    assert_int_equal(chown(target, 0, 0), 0); /* somebody else's, open to all */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(comes_back_to_its_user() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_same_file("x/a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_target_of_another_user_is_refused_unless_told),
        TEST(a_target_that_others_may_write_is_refused),
        TEST(a_folder_of_another_user_in_the_target_is_refused_and_the_rest_comes),
        TEST(a_link_of_another_user_on_the_way_is_not_followed),
        TEST(a_folder_that_an_earlier_run_gave_to_its_owner_is_gone_into_again),
        TEST(only_the_owner_sees_what_is_not_complete),
        TEST(a_file_in_an_open_folder_is_its_owners_until_it_is_complete),
        TEST(a_file_that_takes_the_place_of_a_fifo_is_not_given_away),
        TEST(a_file_that_takes_the_place_of_another_name_is_not_linked_to),
        TEST(a_folder_that_is_not_the_one_just_made_is_not_gone_into),
        TEST(an_ordinary_user_recovers_wherever_that_user_may_write),
    };
    if (geteuid() != 0) {
        printf("(needs root: nothing of what another user may do to a recover was tested)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
