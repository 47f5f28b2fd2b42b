/* The answer comes by a pipe, what it says on stderr by a file: two pipes could block each
 * other. */
#include "cli/base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_program(char path[PROGRAM_PATH_MAX], const char *folder, size_t length)
{
    return length > 0 && length < PROGRAM_PATH_MAX - 32 &&
           snprintf(path, PROGRAM_PATH_MAX, "%.*s/ecbakd", (int)length, folder) > 0 &&
           access(path, X_OK) == 0;
}

int program_find_daemon(char path[PROGRAM_PATH_MAX], struct err *err)
{
    char self[PROGRAM_PATH_MAX - 32], beside[PROGRAM_PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (size > 0) {
        self[size] = '\0';
        *strrchr(self, '/') = '\0';
        snprintf(beside, sizeof(beside), "%s/../sbin", self);
        if (is_program(path, self, strlen(self)) || is_program(path, beside, strlen(beside)))
            return 0;
    }
    const char *search = getenv("PATH");
    for (const char *at = search; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ":");
        if (is_program(path, at, length))
            return 0;
        at += length + (at[length] == ':');
    }
    static const char *const folders[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (is_program(path, folders[i], strlen(folders[i])))
            return 0;
    return err_set(err, ERR_NOT_FOUND, "no program ecbakd beside ecbak, in $PATH or in sbin");
}

/* Reads to the end of file, keeping what fits. */
static void read_text(int file, char *text, size_t room)
{
    char rest[256];
    size_t used = 0;
    for (;;) {
        bool fits = used + 1 < room;
        ssize_t got =
            fits ? read(file, text + used, room - 1 - used) : read(file, rest, sizeof(rest));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (fits)
            used += (size_t)got;
    }
    text[used] = '\0';
}

int program_ask(const char *const *argv, char *line, size_t room, struct err *err)
{
    int out[2], status = 0;
    char said[ERR_TEXT_MAX / 2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return err_errno(err, "making a pipe");
    FILE *stderr_file = tmpfile();
    fflush(NULL);
    pid_t pid = stderr_file == NULL ? -1 : fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(fileno(stderr_file), STDERR_FILENO);
        close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    if (pid < 0)
        err_errno(err, "running %s", argv[0]);
    close(out[1]);
    read_text(out[0], line, room);
    close(out[0]);
    line[strcspn(line, "\n")] = '\0';
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0) {
        rewind(stderr_file);
        size_t size = fread(said, 1, sizeof(said) - 1, stderr_file);
        said[size] = '\0';
        said[strcspn(said, "\n")] = '\0';
        err_set(err, ERR_IO, "%s failed: %s", argv[0], said);
    }
    if (stderr_file != NULL)
        fclose(stderr_file);
    return pid > 0 && status == 0 ? 0 : -1;
}
