#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../args.h"
#include "../files.h"
#include "../print.h"
#include "../progress.h"
#include "../report.h"
#include "nifti.h"
#include "scene.h"

enum { MOST_PHASES = 64, MOST_EDGE = 2048, MOST_VOXELS = 1 << 28 };

typedef struct arguments {
    uint64_t seed;
    double dims[3], spacing[3];
    bool centred;
    int64_t phases;
    cli_tumour_options tumour;
    const char *out_image, *out_mask;
} arguments;

static const cli_usage usage = {
    "phantom",
    "--seed S --out-image I --out-mask K [options]",
    "Generates a contrast-enhanced breast MR with a tumour and its mask: fat, fibroglandular tissue, skin,\n"
    "vessels, chest wall and heart, the coil's sensitivity and a receiver's noise. It is a generated object, not\n"
    "a patient, and says nothing about how a model does on patients. The same options give the same voxels on\n"
    "every machine. The anatomy depends on the seed alone: other --dims or --spacing sample the same anatomy.\n",
    "  deeptepp phantom --seed 7 --out-image image.nii.gz --out-mask mask.nii.gz\n"
    "  deeptepp phantom --seed 7 --diameter 30 --rim 0.9 --phases 4 --out-image P_%04d.nii.gz --out-mask P.nii.gz\n"};

/* Where the number of a time point goes in a path: "%d", or "%0Nd" with one digit N. */
typedef struct pattern {
    const char *at;
    int length, width;
} pattern;

static pattern find_pattern(const char *path)
{
    for (const char *at = strchr(path, '%'); at; at = strchr(at + 1, '%')) {
        if (at[1] == 'd')
            return (pattern){at, 2, 1};
        if (at[1] == '0' && at[2] >= '1' && at[2] <= '9' && at[3] == 'd')
            return (pattern){at, 4, at[2] - '0'};
    }
    return (pattern){NULL, 0, 0};
}

static char *phase_path(const char *path, int64_t phases, int64_t phase)
{
    const pattern found = find_pattern(path);
    const size_t size = strlen(path) + 32;
    char *made = malloc(size);
    if (made && phases > 1)
        snprintf(made, size, "%.*s%0*d%s", (int)(found.at - path), path, found.width, (int)phase,
                 found.at + found.length);
    else if (made)
        snprintf(made, size, "%s", path);
    return made;
}

/* Without --dims the usual field of view: both breasts, chest wall and heart. */
static void set_grid(cli_scene *scene, const arguments *given)
{
    static const double usual_mm[3] = {320, 170, 140};
    for (int axis = 0; axis < 3; axis++) {
        const double dim = given->dims[axis] > 0 ? given->dims[axis] : floor(usual_mm[axis] / given->spacing[axis]);
        scene->dims[axis] = dim < 1 ? 1 : (int64_t)dim;
        scene->spacing[axis] = given->spacing[axis];
    }
    scene->centred = given->centred;
    scene->seed = given->seed;
}

static int check_grid(const arguments *given, const cli_scene *scene)
{
    for (int axis = 0; axis < 3; axis++) {
        if (given->dims[axis] != floor(given->dims[axis]))
            return cli_fail(CLI_USAGE, "--dims: found %.10g, wanted whole numbers", given->dims[axis]);
        if (scene->dims[axis] > MOST_EDGE)
            return cli_fail(CLI_USAGE, "--spacing: found %.10g mm, %lld voxels along an axis, wanted %d at most",
                            given->spacing[axis], (long long)scene->dims[axis], MOST_EDGE);
    }
    const int64_t count = scene->dims[0] * scene->dims[1] * scene->dims[2];
    if (count > MOST_VOXELS)
        return cli_fail(CLI_USAGE, "--dims: found %lld voxels in all, wanted %d at most", (long long)count,
                        MOST_VOXELS);
    return CLI_OK;
}

static int check_files(const arguments *given)
{
    static const char *const endings[] = {".nii", ".nii.gz", NULL};
    const size_t count = (size_t)given->phases;
    cli_path outputs[MOST_PHASES + 1];
    int code = CLI_OK;
    for (size_t i = 0; i < count; i++) {
        outputs[i] = (cli_path){"out-image", phase_path(given->out_image, given->phases, (int64_t)i)};
        code = outputs[i].path ? code : cli_fail_memory("a file name");
    }
    outputs[count] = (cli_path){"out-mask", given->out_mask};
    if (!code)
        code = cli_outputs_check(outputs, count + 1, endings, NULL, 0);
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)outputs[i].path); /* made by phase_path */
    return code;
}

static int check(const arguments *given, const cli_scene *scene)
{
    if (given->phases > 1 && !find_pattern(given->out_image).at)
        return cli_fail(CLI_USAGE, "--out-image: found '%s', wanted %%d or %%04d in it, for the number of each of the "
                        "%d time points", given->out_image, (int)given->phases);
    const int code = check_grid(given, scene);
    return code ? code : check_files(given);
}

static cli_nifti header_of(const cli_scene *scene)
{
    cli_nifti header = {.description = "deeptepp phantom: generated, not a patient"};
    for (int axis = 0; axis < 3; axis++) {
        header.dims[axis] = scene->dims[axis];
        header.spacing[axis] = scene->spacing[axis];
        header.origin[axis] = scene->origin[axis];
    }
    return header;
}

static int write_phase(const cli_scene *scene, const arguments *given, int64_t phase, int16_t *voxels, cli_output *out)
{
    const cli_nifti header = header_of(scene);
    char *path = phase_path(given->out_image, given->phases, phase);
    if (!path)
        return cli_fail_memory("a file name");
    int code = cli_output_open(out, path);
    free(path);
    if (code)
        return code;
    cli_progress_show("writing", (double)phase / (double)given->phases);
    code = cli_scene_image(scene, given->phases > 1 ? phase : 1, voxels);
    return code ? code : cli_nifti_write_int16(out, &header, voxels);
}

/* All files are written before the first gets its name. */
static int write_files(const cli_scene *scene, const arguments *given, cli_output *outputs)
{
    const cli_nifti header = header_of(scene);
    int16_t *voxels = malloc(scene->count * sizeof *voxels);
    int code = voxels ? CLI_OK : cli_fail_memory("an image");
    for (int64_t phase = 0; !code && phase < given->phases; phase++)
        code = write_phase(scene, given, phase, voxels, &outputs[phase]);
    free(voxels);
    cli_output *mask = &outputs[given->phases];
    if (!code)
        code = cli_output_open(mask, given->out_mask);
    if (!code)
        code = cli_nifti_write_uint8(mask, &header, scene->mask);
    cli_progress_clear();
    for (int64_t i = 0; !code && i <= given->phases; i++)
        code = cli_output_commit(&outputs[i]);
    for (int64_t i = 0; i <= given->phases; i++)
        cli_output_abandon(&outputs[i]);
    return code;
}

static void tell(const cli_scene *scene, const arguments *given)
{
    const double *s = scene->spacing, *c = scene->tumour.centre;
    const double ml = (double)scene->mask_voxels * s[0] * s[1] * s[2] / 1000;
    cli_print_line(stdout, "image   %s", given->out_image);
    cli_print_line(stdout, "        %lld x %lld x %lld voxels of %.4g x %.4g x %.4g mm, %lld time point%s",
                   (long long)scene->dims[0], (long long)scene->dims[1], (long long)scene->dims[2], s[0], s[1], s[2],
                   (long long)given->phases, given->phases > 1 ? "s (0: before contrast agent)" : "");
    cli_print_line(stdout, "mask    %s", given->out_mask);
    cli_print_line(stdout, "        %lld voxels, %.2f ml", (long long)scene->mask_voxels, ml);
    cli_print_line(stdout, "tumour  %.4g mm across, centre at %c %.1f, %c %.1f, %c %.1f mm", given->tumour.diameter,
                   c[0] < 0 ? 'L' : 'R', fabs(c[0]), c[1] < 0 ? 'P' : 'A', fabs(c[1]), c[2] < 0 ? 'I' : 'S',
                   fabs(c[2]));
    cli_print_line(stdout, "A generated object, not a patient.");
}

static int generate(const arguments *given)
{
    cli_scene scene = {0};
    set_grid(&scene, given);
    int code = check(given, &scene);
    cli_output *outputs = calloc((size_t)given->phases + 1, sizeof *outputs);
    if (!code && !outputs)
        code = cli_fail_memory("the files");
    if (!code)
        code = cli_scene_draw(&scene, &given->tumour);
    if (!code && !scene.mask_voxels)
        code = cli_fail(CLI_USAGE, "--diameter: found %.4g mm, which holds no voxel's centre, wanted a larger one "
                        "or a smaller --spacing", given->tumour.diameter);
    if (!code)
        code = write_files(&scene, given, outputs);
    if (!code && scene.mask_at_border)
        cli_note("the tumour touches the border of the image");
    if (!code)
        tell(&scene, given);
    cli_scene_free(&scene);
    free(outputs);
    return code;
}

int cli_phantom(int argc, char **argv)
{
    arguments given = {.spacing = {1.25, 1.25, 2.5}, .phases = 1};
    given.tumour = (cli_tumour_options){.diameter = 22, .rim = 0.4, .heterogeneity = 0.5, .spiculation = 0.3};
    const cli_option options[] = {
        {"seed", "S", "0 to 2^64 - 1: decides all that is random", cli_take_seed, &given.seed, .required = true},
        {"out-image", "I", ".nii or .nii.gz (int16); with --phases it needs %d or %04d in it",
         cli_take_text, &given.out_image, .required = true},
        {"out-mask", "K", ".nii or .nii.gz (uint8): 1 in the tumour", cli_take_text, &given.out_mask,
         .required = true},
        {"dims", "X,Y,Z", "voxels to the right, front, top; default: enough for\nboth breasts; a smaller field of view "
         "keeps the tumour", cli_take_triple, given.dims,
         .low = 1, .high = MOST_EDGE},
        {"spacing", "X,Y,Z", "voxel edges in mm, 0.1 to 20; default 1.25,1.25,2.5", cli_take_triple, given.spacing,
         .low = 0.1, .high = 20},
        {"centred", NULL, "the middle of the field of view is the tumour's", cli_take_switch,
         &given.centred, .required = false},
        {"diameter", "MM", "of the ball of the tumour's volume, 1 to 150; default 22", cli_take_number,
         &given.tumour.diameter, .low = 1, .high = 150},
        {"rim", "F", "0 to 1: how much the rim outshines the core; default 0.4", cli_take_number, &given.tumour.rim,
         .high = 1},
        {"heterogeneity", "F", "0 to 1: of the enhancement; default 0.5", cli_take_number,
         &given.tumour.heterogeneity, .high = 1},
        {"spiculation", "F", "0 to 1: length of the spicules; default 0.3", cli_take_number,
         &given.tumour.spiculation, .high = 1},
        {"phases", "N", "time points; default 1: after contrast agent. With 2 and\n"
         "more the first, number 0, is before it", cli_take_integer, &given.phases, .low = 1, .high = MOST_PHASES}};
    bool done = false;
    int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    return done ? code : generate(&given);
}
