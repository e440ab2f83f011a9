#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "number.h"
#include "progress.h"
#include "reading.h"
#include "report.h"
#include "text.h"
#include "volume.h"

static const char LOADING[] = "loading the model";

static deeptepp_status open_model(cli_engine *engine, const cli_engine_options *options,
                                  const deeptepp_callbacks *callbacks, deeptepp_error *error)
{
    deeptepp_model_options model_options;
    memset(&model_options, 0, sizeof model_options);
    model_options.struct_size = sizeof model_options;
    model_options.callbacks = callbacks;
    model_options.threads = (int32_t)options->threads;
    model_options.precision = options->precision;
    return deeptepp_model_open(&engine->model, options->model, &model_options, error);
}

int cli_engine_open_model(cli_engine *engine, const cli_engine_options *options)
{
    deeptepp_error error;
    const deeptepp_callbacks callbacks = cli_progress_callbacks(LOADING, options->verbose);
    memset(engine, 0, sizeof *engine);
    if (open_model(engine, options, &callbacks, &error))
        return cli_fail_library(NULL, NULL, &error);
    cli_progress_clear();
    return CLI_OK;
}

static int open_session(cli_engine *engine, const cli_engine_options *options, const char *what)
{
    deeptepp_error error;
    const deeptepp_callbacks callbacks = cli_progress_callbacks(what, options->verbose);
    deeptepp_session_options session_options;
    memset(&session_options, 0, sizeof session_options);
    session_options.struct_size = sizeof session_options;
    session_options.callbacks = &callbacks;
    session_options.no_guidance = options->no_guidance;
    session_options.memory_limit = options->memory_limit;
    if (deeptepp_session_new(&engine->session, engine->model, &session_options, &error))
        return cli_fail_library(NULL, NULL, &error);
    cli_progress_clear();
    return CLI_OK;
}

int cli_engine_open(cli_engine *engine, const cli_engine_options *options, const char *what)
{
    const int code = cli_engine_open_model(engine, options);
    return code ? code : open_session(engine, options, what);
}

void cli_engine_close(cli_engine *engine)
{
    deeptepp_session_free(engine->session);
    deeptepp_model_free(engine->model);
    memset(engine, 0, sizeof *engine);
}

void cli_engine_tell_precision(const deeptepp_model *model)
{
    if (deeptepp_model_precision(model) == DEEPTEPP_PRECISION_F32)
        return;
    cli_text_line("bf16", "moves scores by up to %.3g: tried on noise, against f32",
                  deeptepp_model_precision_shift(model));
    if (deeptepp_model_tier_count(model))
        cli_text_line("", "within %.3g of a cut-point a score is computed in f32",
                      deeptepp_model_precision_margin(model));
}

/* A name ends at the first '='; what comes before it is a path when it has a '/'. */
static size_t name_length(const char *text)
{
    const size_t length = strcspn(text, "=/");
    return text[length] == '=' ? length : 0;
}

const char *cli_image_path(const char *image)
{
    const size_t length = name_length(image);
    return length ? image + length + 1 : image;
}

/* An image without a name is the only one of a model with one channel. */
static int check_names(const cli_list *images)
{
    size_t unnamed = 0;
    for (size_t i = 0; i < images->count; i++)
        unnamed += name_length(images->items[i]) == 0;
    if (unnamed == 0 || images->count == 1)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "%s without a channel name%s: write --image NAME=PATH",
                    unnamed == 1 ? "an image" : unnamed == 2 ? "two images" : "several images",
                    unnamed == 1 ? " beside others" : "");
}

/* NULL for no volume, and for a number that is none of the options' images. */
static const char *path_of(const cli_patient_options *options, int32_t volume)
{
    if (volume == DEEPTEPP_MASK_VOLUME)
        return options->mask;
    return volume > 0 && (size_t)volume <= options->images.count ? cli_image_path(options->images.items[volume - 1])
                                                                 : NULL;
}

/* What was not tried, or failed beside others for want of memory or of descriptors, is tried alone. */
static int take_volume(deeptepp_volume **out, cli_volume_attempt *attempt)
{
    const deeptepp_status status = attempt->status;
    const bool wanting = status == DEEPTEPP_ERR_MEMORY || status == DEEPTEPP_ERR_FILE_READ;
    if (attempt->volume || (status && !wanting && status != DEEPTEPP_ERR_CANCELLED))
        return cli_volume_finish(out, attempt);
    return cli_volume_open(out, attempt->text, attempt->options);
}

static int add_image(cli_patient *patient, const cli_patient_options *options, size_t index,
                     cli_volume_attempt *attempt)
{
    deeptepp_error error;
    const char *text = options->images.items[index];
    const size_t length = name_length(text);
    char *name = length ? strndup(text, length) : NULL;
    if (length && !name)
        return cli_fail_memory("a channel's name");
    int code = take_volume(&patient->images[index], attempt);
    if (!code && deeptepp_case_set_image(patient->record, name, patient->images[index], &error))
        code = cli_fail_library(path_of(options, error.volumes[0]), cli_image_path(text), &error);
    free(name);
    return code;
}

static int add_covariate(cli_patient *patient, const char *text)
{
    deeptepp_error error;
    double value = 0;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !cli_number_parse(equals + 1, &value))
        return cli_fail(CLI_USAGE, "--covariate: found '%s', wanted NAME=NUMBER, a decimal number", text);
    char *name = strndup(text, (size_t)(equals - text));
    if (!name)
        return cli_fail_memory("a covariate's name");
    const deeptepp_status status = deeptepp_case_set_covariate(patient->record, name, value, &error);
    free(name);
    return status ? cli_fail_library(NULL, NULL, &error) : CLI_OK;
}

static int add_mask(cli_patient *patient, const cli_patient_options *options, cli_volume_attempt *attempt)
{
    deeptepp_error error;
    const deeptepp_mask_options mask_options = {
        .struct_size = sizeof mask_options, .label = options->label, .largest_part = options->largest_part,
        .grid = options->grid};
    const int code = take_volume(&patient->mask, attempt);
    if (!code && deeptepp_case_set_mask(patient->record, patient->mask, &mask_options, &error))
        return cli_fail_library(options->mask, NULL, &error);
    return code;
}

/* All that can be said without a file. */
static int begin_patient(cli_patient *patient, const cli_patient_options *options)
{
    deeptepp_error error;
    memset(patient, 0, sizeof *patient);
    int code = check_names(&options->images);
    if (code)
        return code;
    if (deeptepp_case_new(&patient->record, &error))
        return cli_fail_library(NULL, NULL, &error);
    patient->images = calloc(options->images.count, sizeof(deeptepp_volume *));
    if (!patient->images)
        return cli_fail_memory("the images");
    for (size_t i = 0; !code && i < options->covariates.count; i++)
        code = add_covariate(patient, options->covariates.items[i]);
    return code;
}

static int add_volumes(cli_patient *patient, const cli_patient_options *options, cli_volume_attempt *attempts)
{
    int code = CLI_OK;
    for (size_t i = 0; !code && i < options->images.count; i++)
        code = add_image(patient, options, i, &attempts[i]);
    if (!code)
        code = add_mask(patient, options, &attempts[options->images.count]);
    return code ? code : cli_check_interrupt();
}

/* The images in order and the mask: the first fault is told, however many read at once. */
static int read_patient(cli_patient *patient, const cli_patient_options *options, int readers)
{
    const size_t images = options->images.count;
    cli_volume_attempt *attempts = calloc(images + 1, sizeof *attempts);
    if (!attempts)
        return cli_fail_memory("the images");
    for (size_t i = 0; i <= images; i++) {
        attempts[i].text = i < images ? cli_image_path(options->images.items[i]) : options->mask;
        attempts[i].options = &options->volumes;
    }
    if (readers > 1)
        cli_read(attempts, images + 1, readers);
    const int code = add_volumes(patient, options, attempts);
    for (size_t i = 0; i <= images; i++)
        deeptepp_volume_free(attempts[i].volume);
    free(attempts);
    return code;
}

int cli_patient_fail(const cli_patient_options *options, const deeptepp_error *error)
{
    return cli_fail_library(path_of(options, error->volumes[0]), path_of(options, error->volumes[1]), error);
}

void cli_patient_close(cli_patient *patient, const cli_patient_options *options)
{
    for (size_t i = 0; patient->images && i < options->images.count; i++)
        deeptepp_volume_free(patient->images[i]);
    free(patient->images);
    deeptepp_volume_free(patient->mask);
    deeptepp_case_free(patient->record);
    memset(patient, 0, sizeof *patient);
}

void cli_patient_options_free(cli_patient_options *options)
{
    free(options->images.items);
    free(options->covariates.items);
}

/* ---- Both at once ---- */

/* A model that a thread opens while the caller reads the case. Nothing is printed there. */
typedef struct loading {
    cli_engine *engine;
    const cli_engine_options *options;
    pthread_t thread;
    atomic_int permille;
    atomic_bool abandoned, done;
    deeptepp_status status;
    deeptepp_error error;
} loading;

static void note_progress(void *user, double fraction)
{
    atomic_store(&((loading *)user)->permille, (int)(1000 * fraction));
}

static int loading_cancelled(void *user)
{
    return atomic_load(&((loading *)user)->abandoned) || cli_interrupted();
}

static void *load(void *argument)
{
    loading *job = argument;
    deeptepp_callbacks callbacks;
    memset(&callbacks, 0, sizeof callbacks);
    callbacks.struct_size = sizeof callbacks;
    callbacks.progress = note_progress;
    callbacks.cancel = loading_cancelled;
    callbacks.user = job;
    job->status = open_model(job->engine, job->options, &callbacks, &job->error);
    atomic_store(&job->done, true);
    return NULL;
}

/* Where memory is limited each has it for itself: the backend ends the process when another thread takes the last of
 * it. */
static bool start(loading *job)
{
    struct rlimit space, data;
    if (job->options->verbose || getrlimit(RLIMIT_AS, &space) || getrlimit(RLIMIT_DATA, &data) ||
        space.rlim_cur != RLIM_INFINITY || data.rlim_cur != RLIM_INFINITY)
        return false;
    return cli_thread_start(&job->thread, load, job);
}

static void wait_for(loading *job)
{
    const struct timespec moment = {0, 2000000};
    int told = 0;
    for (int turn = 0; !atomic_load(&job->done); turn++) {
        const int permille = atomic_load(&job->permille);
        if (turn > 10 && permille != told) /* a bar that is gone at once is a flicker */
            cli_progress_show(LOADING, (told = permille) / 1000.0);
        nanosleep(&moment, NULL);
    }
    pthread_join(job->thread, NULL);
    cli_progress_clear();
}

/* The loaded model, or one loaded now; what failed beside the case for want of a thread or memory is tried alone. */
static int finish(loading *job, bool begun)
{
    const bool alone = job->status == DEEPTEPP_ERR_THREAD || job->status == DEEPTEPP_ERR_MEMORY;
    if (!begun || alone)
        return cli_engine_open_model(job->engine, job->options);
    return job->status ? cli_fail_library(NULL, NULL, &job->error) : CLI_OK;
}

int cli_open_both(cli_engine *engine, const cli_engine_options *options, cli_patient *patient,
                  const cli_patient_options *patient_options, const char *what)
{
    loading job = {.engine = engine, .options = options};
    memset(engine, 0, sizeof *engine);
    int code = begin_patient(patient, patient_options);
    if (code)
        return code;
    const bool begun = start(&job);
    code = read_patient(patient, patient_options, begun ? cli_readers(options->threads) : 1);
    atomic_store(&job.abandoned, code != CLI_OK);
    if (begun)
        wait_for(&job);
    if (!code)
        code = finish(&job, begun);
    return code ? code : open_session(engine, options, what);
}
