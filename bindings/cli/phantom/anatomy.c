#include "anatomy.h"

#include <math.h>

static const cli_signal air = {0, 0, 0};
static const cli_signal skin = {270, 20, 130};
static const cli_signal fat = {105, 5, 12};
static const cli_signal gland = {250, 15, 120};
static const cli_signal ligament = {190, 5, 50};
static const cli_signal muscle = {215, 15, 60};
static const cli_signal bone = {135, 15, 25};
static const cli_signal lung = {22, 25, 5};
static const cli_signal blood = {230, 560, 60};
static const cli_signal heart_wall = {240, 260, 120};

static const double chest_centre_y = -128, chest_half_width = 168, chest_half_depth = 106;

void cli_anatomy_init(cli_anatomy *anatomy, uint64_t seed)
{
    uint64_t state = cli_random_stream(seed, 1);
    anatomy->warp = cli_random_next(&state);
    anatomy->gland = cli_random_next(&state);
    anatomy->texture = cli_random_next(&state);
    anatomy->ligament = cli_random_next(&state);
    anatomy->bias_noise = cli_random_next(&state);
    anatomy->density = cli_random_between(&state, -0.15, 0.2);
    for (int side = 0; side < 2; side++) {
        cli_breast *breast = &anatomy->breasts[side];
        const double usual_centre[3] = {side ? -78 : 78, -30, 0}, usual_radii[3] = {62, 84, 66};
        for (int axis = 0; axis < 3; axis++) {
            breast->centre[axis] = usual_centre[axis] + cli_random_between(&state, -4, 4);
            breast->radii[axis] = usual_radii[axis] * cli_random_between(&state, 0.92, 1.08);
        }
    }
    for (int axis = 0; axis < 3; axis++)
        anatomy->bias[axis] = cli_random_between(&state, -0.12, 0.12);
}

cli_signal cli_signal_mix(cli_signal a, cli_signal b, double fraction_of_b)
{
    const double rest = 1 - fraction_of_b;
    return (cli_signal){rest * a.before + fraction_of_b * b.before, rest * a.fast + fraction_of_b * b.fast,
                        rest * a.slow + fraction_of_b * b.slow};
}

/* 1 on the surface of the ellipsoid, less inside. */
static double ellipsoid(const double point[3], const double centre[3], const double radii[3])
{
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) {
        const double t = (point[axis] - centre[axis]) / radii[axis];
        sum += t * t;
    }
    return sqrt(sum);
}

double cli_anatomy_before_wall(const double point[3])
{
    const double x = point[0] / chest_half_width, y = (point[1] - chest_centre_y) / chest_half_depth;
    return (sqrt(x * x + y * y) - 1) * chest_half_depth;
}

/* The smaller of two distances, rounded where they meet (polynomial smooth minimum). */
static double smooth_smaller(double a, double b, double radius)
{
    const double gap = fabs(a - b), overlap = gap < radius ? (radius - gap) / radius : 0;
    return (a < b ? a : b) - overlap * overlap * radius / 4;
}

static double breast_distance(const cli_breast *breast, const double point[3])
{
    const double nipple[3] = {breast->centre[0], breast->centre[1] + breast->radii[1] - 1, breast->centre[2]};
    const double nipple_radii[3] = {5.5, 7, 5.5};
    const double body = (ellipsoid(point, breast->centre, breast->radii) - 1) * breast->radii[0];
    const double tip = (ellipsoid(point, nipple, nipple_radii) - 1) * 6;
    return smooth_smaller(body, tip, 6);
}

double cli_anatomy_depth(const cli_anatomy *anatomy, const double point[3])
{
    const double right = breast_distance(&anatomy->breasts[0], point);
    const double left = breast_distance(&anatomy->breasts[1], point);
    return -smooth_smaller(smooth_smaller(right, left, 12), cli_anatomy_before_wall(point), 26);
}

static void warp(const cli_anatomy *anatomy, const double point[3], double warped[3])
{
    for (int axis = 0; axis < 3; axis++)
        warped[axis] = point[axis] + 5 * cli_noise(anatomy->warp + (uint64_t)axis, point, 38);
}

/* Glandular tissue fills the middle of the breast towards the nipple and frays into the fat around it. */
static double gland_fraction(const cli_anatomy *anatomy, const double point[3])
{
    double nearest = 2;
    for (int side = 0; side < 2; side++) {
        const cli_breast *breast = &anatomy->breasts[side];
        const double centre[3] = {breast->centre[0], breast->centre[1] + 0.24 * breast->radii[1], breast->centre[2]};
        const double radii[3] = {0.70 * breast->radii[0], 0.68 * breast->radii[1], 0.70 * breast->radii[2]};
        const double q = ellipsoid(point, centre, radii);
        nearest = q < nearest ? q : nearest;
    }
    const double stretched[3] = {point[0], point[1] * 0.6, point[2]}; /* lobes point to the nipple */
    const double fray = cli_noise_fractal(anatomy->gland, stretched, 24, 4);
    const double islands = cli_smooth_step(0.1, 0.5, cli_noise_fractal(anatomy->gland + 8, stretched, 8, 2));
    return cli_smooth_step(-0.12, 0.16, 0.66 - nearest + 0.75 * fray + anatomy->density) * (1 - 0.7 * islands);
}

/* Thin sheets where a noise field passes through 0. */
static double ligament_fraction(const cli_anatomy *anatomy, const double point[3])
{
    const double sheet = fabs(cli_noise(anatomy->ligament, point, 19)) / 19;
    return 0.75 * (1 - cli_smooth_step(0, 0.0055, sheet));
}

static cli_signal breast_tissue(const cli_anatomy *anatomy, const double point[3], double depth)
{
    const double texture = cli_noise_fractal(anatomy->texture, point, 9, 2);
    cli_signal around = cli_signal_mix(fat, ligament, ligament_fraction(anatomy, point));
    cli_signal inside = gland;
    around.before *= 1 + 0.10 * texture;
    inside.before *= 1 + 0.12 * texture;
    inside.slow *= 1 + 0.5 * texture;
    const double border = cli_smooth_step(3, 9, depth); /* a layer of fat lies under the skin */
    return cli_signal_mix(around, inside, border * gland_fraction(anatomy, point));
}

/* The two chambers that a slice through the breasts meets, in their common wall. */
static cli_signal heart(const cli_anatomy *anatomy, const double point[3])
{
    const double centre[3] = {-20, -96, -8}, radii[3] = {58, 44, 60};
    const double left[3] = {-38, -100, -12}, right[3] = {0, -84, 2}, left_radii[3] = {27, 26, 42};
    const double right_radii[3] = {28, 20, 40};
    double rough[3];
    for (int axis = 0; axis < 3; axis++)
        rough[axis] = point[axis] + 9 * cli_noise_fractal(anatomy->warp + 3 + (uint64_t)axis, point, 34, 2);
    const double to_left = ellipsoid(rough, left, left_radii), to_right = ellipsoid(rough, right, right_radii);
    const double chamber = to_left < to_right ? to_left : to_right;
    const cli_signal inside = cli_signal_mix(blood, heart_wall, cli_smooth_step(0.97, 1.05, chamber));
    return cli_signal_mix(inside, lung, cli_smooth_step(0.98, 1.02, ellipsoid(rough, centre, radii)));
}

/* Ribs lie every 26 mm and rise towards the spine; the breastbone is in the middle. */
static cli_signal rib_cage(const double point[3])
{
    const double rise = (point[2] + 0.35 * fabs(point[0])) / 26, phase = fabs(rise - floor(rise) - 0.5);
    const double rib = 1 - cli_smooth_step(0.20, 0.25, phase);
    const double breastbone = 1 - cli_smooth_step(14, 16, fabs(point[0]));
    return cli_signal_mix(muscle, bone, rib > breastbone ? rib : breastbone);
}

static cli_signal chest_tissue(const cli_anatomy *anatomy, const double point[3], double behind)
{
    const double texture = cli_noise_fractal(anatomy->texture, point, 11, 2);
    const double to_lung = cli_smooth_step(25, 26.5, behind);
    const double to_ribs = cli_smooth_step(14.5, 16, behind);
    const double to_muscle = cli_smooth_step(3.5, 5, behind) * cli_smooth_step(9, 16, fabs(point[0]));
    cli_signal here = cli_signal_mix(fat, muscle, to_muscle);
    here = cli_signal_mix(here, rib_cage(point), to_ribs);
    here = cli_signal_mix(here, heart(anatomy, point), to_lung);
    here.before *= 1 + 0.12 * texture;
    here.fast *= 1 + 0.15 * texture;
    return here;
}

cli_signal cli_anatomy_at(const cli_anatomy *anatomy, const double point[3])
{
    const double rough_depth = cli_anatomy_depth(anatomy, point);
    if (rough_depth < -12)
        return air;
    double warped[3];
    warp(anatomy, point, warped);
    const double depth = cli_anatomy_depth(anatomy, warped);
    const double behind = -cli_anatomy_before_wall(warped);
    if (depth < -1)
        return air;
    const double chest = cli_smooth_step(1, 3, behind);
    cli_signal here = chest < 1 ? breast_tissue(anatomy, warped, depth) : air;
    if (chest > 0)
        here = cli_signal_mix(here, chest_tissue(anatomy, warped, behind), chest);
    here = cli_signal_mix(skin, here, cli_smooth_step(1.4, 2.6, depth));
    return cli_signal_mix(air, here, cli_smooth_step(-0.6, 0.6, depth));
}

/* Breast coils are most sensitive at the front. */
double cli_anatomy_bias(const cli_anatomy *anatomy, const double point[3])
{
    double bias = 1 + 0.0016 * (point[1] + 15) + 0.08 * cli_noise(anatomy->bias_noise, point, 150);
    for (int axis = 0; axis < 3; axis++)
        bias += anatomy->bias[axis] * point[axis] / 160;
    return bias;
}
