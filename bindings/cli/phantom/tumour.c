#include "tumour.h"

#include <math.h>
#include <string.h>

enum { PLACES = 400, DIRECTIONS = 4096, VESSELS_A_SIDE = 3, FEEDERS = 3 };

const cli_signal cli_vessel_signal = {225, 500, 50};
static const cli_signal viable = {235, 520, 40};

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void make_frame(double frame[3][3], uint64_t *state)
{
    double helper[3];
    cli_random_direction(state, frame[0]);
    do
        cli_random_direction(state, helper);
    while (fabs(dot(helper, frame[0])) > 0.9);
    const double along = dot(helper, frame[0]), length = sqrt(1 - along * along);
    for (int i = 0; i < 3; i++)
        frame[1][i] = (helper[i] - along * frame[0][i]) / length;
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        frame[2][i] = frame[0][j] * frame[1][k] - frame[0][k] * frame[1][j];
    }
}

static void make_spicules(cli_tumour *tumour, double spiculation, uint64_t *state)
{
    for (int i = 0; i < CLI_SPICULES; i++) {
        cli_random_direction(state, tumour->spicules[i]);
        tumour->spicules[i][3] = spiculation * cli_random_between(state, 0.5, 1.3);
        tumour->spicules[i][4] = cli_random_between(state, 0.008, 0.035);
    }
}

/* The surfaces of the body and of the longest spicule on it, in a direction of the tumour's own frame, in units of the
 * radius. */
static double body_surface(const cli_tumour *tumour, const double direction[3])
{
    return 1 + 0.22 * cli_noise_fractal(tumour->lobes, direction, 0.8, 2);
}

static double spicule_length(const cli_tumour *tumour, const double direction[3])
{
    double longest = 0;
    for (int i = 0; i < CLI_SPICULES; i++) {
        const double *spicule = tumour->spicules[i];
        const double t = 1 - (1 - dot(direction, spicule)) / spicule[4];
        const double length = t > 0 ? spicule[3] * t * t : 0;
        longest = length > longest ? length : longest;
    }
    return longest;
}

static double cube_root(double x)
{
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 200; i++) /* Newton's steps fall until they stand still; 200 suffice for 1e-9 to 1e9 */
        root -= (root * root * root - x) / (3 * root * root);
    return root;
}

/* Makes the volume that of a ball of the diameter: a body with the surface r(direction) has the volume of a ball whose
 * radius is the cubic mean of r. */
static void set_size(cli_tumour *tumour, double diameter, uint64_t *state)
{
    double sum = 0, furthest = 0;
    for (int i = 0; i < DIRECTIONS; i++) {
        double direction[3];
        cli_random_direction(state, direction);
        const double r = body_surface(tumour, direction) + spicule_length(tumour, direction);
        sum += r * r * r;
        furthest = r > furthest ? r : furthest;
    }
    const double product = tumour->axes[0] * tumour->axes[1] * tumour->axes[2];
    tumour->radius = diameter / 2 / cube_root(product * sum / (double)DIRECTIONS);
    tumour->reach = 1.1 * furthest * tumour->radius + 2;
}

/* How well a place suits: the least distance to skin and chest wall. */
static double room_at(const cli_anatomy *anatomy, const double point[3])
{
    const double depth = cli_anatomy_depth(anatomy, point), wall = cli_anatomy_before_wall(point);
    return depth < wall ? depth : wall;
}

/* The first place with enough room, or else the one with most. */
static void place(cli_tumour *tumour, const cli_anatomy *anatomy, uint64_t *state)
{
    const cli_breast *breast = &anatomy->breasts[cli_random_next(state) >> 63];
    const double wanted = 1.15 * tumour->radius + 7;
    double best = -1e9;
    for (int i = 0; i < PLACES && best < wanted; i++) {
        double point[3];
        for (int axis = 0; axis < 3; axis++)
            point[axis] = breast->centre[axis] + breast->radii[axis] * cli_random_between(state, -0.6, 0.6);
        const double room = room_at(anatomy, point);
        if (room > best) {
            best = room;
            memcpy(tumour->centre, point, sizeof point);
        }
    }
}

void cli_tumour_init(cli_tumour *tumour, const cli_anatomy *anatomy, const cli_tumour_options *options, uint64_t seed)
{
    uint64_t state = cli_random_stream(seed, 2);
    memset(tumour, 0, sizeof *tumour);
    tumour->lobes = cli_random_next(&state);
    tumour->texture = cli_random_next(&state);
    tumour->necrosis = cli_random_next(&state);
    tumour->rim = options->rim;
    tumour->heterogeneity = options->heterogeneity;
    make_frame(tumour->frame, &state);
    tumour->axes[0] = 1;
    tumour->axes[1] = cli_random_between(&state, 0.8, 1);
    tumour->axes[2] = cli_random_between(&state, 0.7, 0.9);
    make_spicules(tumour, options->spiculation, &state);
    set_size(tumour, options->diameter, &state);
    place(tumour, anatomy, &state);
}

/* The distance from the centre in units of the radius, and the direction; any direction at the centre itself. */
static double locate(const cli_tumour *tumour, const double point[3], double direction[3])
{
    double own[3], from_centre[3];
    for (int i = 0; i < 3; i++)
        from_centre[i] = point[i] - tumour->centre[i];
    for (int i = 0; i < 3; i++)
        own[i] = dot(tumour->frame[i], from_centre) / (tumour->axes[i] * tumour->radius);
    const double distance = sqrt(dot(own, own));
    for (int i = 0; i < 3; i++)
        direction[i] = distance > 0 ? own[i] / distance : i == 0;
    return distance;
}

double cli_tumour_inside(const cli_tumour *tumour, const double point[3])
{
    double direction[3];
    for (int axis = 0; axis < 3; axis++)
        if (fabs(point[axis] - tumour->centre[axis]) > tumour->reach)
            return -99;
    const double distance = locate(tumour, point, direction);
    const double border = body_surface(tumour, direction) + spicule_length(tumour, direction);
    return (border - distance) * tumour->radius;
}

cli_signal cli_tumour_at(const cli_tumour *tumour, const double point[3])
{
    double direction[3];
    const double distance = locate(tumour, point, direction), q = distance / body_surface(tumour, direction);
    const double core = 1 - cli_smooth_step(0.42, 0.82, q);
    const double texture = cli_noise_fractal(tumour->texture, point, 4.5, 2);
    const double pocket = cli_smooth_step(0.12, 0.42, cli_noise(tumour->necrosis, point, 0.8 * tumour->radius + 2));
    double uptake = 1 - 0.85 * tumour->rim * core + 0.2 * tumour->rim * (1 - core);
    uptake *= (1 + 0.55 * tumour->heterogeneity * texture) * (1 - 0.75 * tumour->heterogeneity * pocket);
    cli_signal here = viable;
    here.before *= 1 - 0.25 * (tumour->rim * core + tumour->heterogeneity * pocket) / 2;
    here.fast *= uptake > 0.05 ? uptake : 0.05;
    return here;
}

typedef struct curve {
    double ends[2][3], bend[3]; /* quadratic Bezier */
    double radius[2];
    uint64_t wobble;
} curve;

static void walk(const curve *path, cli_vessel_visit *visit, void *user)
{
    const int steps = 600; /* of a path of at most 300 mm */
    for (int i = 0; i <= steps; i++) {
        const double t = (double)i / steps, a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;
        double point[3];
        for (int axis = 0; axis < 3; axis++)
            point[axis] = a * path->ends[0][axis] + b * path->bend[axis] + c * path->ends[1][axis];
        double wobbled[3];
        for (int axis = 0; axis < 3; axis++)
            wobbled[axis] = point[axis] + 5 * cli_noise(path->wobble + (uint64_t)axis, point, 17);
        visit(user, wobbled, (1 - t) * path->radius[0] + t * path->radius[1]);
    }
}

/* From behind the breast, on its outer side, to `target`. */
static curve make_curve(const cli_breast *breast, const double target[3], uint64_t *state)
{
    curve path;
    const double outwards = breast->centre[0] > 0 ? 1 : -1;
    for (int axis = 0; axis < 3; axis++) {
        const double offset = cli_random_between(state, -0.75, 0.75) * breast->radii[axis];
        path.ends[0][axis] = breast->centre[axis] + (axis == 1 ? 12 : offset);
        path.ends[1][axis] = target[axis];
        path.bend[axis] = (path.ends[0][axis] + target[axis]) / 2 + cli_random_between(state, -24, 24);
    }
    path.bend[0] += 12 * outwards;
    path.radius[0] = cli_random_between(state, 1.1, 1.6);
    path.radius[1] = cli_random_between(state, 0.5, 0.8);
    path.wobble = cli_random_next(state);
    return path;
}

void cli_vessels_walk(const cli_anatomy *anatomy, const cli_tumour *tumour, uint64_t seed, cli_vessel_visit *visit,
                      void *user)
{
    uint64_t state = cli_random_stream(seed, 3);
    for (int side = 0; side < 2; side++) {
        const cli_breast *breast = &anatomy->breasts[side];
        for (int i = 0; i < VESSELS_A_SIDE; i++) {
            double target[3];
            for (int axis = 0; axis < 3; axis++)
                target[axis] = breast->centre[axis] + cli_random_between(&state, -0.45, 0.45) * breast->radii[axis];
            target[1] = breast->centre[1] + 0.8 * breast->radii[1];
            const curve path = make_curve(breast, target, &state);
            walk(&path, visit, user);
        }
    }
    const cli_breast *own = &anatomy->breasts[tumour->centre[0] > 0 ? 0 : 1];
    for (int i = 0; i < FEEDERS; i++) {
        const curve path = make_curve(own, tumour->centre, &state);
        walk(&path, visit, user);
    }
}
