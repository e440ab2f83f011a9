/* A mask alone, and image, mask and recipe to the network's tensor: volumes of any type, order, strides and affine,
 * masks of any shape and options, recipes of cubes and mosaics. What is accepted gives finite numbers, twice the
 * same. */
#include "../tiny_model.h"
#include "mask_promises.h"

#define CUBE(region, outside, intensity)                                                                               \
    "{\"input\": {\"angles_deg\": [0, 33, -120], \"region\": " region ", \"outside\": " outside                        \
    ", \"intensity\": " intensity "}}"
#define FIXED "{\"rule\": \"fixed\", \"spacing_mm\": [1, 0.7, 2.5]}"
#define WARN "{\"rule\": \"warn\", \"fill\": \"edge\"}"
#define USUAL(pairs) ", \"usual\": {\"mask_ml\": [0, 1], \"intensity\": [" pairs "]}"
#define MOSAIC(axes, slices, angle)                                                                                    \
    "{\"input\": {\"recipe\": \"mosaic_cube\", \"axes\": \"" axes "\", \"size\": [64, 64, 64], \"angles_deg\": ["      \
    angle "], \"slices\": \"" slices "\"" USUAL("[0, 9]") ", \"region\": null, \"outside\": null, \"intensity\": null}}"

static const tiny_options recipes[] = {
    {.patch = CUBE(FIXED, WARN, "{\"rule\": \"none\"}")},
    {.patch = CUBE(FIXED, "{\"rule\": \"error\", \"fill\": \"edge\"}", "{\"rule\": \"zscore\", \"over\": \"view\"}")},
    {.patch = CUBE("{\"rule\": \"box\", \"spacing_mm\": null, \"margin_mm\": 3, \"keep_aspect\": true}",
                   "{\"rule\": \"warn\", \"fill\": \"constant\", \"value\": -7}",
                   "{\"rule\": \"minmax\", \"over\": \"image\", \"range\": [0, 1]}")},
    {.patch = CUBE("{\"rule\": \"box\", \"spacing_mm\": null, \"margin_mm\": 0, \"keep_aspect\": false}", WARN,
                   "{\"rule\": \"percentile\", \"over\": \"view\", \"range\": [-1, 1], \"percentiles\": [2, 97]}")},
    {.channels = 2,
     .patch = CUBE(FIXED, WARN, "{\"rule\": \"zscore\", \"over\": \"images_together\"}" USUAL("[0, 9], [-9, 0]"))},
    {.strides = {8, 8, 8, 8}, .patch = MOSAIC("LPS", "first", "40")},
    {.strides = {8, 8, 8, 8}, .patch = MOSAIC("stored", "spaced", "360")},
};
enum { N_RECIPES = 7, MOST_VIEWS = 64 * 64 * 64 };

static deeptepp_session *sessions[N_RECIPES];
static int64_t inputs[N_RECIPES], channels[N_RECIPES]; /* floats; images */

static void prepare(int i)
{
    tiny_options options = recipes[i];
    deeptepp_model *model;
    int64_t shape[5];
    options.size[0] = options.size[1] = options.size[2] = 9;
    tiny_bytes bytes = tiny_model_bytes(&options);
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 1};
    require(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, NULL) == DEEPTEPP_OK);
    require(deeptepp_session_new(&sessions[i], model, NULL, NULL) == DEEPTEPP_OK);
    deeptepp_model_input_shape(model, shape);
    inputs[i] = shape[0] * shape[1] * shape[2] * shape[3] * shape[4];
    channels[i] = shape[1];
    require(inputs[i] <= MOST_VIEWS);
    deeptepp_model_free(model);
    free(bytes.data);
}

static void run(bites *b, int recipe, const deeptepp_case *patient)
{
    static float out[2][MOST_VIEWS];
    deeptepp_error error = {0};
    size_t count = (size_t)inputs[recipe];
    deeptepp_status status = deeptepp_session_preprocess(sessions[recipe], patient, out[0], count, &error);
    require_sound(status, &error);
    if (status != DEEPTEPP_OK)
        return;
    for (size_t n = 0; n < count; n++)
        require(isfinite(out[0][n]));
    if (bite(b) & 1)
        return;
    require(deeptepp_session_preprocess(sessions[recipe], patient, out[1], count, NULL) == DEEPTEPP_OK);
    require(memcmp(out[0], out[1], count * sizeof **out) == 0);
}

/* The mask's array is the first image's, or differs in what the input says. */
static void vary(bites *b, deeptepp_array *array)
{
    uint8_t kind = bite(b);
    if ((kind & 3) == 1)
        array->affine[4 * (kind % 3) + 3] += 0.001 * (double)bite(b);
    if ((kind & 3) == 2)
        choose_affine(b, array->affine);
    if (kind & 32)
        for (int axis = 0; axis < 3; axis++)
            array->dims[axis] = bite_within(b, 1, 12);
}

static void make_case(bites *b, int recipe, deeptepp_case *patient, deeptepp_volume *volumes[3])
{
    static uint8_t memory[3][ROOM];
    deeptepp_array array = {.struct_size = sizeof array};
    for (int axis = 0; axis < 3; axis++)
        array.dims[axis] = bite_within(b, 1, recipe < 5 ? 16 : 8);
    choose_affine(b, array.affine);
    for (int64_t v = 0; v <= channels[recipe]; v++) {
        bool mask = v == channels[recipe];
        char name[] = {'c', (char)('0' + v), '\0'};
        if (v)
            vary(b, &array);
        volumes[v] = choose_volume(b, &array, memory[v], mask);
        if (volumes[v] && !mask)
            require(deeptepp_case_set_image(patient, name, volumes[v], NULL) == DEEPTEPP_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    bites b = {bytes, size};
    deeptepp_volume *volumes[3] = {NULL};
    deeptepp_case *patient;
    int recipe = (int)bite_within(&b, 0, 31); /* mosaics take a hundred times as long */
    recipe = recipe < 30 ? recipe % 5 : recipe - 25;
    if (!sessions[recipe])
        prepare(recipe);
    require(deeptepp_case_new(&patient, NULL) == DEEPTEPP_OK);
    uint8_t kind = bite(&b);
    deeptepp_mask_options options = {.struct_size = sizeof options, .label = kind & 1 ? bite(&b) : 0,
                                     .largest_part = kind & 2, .grid = (kind >> 2) % 3};
    make_case(&b, recipe, patient, volumes);
    deeptepp_volume *mask = volumes[channels[recipe]];
    if (mask) {
        check_mask(mask, &options);
        require(deeptepp_case_set_mask(patient, mask, &options, NULL) == DEEPTEPP_OK);
    }
    run(&b, recipe, patient);
    deeptepp_case_free(patient);
    for (int v = 0; v < 3; v++)
        deeptepp_volume_free(volumes[v]);
    return 0;
}
