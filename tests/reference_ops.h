/* Layers as plain loops in double precision: what the fast ones are held against. */
#ifndef REFERENCE_OPS_H
#define REFERENCE_OPS_H

#include <stdint.h>

#include "../libdeeptepp/nn/graph.h"

/* n x c x d x h x w, w fastest. */
typedef struct reference_map {
    int64_t n, c, d, h, w;
    double *values;
} reference_map;

typedef struct reference_window {
    int64_t kernel[3], stride[3], pad[3], dilation[3]; /* depth, height, width; dilation 1 is dense */
    bool open_end; /* padded before the first cell only */
} reference_window;

/* Uniform in [-1, 1), always the same from the same state. */
double reference_random(uint64_t *state);

/* A whole number from low to high. */
int64_t reference_draw(uint64_t *state, int64_t low, int64_t high);

/* Zeros. Every map is the caller's, to be given to reference_free. */
reference_map reference_new(int64_t n, int64_t c, int64_t d, int64_t h, int64_t w);
reference_map reference_of(const float *values, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w);
void reference_free(reference_map *map);
int64_t reference_count(const reference_map *map);
double *reference_at(const reference_map *map, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w);

/* weights: oc x ic x kd x kh x kw. bias: oc, or NULL. Padding is zeros. */
reference_map reference_convolution(const reference_map *in, const reference_window *window, int64_t oc,
                                    const float *weights, const float *bias);

/* Over the cells of the window that lie in the map. */
reference_map reference_max_pool(const reference_map *in, const reference_window *window);
reference_map reference_average_pool(const reference_map *in, const reference_window *window);

/* The first cells of each axis, as many as a dense window of stride 1 leaves. */
reference_map reference_crop(const reference_map *in, const reference_window *window);

/* weights: classes x (c d h w). */
reference_map reference_linear(const reference_map *in, int64_t classes, const float *weights, const float *bias);

/* y = gain (x - mean) / sqrt(variance + 1e-5) + shift, channel by channel, in place. */
void reference_norm(reference_map *map, const float *gain, const float *shift, const float *mean,
                    const float *variance);

/* In place. */
void reference_add(reference_map *map, const reference_map *more);
void reference_activate(reference_map *map, dtp_activation activation);

/* The largest |found - wanted|, in units of the root mean square of `wanted`; infinite when a value is not finite. */
double reference_error(const reference_map *wanted, const float *found);

#endif
