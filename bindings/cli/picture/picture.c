#include <unistd.h>

#include "../files.h"
#include "../print.h"
#include "../volume.h"
#include "montage.h"

typedef struct arguments {
    const char *image, *mask, *out;
    cli_volume_options volumes;
    int64_t label;
    bool largest_part;
} arguments;

static const cli_usage usage = {
    "picture",
    "--image PATH --mask K --out P.png [options]",
    "Draws the axial slices through the tumour (all of them, or 12 evenly chosen), the coronal and the sagittal\n"
    "plane with most of it, and the whole axial slice with most of it: in true proportions, with the mask's outline\n"
    "just outside the mask. Black is the 1st percentile of the image around the tumour; white the 99.7th, or the\n"
    "98th of the tumour where that is brighter; in the whole slice both are percentiles of that slice.\n"
    "A path may end in #N to name volume N, from 1, of a 4-D file.\n",
    "  deeptepp picture --image image.nii.gz --mask mask.nii.gz --out case.png\n"};

static int check_files(const arguments *given)
{
    static const char *const endings[] = {".png", NULL};
    const cli_path out = {"out", given->out}, inputs[] = {{"image", given->image}, {"mask", given->mask}};
    return cli_outputs_check(&out, 1, endings, inputs, CLI_COUNT(inputs));
}

static int open_scan(cli_scan *scan, const arguments *given)
{
    const deeptepp_mask_options options = {.struct_size = sizeof options, .label = given->label,
                                           .largest_part = given->largest_part};
    return cli_scan_open(scan, given->image, given->mask, &options, &given->volumes);
}

static int draw(const arguments *given)
{
    cli_scan scan = {0};
    cli_canvas canvas = {0};
    cli_output output = {0};
    int code = check_files(given);
    if (!code)
        code = open_scan(&scan, given);
    if (!code)
        code = cli_output_open(&output, given->out);
    if (!code)
        code = cli_montage_draw(&canvas, &scan, given->image, given->mask);
    if (!code)
        code = cli_canvas_write(&canvas, &output);
    if (!code)
        code = cli_output_commit(&output);
    if (!code && cli_file_descriptor(given->out) != STDOUT_FILENO)
        cli_print_line(stdout, "mask    %s", scan.mask_text);
    cli_output_abandon(&output);
    cli_canvas_free(&canvas);
    cli_scan_free(&scan);
    return code;
}

int cli_picture(int argc, char **argv)
{
    arguments given = {0};
    const cli_option options[] = {
        {"image", "PATH", "the MR: .nii or .nii.gz", cli_take_text, &given.image, .required = true},
        {"mask", "K", "the tumour, on the image's grid", cli_take_text, &given.mask, .required = true},
        {"out", "P.png", "the picture", cli_take_text, &given.out, .required = true},
        {"label", "L", "the mask's value that marks the tumour; default: its only\nvalue other than 0",
         cli_take_integer, &given.label, .low = 1, .high = CLI_MOST_LABEL},
        {"largest-part", NULL, "of a mask of several parts that do not touch the largest alone\nis the tumour",
         cli_take_switch, &given.largest_part, .required = false},
        CLI_VOLUME_OPTIONS(given.volumes)};
    bool done = false;
    const int code = cli_args_parse(&usage, options, CLI_COUNT(options), argc, argv, &done);
    return done ? code : draw(&given);
}
