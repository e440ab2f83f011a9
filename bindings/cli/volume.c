#include "volume.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"
#include "progress.h"
#include "report.h"

static const char READING[] = "reading";

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

static deeptepp_status open_once(deeptepp_volume **out, const char *path, int64_t number, const char *orientation,
                                 bool any_size, const deeptepp_callbacks *callbacks, deeptepp_error *error)
{
    const deeptepp_volume_options options = {
        .struct_size = sizeof options, .callbacks = callbacks, .volume_number = number > 0 ? number : 0,
        .max_bytes = any_size ? UINT64_MAX : 0, .orientation = orientation, .max_edge = any_size ? INT64_MAX : 0};
    return deeptepp_volume_open(out, path, &options, error);
}

/* The user's word must not be overruled silently, so whether the file states its orientation is asked first. */
void cli_volume_try(cli_volume_attempt *attempt, const deeptepp_callbacks *callbacks)
{
    const cli_volume_name name = read_name(attempt->text);
    char *path = name.number ? cli_volume_path(attempt->text) : NULL;
    attempt->status = path ? open_once(&attempt->volume, path, name.number, NULL, attempt->options->any_size, callbacks,
                                       &attempt->error)
                           : DEEPTEPP_ERR_MEMORY;
    free(path);
}

static bool states_no_orientation(const cli_volume_attempt *attempt)
{
    return attempt->status == DEEPTEPP_ERR_NIFTI_ORIENTATION && attempt->options->orientation;
}

bool cli_volume_failed(const cli_volume_attempt *attempt)
{
    return attempt->status && !states_no_orientation(attempt);
}

static int finish(deeptepp_volume **out, const char *path, const cli_volume_name *name, cli_volume_attempt *attempt)
{
    const char *orientation = attempt->options->orientation;
    const deeptepp_callbacks callbacks = cli_progress_callbacks(READING, false);
    *out = attempt->volume;
    attempt->volume = NULL;
    if (states_no_orientation(attempt)) {
        attempt->status = open_once(out, path, name->number, orientation, attempt->options->any_size, &callbacks,
                                    &attempt->error);
        cli_progress_clear();
    } else if (!attempt->status && orientation) {
        cli_note("%s states its own orientation (%s): --orientation was not used", path,
                 deeptepp_volume_orientation(*out));
    }
    return attempt->status ? fail(path, name->mark, &attempt->error) : CLI_OK;
}

int cli_volume_finish(deeptepp_volume **out, cli_volume_attempt *attempt)
{
    const cli_volume_name name = read_name(attempt->text);
    if (name.number == 0)
        return cli_fail(CLI_USAGE, "%s: found #0, wanted #1 for the first volume", attempt->text);
    char *path = cli_volume_path(attempt->text);
    const int code = path ? finish(out, path, &name, attempt) : cli_fail_memory("a file name");
    free(path);
    return code;
}

int cli_volume_open(deeptepp_volume **out, const char *text, const cli_volume_options *options)
{
    cli_volume_attempt attempt = {.text = text, .options = options};
    const deeptepp_callbacks callbacks = cli_progress_callbacks(READING, false);
    cli_volume_try(&attempt, &callbacks);
    cli_progress_clear();
    return cli_volume_finish(out, &attempt);
}
