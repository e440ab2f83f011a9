#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "files.h"
#include "npy.h"
#include "progress.h"
#include "report.h"

typedef struct arguments {
    cli_engine_options engine;
    cli_patient_options patient;
    const char *out;
} arguments;

static const cli_usage usage = {
    "preprocess",
    "--model M --image [NAME=]PATH ... --mask K --out X.npy [options]",
    "Writes what the model's network would see of a case: float32, (views, channels, depth, height, width), in\n"
    "NumPy's format. Training on these files and scoring with this program then use the same input to the last bit.\n",
    "  deeptepp preprocess --model m.safetensors --image post.nii.gz --mask mask.nii.gz --out case.npy\n"};

typedef struct tensor {
    int64_t shape[5];
    size_t count;
    float *values;
} tensor;

static int allocate(tensor *out, const deeptepp_model *model)
{
    deeptepp_model_input_shape(model, out->shape);
    out->count = 1;
    for (int i = 0; i < 5; i++)
        if (__builtin_mul_overflow(out->count, (size_t)out->shape[i], &out->count))
            return cli_fail_memory("the network's input");
    if (out->count <= SIZE_MAX / sizeof *out->values)
        out->values = malloc(out->count * sizeof *out->values);
    return out->values ? CLI_OK : cli_fail_memory("the network's input");
}

static int run(tensor *out, const cli_engine *engine, const cli_patient *patient,
               const cli_patient_options *options)
{
    deeptepp_error error;
    const int code = allocate(out, engine->model);
    if (!code && deeptepp_session_preprocess(engine->session, patient->record, out->values, out->count, &error))
        return cli_patient_fail(options, &error);
    cli_progress_clear();
    return code;
}

static int write_tensor(const tensor *values, const char *path)
{
    cli_output output = {0};
    int code = cli_output_open(&output, path);
    if (!code)
        code = cli_npy_write(&output, values->values, values->shape, 5);
    if (!code)
        code = cli_output_commit(&output);
    cli_output_abandon(&output);
    return code;
}

static int check_files(const arguments *given)
{
    static const char *const endings[] = {".npy", NULL};
    const cli_path out = {"out", given->out};
    const size_t images = given->patient.images.count;
    cli_path *inputs = calloc(images + 2, sizeof *inputs);
    if (!inputs)
        return cli_fail_memory("the files");
    for (size_t i = 0; i < images; i++)
        inputs[i] = (cli_path){"image", cli_image_path(given->patient.images.items[i])};
    inputs[images] = (cli_path){"mask", given->patient.mask};
    inputs[images + 1] = (cli_path){"model", given->engine.model};
    const int code = cli_outputs_check(&out, 1, endings, inputs, images + 2);
    free(inputs);
    return code;
}

static int preprocess(const arguments *given)
{
    cli_engine engine = {0};
    cli_patient patient = {0};
    tensor values = {.values = NULL};
    int code = check_files(given);
    if (!code)
        code = cli_open_both(&engine, &given->engine, &patient, &given->patient, "preprocessing");
    if (!code)
        code = run(&values, &engine, &patient, &given->patient);
    if (!code)
        code = write_tensor(&values, given->out);
    free(values.values);
    cli_engine_close(&engine);
    cli_patient_close(&patient, &given->patient);
    return code;
}

int cli_preprocess(int argc, char **argv)
{
    arguments given;
    memset(&given, 0, sizeof given);
    const cli_option options[] = {
        CLI_ENGINE_OPTIONS(given.engine), CLI_PATIENT_OPTIONS(given.patient),
        {"out", "X.npy", "the file to write", cli_take_text, &given.out, .required = true}};
    bool done = false;
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    if (!done)
        code = preprocess(&given);
    cli_patient_options_free(&given.patient);
    return code;
}
