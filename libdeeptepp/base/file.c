#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static deeptepp_status fail_system(int number, deeptepp_error *error)
{
    char reason[128];
    dtp_system_error(number, reason, sizeof reason);
    return dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "cannot be read: %s, wanted a readable file", reason);
}

/* Whoever sees the link in a listing does not believe that nothing is there. */
static deeptepp_status fail_missing(const char *path, deeptepp_error *error)
{
    char target[512];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_MISSING, "does not exist, wanted a file");
    target[length] = '\0';
    if (strstr(target, "/annex/objects/"))
        return dtp_fail(error, DEEPTEPP_ERR_FILE_POINTER,
                        "a link of git-annex to content that is not here, wanted the file: run `git annex get`");
    return dtp_fail(error, DEEPTEPP_ERR_FILE_MISSING, "is a link that leads nowhere, to \"%s\", wanted a file", target);
}

static deeptepp_status check_kind(int fd, uint64_t *size, deeptepp_error *error)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return fail_system(errno, error);
    *size = (uint64_t)about.st_size;
    if (S_ISREG(about.st_mode))
        return DEEPTEPP_OK;
    if (S_ISDIR(about.st_mode))
        return dtp_fail(error, DEEPTEPP_ERR_FILE_READ,
                        "is a folder, wanted a regular file: name a file in it (if it holds DICOM slices, convert them "
                        "to NIfTI first, e.g. with dcm2niix)");
    return dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "is a pipe, socket or device, wanted a regular file");
}

/* O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; a regular file does not mind. */
deeptepp_status dtp_file_open(int *fd, uint64_t *size, const char *path, deeptepp_error *error)
{
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? fail_missing(path, error) : fail_system(errno, error);
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
