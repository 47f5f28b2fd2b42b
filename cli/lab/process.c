/* pidfds close the gap between looking at a process and signalling it: the descriptor is opened
 * first, then the start time is compared, and the signal goes to the descriptor. */
#include "cli/lab/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ui/waiting.h"

#define BOOT_ID_SIZE 37

struct process_identity {
    int64_t pid;
    uint64_t start; /* clock ticks after boot, from /proc/PID/stat */
};

static bool read_boot_id(char boot[BOOT_ID_SIZE])
{
    FILE *in = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool read = in != NULL && fgets(boot, BOOT_ID_SIZE, in) != NULL;
    if (in != NULL)
        fclose(in);
    return read;
}

/* The start time of a process that runs; false when there is none, or only a zombie. */
static bool start_time(uint64_t *start, int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return false;
    size_t size = fread(text, 1, sizeof(text) - 1, in);
    fclose(in);
    text[size] = '\0';
    /* The second field is the program's name in brackets, with whatever is in it; the state is the
     * third field and the start time the twenty-second. */
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return false;
    for (int field = 2; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return false;
    errno = 0;
    *start = strtoull(at, NULL, 10);
    return errno == 0;
}

static bool read_identity(struct process_identity *identity, const struct lab *lab,
                          const struct lab_node *node)
{
    char path[LAB_PATH_MAX], text[128] = "", boot[BOOT_ID_SIZE], *at = text;
    lab_node_path(path, lab, node, "pid");
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return false;
    bool read = fgets(text, sizeof(text), in) != NULL;
    fclose(in);
    errno = 0;
    identity->pid = strtoll(at, &at, 10);
    identity->start = strtoull(at, &at, 10);
    at[strcspn(at, "\n")] = '\0';
    return read && errno == 0 && identity->pid > 1 && identity->pid <= INT32_MAX &&
           read_boot_id(boot) && at[0] == ' ' && strcmp(at + 1, boot) == 0;
}

static int write_identity(const struct lab *lab, const struct lab_node *node, pid_t pid,
                          struct err *err)
{
    char path[LAB_PATH_MAX], boot[BOOT_ID_SIZE];
    uint64_t start;
    if (!start_time(&start, pid) || !read_boot_id(boot))
        return err_set(err, ERR_IO, "/proc does not tell about process %d", (int)pid);
    lab_node_path(path, lab, node, "pid");
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return err_errno(err, "writing %s", path);
    fprintf(out, "%d %" PRIu64 " %s\n", (int)pid, start, boot);
    if (fclose(out) != 0)
        return err_errno(err, "writing %s", path);
    return 0;
}

/* A descriptor of the running process, -1 when it does not run. */
static int open_process(const struct lab *lab, const struct lab_node *node, pid_t *pid)
{
    struct process_identity identity;
    uint64_t start;
    if (!read_identity(&identity, lab, node))
        return -1;
    int file = pidfd_open((pid_t)identity.pid, 0);
    if (file < 0)
        return -1;
    if (!start_time(&start, identity.pid) || start != identity.start) {
        close(file);
        return -1;
    }
    *pid = (pid_t)identity.pid;
    return file;
}

pid_t process_running(const struct lab *lab, const struct lab_node *node)
{
    pid_t pid = 0;
    int file = open_process(lab, node, &pid);
    if (file < 0)
        return 0;
    close(file);
    return pid;
}

/* In the child: everything up to exec. Waits for a byte from the parent, so that the pid file is
 * there before the daemon is; when the parent died, none comes. */
static void become_daemon(const char *program, const char *config, const char *log, int start)
{
    char go;
    setsid();
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0 || read(start, &go, 1) != 1)
        _exit(127);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    execl(program, "ecbakd", "--config", config, (char *)NULL);
    fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

int process_start(const struct lab *lab, const struct lab_node *node, const char *program,
                  struct err *err)
{
    char config[LAB_PATH_MAX], log[LAB_PATH_MAX];
    int go[2]; /* a pipe */
    lab_node_path(config, lab, node, "ecbakd.conf");
    lab_node_path(log, lab, node, "log");
    if (pipe2(go, O_CLOEXEC) != 0)
        return err_errno(err, "making a pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        become_daemon(program, config, log, go[0]);
    }
    int status = pid < 0 ? err_errno(err, "starting %s", node->name) : 0;
    if (status == 0)
        status = write_identity(lab, node, pid, err);
    close(go[0]);
    if (status == 0 && write(go[1], "g", 1) != 1)
        status = err_errno(err, "starting %s", node->name);
    close(go[1]);
    return status;
}

static bool await_end(struct pollfd *wait, int timeout_ms, const char *name)
{
    int silent_ms = timeout_ms < WAITING_SILENCE_MS ? timeout_ms : WAITING_SILENCE_MS;
    struct waiting waiting;
    waiting_init(&waiting);
    if (poll(wait, 1, silent_ms) == 1)
        return true;
    waiting_tell(&waiting, "waiting for %s to end, for %d s at most", name,
                 (timeout_ms - silent_ms) / 1000);
    return poll(wait, 1, timeout_ms - silent_ms) == 1;
}

int process_end(const struct lab *lab, const struct lab_node *node, int signal, int timeout_ms,
                bool *was_running, struct err *err)
{
    pid_t pid;
    int file = open_process(lab, node, &pid);
    *was_running = file >= 0;
    if (file < 0)
        return 0;
    int status = 0;
    struct pollfd wait = {.fd = file, .events = POLLIN};
    if (pidfd_send_signal(file, signal, NULL, 0) != 0 && errno != ESRCH)
        status = err_errno(err, "ending %s (process %d)", node->name, (int)pid);
    else if (!await_end(&wait, timeout_ms, node->name))
        status = err_set(err, ERR_TIMEOUT, "%s (process %d) did not end in %d s", node->name,
                         (int)pid, timeout_ms / 1000);
    else
        waitpid(pid, NULL, WNOHANG); /* when it is our own child */
    close(file);
    return status;
}

void process_last_line(char last[ERR_TEXT_MAX / 2], const struct lab *lab,
                       const struct lab_node *node)
{
    char path[LAB_PATH_MAX], line[ERR_TEXT_MAX / 2];
    last[0] = '\0';
    lab_node_path(path, lab, node, "log");
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return;
    while (fgets(line, sizeof(line), in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            memcpy(last, line, sizeof(line));
    }
    fclose(in);
}
