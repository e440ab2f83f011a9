#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "report.h"

static char *temporary_name(const char *target)
{
    static const char name[] = ".deeptepp-XXXXXX";
    const char *slash = strrchr(target, '/');
    size_t folder = slash ? (size_t)(slash - target) + 1 : 0;
    char *path = malloc(folder + sizeof name);
    if (!path)
        return NULL;
    memcpy(path, target, folder);
    memcpy(path + folder, name, sizeof name);
    return path;
}

static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return (mode_t)(0666 & ~mask);
}

/* A new file is as open as any; one that takes another's place is whose that was, as far as the system allows, and as
 * open as that was. A group that cannot be kept leaves the new one with what all others have. */
static void set_owner_and_mode(int descriptor, const char *target)
{
    struct stat old;
    mode_t mode = usual_mode();
    if (stat(target, &old) == 0) {
        mode = old.st_mode & 0777;
        if (fchown(descriptor, old.st_uid, old.st_gid) != 0 && fchown(descriptor, (uid_t)-1, old.st_gid) != 0)
            mode = (mode & 0707) | (mode & 0007) << 3;
    }
    (void)!fchmod(descriptor, mode); /* a file system without modes is no reason to fail */
}

static FILE *open_temporary(char *name, const char *target)
{
    int descriptor = mkstemp(name);
    if (descriptor < 0)
        return NULL;
    set_owner_and_mode(descriptor, target);
    FILE *file = fdopen(descriptor, "wb");
    if (!file) {
        close(descriptor);
        unlink(name);
    }
    return file;
}

/* Opened anew, a file that the shell appends to would be emptied. */
static FILE *open_copy(int descriptor)
{
    const int copy = dup(descriptor);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "wb");
    if (!file && copy >= 0)
        close(copy);
    return file;
}

static void forget(cli_output *output)
{
    free(output->path);
    free(output->temporary);
    free(output->target);
    memset(output, 0, sizeof *output);
}

static int open_file(cli_output *output)
{
    const int descriptor = cli_file_descriptor(output->path);
    if (descriptor >= 0) {
        output->file = open_copy(descriptor);
    } else if (cli_file_in_place(output->path)) {
        output->file = fopen(output->path, "wb");
    } else {
        output->temporary = temporary_name(output->target);
        if (!output->temporary)
            return cli_fail_memory("a file name");
        output->file = open_temporary(output->temporary, output->target);
    }
    return output->file ? CLI_OK : cli_fail_write(output->path);
}

int cli_output_open(cli_output *output, const char *path)
{
    struct stat found;
    memset(output, 0, sizeof *output);
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return cli_fail(CLI_FILE, "%s: is a folder, wanted a file", path);
    output->path = strdup(path);
    output->target = cli_file_target(path);
    const int code = output->path && output->target ? open_file(output) : cli_fail_write(path);
    if (code)
        forget(output);
    return code;
}

static bool close_whole(cli_output *output)
{
    bool fine = fflush(output->file) == 0 && !ferror(output->file);
    if (fine && output->temporary)
        fine = fsync(fileno(output->file)) == 0 || errno == EINVAL;
    int reason = errno;
    if (fclose(output->file) != 0)
        return false;
    errno = reason;
    return fine;
}

int cli_output_commit(cli_output *output)
{
    bool fine = close_whole(output);
    if (fine && output->temporary)
        fine = rename(output->temporary, output->target) == 0;
    int code = fine ? CLI_OK : cli_fail_write(output->path);
    if (!fine && output->temporary)
        unlink(output->temporary);
    forget(output);
    return code;
}

void cli_output_abandon(cli_output *output)
{
    if (output->file)
        fclose(output->file);
    if (output->file && output->temporary)
        unlink(output->temporary);
    forget(output);
}

/* Descriptor 1 is opened for reading, so that writing to it fails as it should for a closed one. */
void cli_stdio_secure(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", descriptor == 2 ? O_WRONLY : O_RDONLY);
}

int cli_stdout_finish(void)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && fclose(stdout) == 0 && !failed)
        return CLI_OK;
    return errno ? cli_fail_write("standard output") : cli_fail(CLI_FILE, "standard output: cannot be written");
}
