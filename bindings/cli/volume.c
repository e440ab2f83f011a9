#include "volume.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"
#include "progress.h"
#include "report.h"

/* The number after a last '#', from 0 (INT64_MAX for any larger), or -1 where there is none; and how long the path
 * before it is. */
static int64_t number_in(const char *name, size_t *path_length)
{
    const char *mark = strrchr(name, '#'), *end = mark ? mark + 1 : NULL;
    int64_t number = INT64_MAX;
    *path_length = strlen(name);
    if (!mark || mark[1 + strspn(mark + 1, "0123456789")] || !mark[1] || access(name, F_OK) == 0)
        return -1;
    *path_length = (size_t)(mark - name);
    (void)cli_number_read_whole(&end, &number);
    return number;
}

char *cli_volume_path(const char *name)
{
    size_t length = 0;
    number_in(name, &length);
    return strndup(name, length);
}

/* The library speaks of volume_number, which no option has as its name. How many volumes there are stands at the end of
 * what it says. */
static int fail(const char *path, int64_t number, const deeptepp_error *error)
{
    const bool several = error->status == DEEPTEPP_ERR_NIFTI_4D;
    const char *said = several ? strrchr(error->message, ',') : NULL; /* after the path */
    const char *range = said ? strstr(said, " 1 to ") : NULL;
    const unsigned long long count = range ? strtoull(range + strlen(" 1 to "), NULL, 10) : 0;
    if (!count)
        return cli_fail_library(NULL, error);
    if (number > 0 && count == 1)
        return cli_fail(CLI_INPUT, "%s: found no volume #%lld, wanted #1, the only one", path, (long long)number);
    if (number > 0)
        return cli_fail(CLI_INPUT, "%s: found no volume #%lld, wanted #1 to #%llu", path, (long long)number, count);
    return cli_fail(CLI_INPUT, "%s: found %llu volumes and none chosen, wanted one (write #N at the end of the path, N "
                    "from 1 to %llu)", path, count, count);
}

static deeptepp_status open_once(deeptepp_volume **out, const char *path, int64_t number, const char *orientation,
                                 deeptepp_error *error)
{
    const deeptepp_callbacks callbacks = cli_progress_callbacks("reading", false);
    deeptepp_volume_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.callbacks = &callbacks;
    options.volume_number = number > 0 ? number : 0;
    options.orientation = orientation;
    const deeptepp_status status = deeptepp_volume_open(out, path, &options, error);
    cli_progress_clear();
    return status;
}

/* The user's word must not be overruled silently, so whether the file states its orientation is asked first. */
static int open_path(deeptepp_volume **out, const char *path, int64_t number, const char *orientation)
{
    deeptepp_error error;
    deeptepp_status status = open_once(out, path, number, NULL, &error);
    if (status == DEEPTEPP_ERR_NIFTI_ORIENTATION && orientation)
        status = open_once(out, path, number, orientation, &error);
    else if (!status && orientation)
        cli_note("%s states its own orientation (%s): --orientation was not used", path,
                 deeptepp_volume_orientation(*out));
    return status ? fail(path, number, &error) : CLI_OK;
}

int cli_volume_open(deeptepp_volume **out, const char *name, const char *orientation)
{
    size_t length = 0;
    const int64_t number = number_in(name, &length);
    if (number == 0)
        return cli_fail(CLI_USAGE, "%s: found #0, wanted #1 for the first volume", name);
    char *path = cli_volume_path(name);
    const int code = path ? open_path(out, path, number, orientation) : cli_fail_memory("a file name");
    free(path);
    return code;
}
