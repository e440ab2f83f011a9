#include "volume.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"
#include "progress.h"
#include "report.h"

/* A path and the volume chosen in it. */
typedef struct cli_volume_name {
    size_t path_length;
    const char *mark; /* from the '#' on; "" without one */
    int64_t number;   /* behind it, INT64_MAX for any larger; -1 without one */
} cli_volume_name;

/* A '#' chooses where digits alone follow, and no file has just that name. */
static cli_volume_name read_name(const char *text)
{
    const char *mark = strrchr(text, '#'), *digits = mark ? mark + 1 : "";
    cli_volume_name name = {strlen(text), "", -1};
    if (!*digits || digits[strspn(digits, "0123456789")] || access(text, F_OK) == 0)
        return name;
    name = (cli_volume_name){(size_t)(mark - text), mark, INT64_MAX};
    (void)cli_number_read_whole(&digits, &name.number);
    return name;
}

char *cli_volume_path(const char *text)
{
    return strndup(text, read_name(text).path_length);
}

/* The library speaks of volume_number, which no option has as its name. `number` is how the user wrote it, or "". */
static int fail(const char *path, const char *number, const deeptepp_error *error)
{
    int64_t count = 0;
    if (error->status != DEEPTEPP_ERR_NIFTI_4D || deeptepp_volume_count_in_file(&count, path, NULL))
        return cli_fail_library(NULL, NULL, error);
    if (*number && count == 1)
        return cli_fail(CLI_INPUT, "%s: found no volume %s, wanted #1, the only one", path, number);
    if (*number)
        return cli_fail(CLI_INPUT, "%s: found no volume %s, wanted #1 to #%lld", path, number, (long long)count);
    return cli_fail(CLI_INPUT, "%s: found %lld volumes and none chosen, wanted one (write #N at the end of the path, N "
                    "from 1 to %lld)", path, (long long)count, (long long)count);
}

static deeptepp_status open_once(deeptepp_volume **out, const char *path, int64_t number,
                                 const cli_volume_options *given, deeptepp_error *error)
{
    const deeptepp_callbacks callbacks = cli_progress_callbacks("reading", false);
    const deeptepp_volume_options options = {
        .struct_size = sizeof options, .callbacks = &callbacks, .volume_number = number > 0 ? number : 0,
        .max_bytes = given->any_size ? UINT64_MAX : 0, .orientation = given->orientation,
        .max_edge = given->any_size ? INT64_MAX : 0};
    const deeptepp_status status = deeptepp_volume_open(out, path, &options, error);
    cli_progress_clear();
    return status;
}

/* The user's word must not be overruled silently, so whether the file states its orientation is asked first. */
static int open_path(deeptepp_volume **out, const char *path, const cli_volume_name *name,
                     const cli_volume_options *options)
{
    const cli_volume_options silent = {.any_size = options->any_size};
    deeptepp_error error;
    deeptepp_status status = open_once(out, path, name->number, &silent, &error);
    if (status == DEEPTEPP_ERR_NIFTI_ORIENTATION && options->orientation)
        status = open_once(out, path, name->number, options, &error);
    else if (!status && options->orientation)
        cli_note("%s states its own orientation (%s): --orientation was not used", path,
                 deeptepp_volume_orientation(*out));
    return status ? fail(path, name->mark, &error) : CLI_OK;
}

int cli_volume_open(deeptepp_volume **out, const char *text, const cli_volume_options *options)
{
    const cli_volume_name name = read_name(text);
    if (name.number == 0)
        return cli_fail(CLI_USAGE, "%s: found #0, wanted #1 for the first volume", text);
    char *path = cli_volume_path(text);
    const int code = path ? open_path(out, path, &name, options) : cli_fail_memory("a file name");
    free(path);
    return code;
}
