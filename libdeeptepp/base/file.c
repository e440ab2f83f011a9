#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static deeptepp_status fail_system(int number, deeptepp_error *error)
{
    char reason[128];
    if (number == ENOENT || number == ENOTDIR)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_MISSING, "does not exist, wanted a file");
    dtp_system_error(number, reason, sizeof reason);
    return dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "cannot be read: %s, wanted a readable file", reason);
}

static deeptepp_status check_kind(int fd, uint64_t *size, deeptepp_error *error)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return fail_system(errno, error);
    *size = (uint64_t)about.st_size;
    if (S_ISREG(about.st_mode))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "is %s, wanted a regular file",
                    S_ISDIR(about.st_mode) ? "a folder" : "a pipe, socket or device");
}

/* O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; a regular file does not mind. */
deeptepp_status dtp_file_open(int *fd, uint64_t *size, const char *path, deeptepp_error *error)
{
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return fail_system(errno, error);
    deeptepp_status status = check_kind(*fd, size, error);
    if (status != DEEPTEPP_OK) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

deeptepp_status dtp_file_read(int fd, void *out, size_t size, size_t *got, deeptepp_error *error)
{
    ssize_t result;
    do
        result = read(fd, out, size);
    while (result < 0 && errno == EINTR);
    *got = result < 0 ? 0 : (size_t)result;
    return result < 0 ? fail_system(errno, error) : DEEPTEPP_OK;
}
