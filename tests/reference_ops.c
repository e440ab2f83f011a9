#include "reference_ops.h"

#include <math.h>
#include <stdlib.h>

/* SplitMix64 (Steele et al. 2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double reference_random(uint64_t *state)
{
    return (double)(next(state) >> 40) / 8388608.0 - 1.0;
}

int64_t reference_draw(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(next(state) % (uint64_t)(high - low + 1));
}

reference_map reference_new(int64_t n, int64_t c, int64_t d, int64_t h, int64_t w)
{
    reference_map map = {.n = n, .c = c, .d = d, .h = h, .w = w};
    map.values = calloc((size_t)(n * c * d * h * w), sizeof *map.values);
    if (!map.values)
        abort();
    return map;
}

reference_map reference_of(const float *values, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w)
{
    reference_map map = reference_new(n, c, d, h, w);
    for (int64_t i = 0; i < reference_count(&map); i++)
        map.values[i] = values[i];
    return map;
}

void reference_free(reference_map *map)
{
    free(map->values);
    *map = (reference_map){0};
}

int64_t reference_count(const reference_map *map)
{
    return map->n * map->c * map->d * map->h * map->w;
}

double *reference_at(const reference_map *map, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w)
{
    return map->values + (((n * map->c + c) * map->d + d) * map->h + h) * map->w + w;
}

/* ---- windows ---- */

static int64_t output_size(int64_t size, const reference_window *window, int axis)
{
    int64_t count = 0, reach = (window->kernel[axis] - 1) * window->dilation[axis];
    int64_t end = size + (window->open_end ? 0 : window->pad[axis]);
    for (int64_t first = -window->pad[axis]; first + reach < end; first += window->stride[axis])
        count++;
    return count;
}

static reference_map output_of(const reference_map *in, const reference_window *window, int64_t oc)
{
    return reference_new(in->n, oc, output_size(in->d, window, 0), output_size(in->h, window, 1),
                         output_size(in->w, window, 2));
}

typedef struct cell {
    int64_t n, c, d, h, w;
} cell;

/* The element of the map under tap `k` of the window at output cell `at`; NULL in the padding. */
static const double *under(const reference_map *in, const reference_window *window, const cell *at, int64_t c,
                           const int64_t k[3])
{
    int64_t d = at->d * window->stride[0] - window->pad[0] + k[0] * window->dilation[0];
    int64_t h = at->h * window->stride[1] - window->pad[1] + k[1] * window->dilation[1];
    int64_t w = at->w * window->stride[2] - window->pad[2] + k[2] * window->dilation[2];
    if (d < 0 || h < 0 || w < 0 || d >= in->d || h >= in->h || w >= in->w)
        return NULL;
    return reference_at(in, at->n, c, d, h, w);
}

/* The window's next tap; false after the last. */
static int next_tap(const reference_window *window, int64_t k[3])
{
    for (int axis = 2; axis >= 0; axis--) {
        if (++k[axis] < window->kernel[axis])
            return 1;
        k[axis] = 0;
    }
    return 0;
}

typedef double cell_function(const reference_map *in, const reference_window *window, const cell *at,
                             const void *argument);

static void fill(reference_map *out, const reference_map *in, const reference_window *window, cell_function *function,
                 const void *argument)
{
    double *value = out->values;
    cell at;
    for (at.n = 0; at.n < out->n; at.n++)
        for (at.c = 0; at.c < out->c; at.c++)
            for (at.d = 0; at.d < out->d; at.d++)
                for (at.h = 0; at.h < out->h; at.h++)
                    for (at.w = 0; at.w < out->w; at.w++)
                        *value++ = function(in, window, &at, argument);
}

typedef struct parameters {
    const float *weights, *bias;
} parameters;

static double convolve(const reference_map *in, const reference_window *window, const cell *at, const void *argument)
{
    const parameters *p = argument;
    int64_t taps = window->kernel[0] * window->kernel[1] * window->kernel[2];
    const float *weight = p->weights + at->c * in->c * taps;
    double sum = p->bias ? p->bias[at->c] : 0;
    for (int64_t c = 0; c < in->c; c++) {
        int64_t k[3] = {0, 0, 0};
        do {
            const double *value = under(in, window, at, c, k);
            sum += value ? *weight * *value : 0;
            weight++;
        } while (next_tap(window, k));
    }
    return sum;
}

reference_map reference_convolution(const reference_map *in, const reference_window *window, int64_t oc,
                                    const float *weights, const float *bias)
{
    const parameters p = {.weights = weights, .bias = bias};
    reference_map out = output_of(in, window, oc);
    fill(&out, in, window, convolve, &p);
    return out;
}

static double largest(const reference_map *in, const reference_window *window, const cell *at, const void *argument)
{
    double found = -INFINITY;
    int64_t k[3] = {0, 0, 0};
    (void)argument;
    do {
        const double *value = under(in, window, at, at->c, k);
        found = value && *value > found ? *value : found;
    } while (next_tap(window, k));
    return found;
}

static double mean(const reference_map *in, const reference_window *window, const cell *at, const void *argument)
{
    double sum = 0, count = 0;
    int64_t k[3] = {0, 0, 0};
    (void)argument;
    do {
        const double *value = under(in, window, at, at->c, k);
        sum += value ? *value : 0;
        count += value != NULL;
    } while (next_tap(window, k));
    return sum / count;
}

reference_map reference_max_pool(const reference_map *in, const reference_window *window)
{
    reference_map out = output_of(in, window, in->c);
    fill(&out, in, window, largest, NULL);
    return out;
}

reference_map reference_average_pool(const reference_map *in, const reference_window *window)
{
    reference_map out = output_of(in, window, in->c);
    fill(&out, in, window, mean, NULL);
    return out;
}

static double first_tap(const reference_map *in, const reference_window *window, const cell *at, const void *argument)
{
    (void)window;
    (void)argument;
    return *reference_at(in, at->n, at->c, at->d, at->h, at->w);
}

reference_map reference_crop(const reference_map *in, const reference_window *window)
{
    reference_map out = output_of(in, window, in->c);
    fill(&out, in, window, first_tap, NULL);
    return out;
}

reference_map reference_linear(const reference_map *in, int64_t classes, const float *weights, const float *bias)
{
    const reference_window all = {
        .kernel = {in->d, in->h, in->w}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    return reference_convolution(in, &all, classes, weights, bias);
}

/* ---- element by element ---- */

void reference_norm(reference_map *map, const float *gain, const float *shift, const float *mean_of,
                    const float *variance)
{
    int64_t plane = map->d * map->h * map->w;
    for (int64_t i = 0; i < reference_count(map); i++) {
        int64_t c = i / plane % map->c;
        map->values[i] = gain[c] * (map->values[i] - mean_of[c]) / sqrt(variance[c] + 1e-5) + shift[c];
    }
}

void reference_add(reference_map *map, const reference_map *more)
{
    for (int64_t i = 0; i < reference_count(map); i++)
        map->values[i] += more->values[i];
}

void reference_activate(reference_map *map, dtp_activation activation)
{
    for (int64_t i = 0; i < reference_count(map); i++) {
        double x = map->values[i];
        if (activation == DTP_IDENTITY || x > 0)
            continue;
        map->values[i] = activation == DTP_RELU ? 0 : activation == DTP_LEAKY_RELU ? 0.01 * x : expm1(x);
    }
}

double reference_error(const reference_map *wanted, const float *found)
{
    double squares = 0, worst = 0;
    int64_t count = reference_count(wanted);
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs(found[i] - wanted->values[i]);
        if (!isfinite(difference))
            return INFINITY;
        squares += wanted->values[i] * wanted->values[i];
        worst = fmax(worst, difference);
    }
    return worst == 0 ? 0 : worst / sqrt(squares / (double)count);
}
