#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "volume.h"

/* Where the shell leads these into a regular file they look like one, and a rename would leave it with the old one. */
static int descriptor_named(const char *path)
{
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    int number = -1;
    for (int i = 0; i < 3; i++)
        if (strcmp(path, names[i]) == 0)
            return i;
    for (size_t i = 0; i < CLI_COUNT(folders); i++) {
        const size_t length = strlen(folders[i]);
        if (strncmp(path, folders[i], length) == 0 && !path[length + strspn(path + length, "0123456789")])
            sscanf(path + length, "%9d", &number);
    }
    return number;
}

int cli_file_descriptor(const char *path)
{
    char *target = cli_file_target(path);
    const int number = target ? descriptor_named(target) : -1;
    free(target);
    return number;
}

/* Renaming onto a device would replace it by a file. */
bool cli_file_in_place(const char *path)
{
    struct stat found;
    if (cli_file_descriptor(path) >= 0)
        return true;
    return stat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
}

/* One link further, to be freed; NULL: it is no link, or no memory. */
static char *follow(const char *path)
{
    char text[4096];
    const char *slash = strrchr(path, '/');
    const ssize_t length = readlink(path, text, sizeof text);
    if (length < 0 || length == (ssize_t)sizeof text)
        return NULL;
    const size_t folder = slash && text[0] != '/' ? (size_t)(slash - path) + 1 : 0;
    char *next = malloc(folder + (size_t)length + 1);
    if (!next)
        return NULL;
    memcpy(next, path, folder);
    memcpy(next + folder, text, (size_t)length);
    next[folder + (size_t)length] = '\0';
    return next;
}

/* A rename must replace the file a link leads to, not the link, also where that file is still to be made. The system is
 * asked first: it knows loops, and links that somebody else laid into a folder of all. */
char *cli_file_target(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0 && errno != ENOENT && errno != ENOTDIR)
        return NULL;
    char *target = strdup(path);
    for (char *next = NULL; target && descriptor_named(target) < 0 && (next = follow(target));) {
        free(target);
        target = next;
    }
    return target;
}

bool cli_file_has_ending(const char *path, const char *ending)
{
    const size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcasecmp(path + length - tail, ending) == 0;
}

static bool is_folder(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static int check_name(const cli_path *output, const char *const *endings)
{
    const char *path = output->path;
    if (strcmp(path, "-") == 0)
        return cli_fail(CLI_USAGE, "--%s: found '-', wanted a file (/dev/stdout is the standard output)",
                        output->option);
    if (cli_file_in_place(path) || is_folder(path))
        return CLI_OK;
    for (size_t i = 0; endings[i]; i++)
        if (cli_file_has_ending(path, endings[i]))
            return CLI_OK;
    return cli_fail(CLI_USAGE, "--%s: found '%s', wanted a name that ends in %s%s%s", output->option, path, endings[0],
                    endings[1] ? " or " : "", endings[1] ? endings[1] : "");
}

/* To be freed; NULL: no memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Two files that are not there yet. */
static bool is_same_name(const char *a, const char *b)
{
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    char *folder_a = folder_of(a), *folder_b = folder_of(b);
    struct stat x, y;
    const bool same = folder_a && folder_b && stat(folder_a, &x) == 0 && stat(folder_b, &y) == 0 &&
                      x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    free(folder_a);
    free(folder_b);
    return same && strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) == 0;
}

static bool is_same_target(const char *a, const char *b)
{
    char *target_a = cli_file_target(a), *target_b = cli_file_target(b);
    const bool same = target_a && target_b && is_same_name(target_a, target_b);
    free(target_a);
    free(target_b);
    return same;
}

/* /dev/null and its like take two outputs, and lose nothing. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    const bool a_exists = stat(a, &x) == 0, b_exists = stat(b, &y) == 0;
    if (a_exists && b_exists)
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino && !S_ISCHR(x.st_mode);
    return !a_exists && !b_exists && is_same_target(a, b);
}

static int check_apart(const cli_path *output, const cli_path *others, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *path = cli_volume_path(others[i].path);
        const bool same = path && is_same_file(output->path, path);
        free(path);
        if (!path)
            return cli_fail_memory("a file name");
        if (same)
            return cli_fail(CLI_USAGE, "--%s: is the --%s; wanted another file", output->option, others[i].option);
    }
    return CLI_OK;
}

static int check_folder_of(const char *path, const char *folder)
{
    struct stat found;
    if (stat(folder, &found) != 0 && errno == ENOENT)
        return cli_fail(CLI_FILE, "%s: the folder %s does not exist (make it first)", path, folder);
    if (stat(folder, &found) == 0 && !S_ISDIR(found.st_mode))
        return cli_fail(CLI_FILE, "%s: %s is a file, wanted a folder", path, folder);
    if (access(folder, W_OK | X_OK) != 0)
        return cli_fail(CLI_FILE, "%s: the folder %s cannot be written: %s", path, folder, strerror(errno));
    return CLI_OK;
}

/* A rename needs no permission to write the file that it replaces; its owner may have meant that nobody does. */
static int check_writable(const char *path)
{
    if (is_folder(path))
        return cli_fail(CLI_FILE, "%s: is a folder, wanted a file", path);
    if (access(path, W_OK) != 0 && errno != ENOENT && errno != ENOTDIR)
        return cli_fail_write(path);
    if (cli_file_in_place(path))
        return CLI_OK;
    char *target = cli_file_target(path), *folder = target ? folder_of(target) : NULL;
    const int code = folder ? check_folder_of(path, folder) : cli_fail_write(path);
    free(target);
    free(folder);
    return code;
}

int cli_outputs_check(const cli_path *outputs, size_t count, const char *const *endings, const cli_path *inputs,
                      size_t input_count)
{
    int code = CLI_OK;
    for (size_t i = 0; !code && i < count; i++)
        code = check_apart(&outputs[i], inputs, input_count);
    for (size_t i = 1; !code && i < count; i++)
        code = check_apart(&outputs[i], outputs, i);
    for (size_t i = 0; !code && i < count; i++)
        code = check_name(&outputs[i], endings);
    for (size_t i = 0; !code && i < count; i++)
        code = check_writable(outputs[i].path);
    return code;
}
