#include "report.h"

#include <errno.h>
#include <string.h>

#include "print.h"
#include "progress.h"

typedef struct advice {
    deeptepp_status status;
    const char *text;
} advice;

static const advice hints[] = {
    {DEEPTEPP_ERR_MEMORY_LIMIT, "raise --memory-limit, or use fewer --threads"},
    {DEEPTEPP_ERR_MEMORY, "close other programs, or use a smaller model"},
    {DEEPTEPP_ERR_THREAD, "use fewer --threads"},
    {DEEPTEPP_ERR_INTERNAL, "please report this"},
    {DEEPTEPP_ERR_PRECISION, "leave out --precision"},
    {DEEPTEPP_ERR_NIFTI_PAIR, "convert it to one .nii.gz file"},
    {DEEPTEPP_ERR_NIFTI_ANALYZE, "convert it to one .nii.gz file"},
    {DEEPTEPP_ERR_NIFTI_4D, "name one volume by #N at the end of the path, counted from 1"},
    {DEEPTEPP_ERR_NIFTI_ORIENTATION, "if you know it for certain, say so with --orientation, e.g. --orientation RAS"},
    {DEEPTEPP_ERR_VOLUME_DIMS, "if the file really is that large: --any-size"},
    {DEEPTEPP_ERR_FILE_TOO_LARGE, "a volume that really is that large: --any-size"},
    {DEEPTEPP_ERR_CHANNEL_MISSING, "give it with --image NAME=PATH; `deeptepp info` lists the model's channels"},
    {DEEPTEPP_ERR_CHANNEL_UNKNOWN, "`deeptepp info` lists the model's channels"},
    {DEEPTEPP_ERR_MASK_LABELS, "choose one with --label"},
    {DEEPTEPP_ERR_MASK_OUTSIDE_REGION, "`deeptepp picture` shows it; --largest-part takes its largest part alone"},
    {DEEPTEPP_ERR_COVARIATE_MISSING, "give it with --covariate NAME=VALUE; `deeptepp info` lists them"},
    {DEEPTEPP_ERR_COVARIATE_UNKNOWN, "`deeptepp info` lists the model's covariates"},
    {DEEPTEPP_ERR_COVARIATE_RANGE, "`deeptepp info` lists the model's covariates and their ranges"},
};

/* The library itself says which grid to take, by the options' own names. */
static const char *hint_of(const deeptepp_error *error)
{
    const deeptepp_status status = error->status;
    const bool of_mask = error->volumes[0] == DEEPTEPP_MASK_VOLUME || error->volumes[1] == DEEPTEPP_MASK_VOLUME;
    if (of_mask && status >= DEEPTEPP_ERR_GEOMETRY_SIZE && status <= DEEPTEPP_ERR_GEOMETRY_ORIGIN)
        return "--mask-grid chooses one";
    for (size_t i = 0; i < CLI_COUNT(hints); i++)
        if (hints[i].status == status)
            return hints[i].text;
    return NULL;
}

static int exit_code(deeptepp_status status)
{
    switch (status) {
    case DEEPTEPP_OK:
        return CLI_OK;
    case DEEPTEPP_ERR_ARGUMENT:
    case DEEPTEPP_ERR_PRECISION:
        return CLI_USAGE;
    case DEEPTEPP_ERR_FILE_MISSING:
    case DEEPTEPP_ERR_FILE_READ:
        return CLI_FILE;
    case DEEPTEPP_ERR_CANCELLED:
        return cli_interrupted() ? 128 + cli_interrupted() : CLI_INTERNAL;
    default:
        return status < DEEPTEPP_ERR_FILE_MISSING ? CLI_INTERNAL : CLI_INPUT;
    }
}

int cli_fail(int code, const char *format, ...)
{
    cli_progress_clear();
    va_list arguments;
    va_start(arguments, format);
    cli_print_list(stderr, "deeptepp: ", format, arguments);
    va_end(arguments);
    return code;
}

/* A wait that a signal ended is no fault of the file. */
int cli_fail_write(const char *path)
{
    if (errno == EINTR && cli_interrupted())
        return cli_check_interrupt();
    return cli_fail(CLI_FILE, "%s: cannot be written: %s", path, strerror(errno));
}

int cli_fail_memory(const char *what)
{
    return cli_fail(CLI_INTERNAL, "no memory left for %s", what);
}

int cli_fail_library(const char *first, const char *second, const deeptepp_error *error)
{
    if (error->status == DEEPTEPP_ERR_CANCELLED && cli_interrupted())
        return cli_fail(exit_code(error->status), "interrupted");
    const char *hint = hint_of(error);
    return cli_fail(exit_code(error->status), "%s%s%s%s%s%s%s%s", first ? first : "", first && second ? ", " : "",
                    second ? second : "", first || second ? ": " : "", error->message, hint ? " (" : "",
                    hint ? hint : "", hint ? ")" : "");
}

void cli_note(const char *format, ...)
{
    cli_progress_clear();
    va_list arguments;
    va_start(arguments, format);
    cli_print_list(stderr, "deeptepp: note: ", format, arguments);
    va_end(arguments);
}
