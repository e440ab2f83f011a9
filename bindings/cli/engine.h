/* A model, ready to run, and the case it is to run on, as the options say. */
#ifndef DEEPTEPP_CLI_ENGINE_H
#define DEEPTEPP_CLI_ENGINE_H

#include "volume.h"

typedef struct cli_engine_options {
    const char *model;
    int64_t threads;
    uint64_t memory_limit;
    int32_t precision; /* a deeptepp_precision */
    bool no_guidance, verbose;
} cli_engine_options;

typedef struct cli_engine {
    deeptepp_model *model;
    deeptepp_session *session;
} cli_engine;

/* The model alone. Returns an exit code; the engine needs cli_engine_close either way, as for all below. */
int cli_engine_open_model(cli_engine *engine, const cli_engine_options *options);

/* Model and session; `what` labels the progress bar while the session works. */
int cli_engine_open(cli_engine *engine, const cli_engine_options *options, const char *what);
void cli_engine_close(cli_engine *engine);

/* How far bfloat16 moves the scores of a model that was opened in it; nothing of another. */
void cli_engine_tell_precision(const deeptepp_model *model);

typedef struct cli_patient_options {
    const char *mask;
    cli_volume_options volumes;
    cli_list images, covariates; /* NAME=PATH or PATH; NAME=VALUE */
    int64_t label;
    bool largest_part;
    int32_t grid; /* a deeptepp_mask_grid */
} cli_patient_options;

typedef struct cli_patient {
    deeptepp_case *record;
    deeptepp_volume **images; /* as many as the options name */
    deeptepp_volume *mask;
} cli_patient;

/* Engine and patient, side by side: the model is loaded while the images are read. The patient's faults come first, and
 * alone. Returns an exit code; both need closing either way. */
int cli_open_both(cli_engine *engine, const cli_engine_options *options, cli_patient *patient,
                  const cli_patient_options *patient_options, const char *what);

/* Reports what the library said of the case, with the files that it is about. Returns an exit code. */
int cli_patient_fail(const cli_patient_options *options, const deeptepp_error *error);
void cli_patient_close(cli_patient *patient, const cli_patient_options *options);
void cli_patient_options_free(cli_patient_options *options);

/* The path within an --image, after the channel's name if it has one. */
const char *cli_image_path(const char *image);

/* The options that every command with an engine, and every one with a patient, has: for the middle of its table. */
#define CLI_ENGINE_OPTIONS(o)                                                                                          \
    {"model", "M", "the model file (.safetensors)", cli_take_text, &(o).model, .required = true},                      \
        {"threads", "N", "compute threads, 1 to 256; default: one a processor", cli_take_integer, &(o).threads,        \
         .low = 1, .high = 256},                                                                                       \
        {"memory-limit", "BYTES", "of model and session together, e.g. 4G; checked when the session is\nmade: the "    \
         "model's file is loaded before, and volumes and the\nbackend's code are not counted; default: none",          \
         cli_take_bytes, &(o).memory_limit, .required = false},                                                        \
        {"verbose", NULL, "what the library reports: threads, backend, memory, warnings", cli_take_switch,             \
         &(o).verbose, .required = false}

/* Of the commands whose numbers depend on it. */
#define CLI_PRECISION_OPTION(o)                                                                                        \
    {"precision", "P", "f32 (default), or bf16: bfloat16, faster on processors with AMX, slower\nelsewhere; scores "   \
     "move a little, and one within a margin of a\ncut-point, measured on noise, not proven, is computed again\nin "  \
     "f32", cli_take_precision, &(o).precision, .required = false}

#define CLI_PATIENT_OPTIONS(o)                                                                                         \
    {"image", "[NAME=]PATH", "an MR (.nii, .nii.gz) and the channel it is for; once a\nchannel; #N at the end names "  \
     "volume N of a 4-D file", cli_take_list, &(o).images, .required = true},                                          \
        {"mask", "K", "the tumour, on the grid of the images", cli_take_text, &(o).mask, .required = true},            \
        {"label", "L", "the mask's value that marks the tumour; default: its only\nvalue other than 0",                \
         cli_take_integer, &(o).label, .low = 1, .high = CLI_MOST_LABEL},                                              \
        {"largest-part", NULL, "of a mask of several parts that do not touch the largest alone\nis the tumour",        \
         cli_take_switch, &(o).largest_part, .required = false},                                                       \
        {"mask-grid", "GRID", "same: the mask lies on the images' grid, or is refused (default);\nimage: its voxels "  \
         "are the images', whatever its header says;\nnearest: each voxel gets the label of the mask's nearest",       \
         cli_take_grid, &(o).grid, .required = false},                                                                 \
        CLI_VOLUME_OPTIONS((o).volumes)

#endif
