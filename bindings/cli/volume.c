#include "volume.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* The number after a last '#', or 0. */
static int64_t volume_number(const char *name, size_t *path_length)
{
    const char *mark = strrchr(name, '#');
    *path_length = strlen(name);
    if (!mark || !isdigit((unsigned char)mark[1]) || access(name, F_OK) == 0)
        return 0;
    char *end = NULL;
    const long long number = strtoll(mark + 1, &end, 10);
    if (*end || number < 1)
        return 0;
    *path_length = (size_t)(mark - name);
    return number;
}

int cli_volume_open(deeptepp_volume **out, const char *name, const char *orientation)
{
    size_t length = 0;
    deeptepp_error error;
    deeptepp_volume_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.volume_number = volume_number(name, &length);
    options.orientation = orientation;
    char *path = strndup(name, length);
    if (!path)
        return cli_fail_memory("a file name");
    const deeptepp_status status = deeptepp_volume_open(out, path, &options, &error);
    const int code = status ? cli_fail_library(path, &error) : CLI_OK;
    free(path);
    return code;
}
