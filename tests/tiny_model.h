/* Small model files with seeded weights, made in memory: the tests' own writer of docs/model-format.md. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tiny_tensor {
    char name[192];
    const char *dtype; /* "F32", or "I64": values are written as such */
    int rank;
    int64_t shape[5];
    float *values;
} tiny_tensor;

typedef struct tiny_model {
    tiny_tensor *tensors;
    int count;
    json_t *description;
} tiny_model;

/* 0 means the default. */
typedef struct tiny_options {
    int depth;             /* 10, 18 or 34: basic blocks; 50: bottlenecks; default 10 */
    int width;             /* channels of the stem and of layer1; default 4 */
    int channels, classes; /* default 1 and 2 */
    int kernel[3];         /* of the stem; default 3 */
    int stem_stride;       /* default 1 */
    bool pool;
    int strides[4], dilations[4]; /* default 1 2 2 2 and 1 1 1 1 */
    bool shortcut_a, downsample_bias;
    const char *activation; /* default "relu" */
    int size[3];            /* default 16 */
    int members;            /* from 2 on with prefixes "fold0.", "fold1.", ... */
    uint64_t seed;
    const char *patch; /* JSON laid over the description: objects key by key, null takes a key away */
} tiny_options;

typedef struct tiny_bytes {
    uint8_t *data;
    size_t size;
} tiny_bytes;

/* One view, fixed region of 1 mm, no intensity rule, rule "logit" of the last class, nothing optional but the patch. */
tiny_model tiny_model_make(const tiny_options *options);
void tiny_model_free(tiny_model *model);

/* NULL when there is none of that name. */
tiny_tensor *tiny_model_find(const tiny_model *model, const char *name);

void tiny_model_drop(tiny_model *model, const char *name);

/* Zeros; shape ends with a 0. */
tiny_tensor *tiny_model_add(tiny_model *model, const char *name, const int64_t *shape);

size_t tiny_tensor_count(const tiny_tensor *tensor);

/* The file; free(bytes.data). */
tiny_bytes tiny_model_write(const tiny_model *model);
tiny_bytes tiny_model_bytes(const tiny_options *options);

#endif
