#include "scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../progress.h"
#include "../report.h"

static const double noise_sd = 11;   /* in each of the two channels of the receiver */
static const double border_mm = 1.2; /* over which tumour and vessels blend into what surrounds them */

static double clip_unit(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* The middle of the usual field of view, moved as little as brings the whole tumour into a smaller one; or onto it. */
static void set_origin(cli_scene *scene)
{
    static const double usual[3] = {0, -13, 0};
    for (int axis = 0; axis < 3; axis++) {
        const double half = (double)scene->dims[axis] * scene->spacing[axis] / 2;
        const double wanted = scene->tumour.reach + 8;
        const double margin = !scene->centred && wanted < half ? half - wanted : 0;
        const double offset = scene->tumour.centre[axis] - usual[axis];
        const double excess = offset > margin ? offset - margin : offset < -margin ? offset + margin : 0;
        scene->origin[axis] = usual[axis] + excess - half + scene->spacing[axis] / 2;
    }
}

static void voxel_point(const cli_scene *scene, const int64_t voxel[3], double point[3])
{
    for (int axis = 0; axis < 3; axis++)
        point[axis] = scene->origin[axis] + (double)voxel[axis] * scene->spacing[axis];
}

static size_t voxel_index(const cli_scene *scene, const int64_t voxel[3])
{
    return (size_t)((voxel[2] * scene->dims[1] + voxel[1]) * scene->dims[0] + voxel[0]);
}

typedef struct stamp {
    cli_scene *scene;
    float *vessels;
} stamp;

/* Voxels from low to high (exclusive) within `reach` of a coordinate. */
static void stamp_range(const cli_scene *scene, int axis, double at, double reach, int64_t *low, int64_t *high)
{
    const double first = (at - reach - scene->origin[axis]) / scene->spacing[axis];
    const double last = (at + reach - scene->origin[axis]) / scene->spacing[axis];
    const double end = (double)scene->dims[axis];
    *low = first <= 0 ? 0 : first >= end ? scene->dims[axis] : (int64_t)ceil(first);
    *high = last < 0 ? 0 : last >= end ? scene->dims[axis] : (int64_t)floor(last) + 1;
}

static void stamp_voxel(const stamp *to, const int64_t voxel[3], const double centre[3], double radius)
{
    double point[3], square = 0;
    voxel_point(to->scene, voxel, point);
    for (int axis = 0; axis < 3; axis++)
        square += (point[axis] - centre[axis]) * (point[axis] - centre[axis]);
    const float fraction = (float)clip_unit(0.5 + (radius - sqrt(square)) / border_mm);
    float *at = &to->vessels[voxel_index(to->scene, voxel)];
    *at = fraction > *at ? fraction : *at;
}

static void stamp_vessel(void *user, const double point[3], double radius)
{
    const stamp *to = user;
    int64_t low[3], high[3], voxel[3];
    for (int axis = 0; axis < 3; axis++)
        stamp_range(to->scene, axis, point[axis], radius + border_mm, &low[axis], &high[axis]);
    for (voxel[2] = low[2]; voxel[2] < high[2]; voxel[2]++)
        for (voxel[1] = low[1]; voxel[1] < high[1]; voxel[1]++)
            for (voxel[0] = low[0]; voxel[0] < high[0]; voxel[0]++)
                stamp_voxel(to, voxel, point, radius);
}

static cli_signal signal_at(const cli_scene *scene, const double point[3], double vessel, double inside)
{
    cli_signal here = cli_anatomy_at(&scene->anatomy, point);
    if (vessel > 0)
        here = cli_signal_mix(here, cli_vessel_signal,
                              vessel * cli_smooth_step(1, 4, cli_anatomy_depth(&scene->anatomy, point)));
    const double fraction = clip_unit(0.5 + inside / border_mm);
    if (fraction > 0)
        here = cli_signal_mix(here, cli_tumour_at(&scene->tumour, point), fraction);
    return here;
}

static void draw_voxel(cli_scene *scene, const int64_t voxel[3], const float *vessels)
{
    double point[3];
    const size_t index = voxel_index(scene, voxel);
    voxel_point(scene, voxel, point);
    const double inside = cli_tumour_inside(&scene->tumour, point);
    const double bias = cli_anatomy_bias(&scene->anatomy, point);
    const cli_signal here = signal_at(scene, point, (double)vessels[index], inside);
    scene->signal[index][0] = (float)(bias * here.before);
    scene->signal[index][1] = (float)(bias * here.fast);
    scene->signal[index][2] = (float)(bias * here.slow);
    scene->mask[index] = inside > 0;
    if (inside <= 0)
        return;
    scene->mask_voxels++;
    for (int axis = 0; axis < 3; axis++)
        scene->mask_at_border |= voxel[axis] == 0 || voxel[axis] == scene->dims[axis] - 1;
}

static int draw_voxels(cli_scene *scene, const float *vessels)
{
    int64_t voxel[3];
    for (voxel[2] = 0; voxel[2] < scene->dims[2]; voxel[2]++) {
        cli_progress_show("drawing", (double)voxel[2] / (double)scene->dims[2]);
        for (voxel[1] = 0; voxel[1] < scene->dims[1]; voxel[1]++) {
            if (cli_interrupted())
                return cli_check_interrupt();
            for (voxel[0] = 0; voxel[0] < scene->dims[0]; voxel[0]++)
                draw_voxel(scene, voxel, vessels);
        }
    }
    cli_progress_clear();
    return CLI_OK;
}

int cli_scene_draw(cli_scene *scene, const cli_tumour_options *options)
{
    scene->count = (size_t)(scene->dims[0] * scene->dims[1] * scene->dims[2]);
    scene->signal = malloc(scene->count * sizeof *scene->signal);
    scene->mask = malloc(scene->count);
    float *vessels = calloc(scene->count, sizeof *vessels);
    int code = CLI_OK;
    if (!scene->signal || !scene->mask || !vessels) {
        code = cli_fail_memory("the phantom");
    } else {
        cli_anatomy_init(&scene->anatomy, scene->seed);
        cli_tumour_init(&scene->tumour, &scene->anatomy, options, scene->seed);
        set_origin(scene);
        cli_vessels_walk(&scene->anatomy, &scene->tumour, scene->seed, stamp_vessel, &(stamp){scene, vessels});
        code = draw_voxels(scene, vessels);
    }
    free(vessels);
    return code;
}

void cli_scene_free(cli_scene *scene)
{
    free(scene->signal);
    free(scene->mask);
    scene->signal = NULL;
    scene->mask = NULL;
}

enum { QUESTION = 1 << 16 }; /* voxels between two looks for an interruption */

/* A magnitude image of a signal in two noisy channels: Rician. */
static int16_t receive(double signal, uint64_t *state)
{
    const double real = signal + noise_sd * cli_random_normal(state), imaginary = noise_sd * cli_random_normal(state);
    const double magnitude = floor(sqrt(real * real + imaginary * imaginary) + 0.5);
    return (int16_t)(magnitude > 32767 ? 32767 : magnitude);
}

int cli_scene_image(const cli_scene *scene, int64_t time_point, int16_t *out)
{
    uint64_t state = cli_random_stream(scene->seed, 16 + (uint64_t)time_point);
    const double t = (double)time_point;
    const double fast = time_point ? 1 / (1 + 0.08 * (t - 1)) : 0, slow = t / (t + 1.2);
    for (size_t i = 0; i < scene->count; i++) {
        const float *signal = scene->signal[i];
        if (i % QUESTION == 0 && cli_interrupted())
            return cli_check_interrupt();
        out[i] = receive((double)signal[0] + fast * (double)signal[1] + slow * (double)signal[2], &state);
    }
    return CLI_OK;
}
