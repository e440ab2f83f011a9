/* Any sequence of calls: handles that are there, that are not and that were just freed elsewhere, options of any size,
 * callbacks that cancel at the n-th question. Nothing crashes, each failure has its status and changes nothing. */
#include "caller.h"

enum { MOST_CALLS = 24, MOST_OPENED = 3, EDGE = 10, VOXELS = EDGE * EDGE * EDGE };

static void open_model(world *w)
{
    deeptepp_model *made = NULL, **slot = SLOT(w, models);
    deeptepp_error error = {0};
    static const int threads[] = {1, 1, 1, 2, 0, -1, 300, INT32_MIN}, precisions[] = {0, 0, 0, 0, 0, 1, 2, -1};
    if (w->opened++ >= MOST_OPENED)
        return;
    const uint8_t chosen = bite(&w->input);
    deeptepp_model_options all = {sizeof all, NULL, threads[chosen % 8], 0, NULL, precisions[chosen / 8 % 8],
                                  chosen > 250};
    const deeptepp_callbacks *callbacks = all.callbacks = listen(w);
    void *options = sized(&w->input, &all, sizeof all);
    size_t size = bite(&w->input) % 4 ? w->file.size : w->file.size * (size_t)bite_within(&w->input, 0, 255) / 255;
    deeptepp_status status = deeptepp_model_from_bytes(&made, w->file.data, size, options, &error);
    check(w, status, &error, made != NULL);
    deeptepp_model_free(*slot);
    *slot = made;
    free(options);
    free((void *)(uintptr_t)callbacks);
}

static void open_session(world *w)
{
    deeptepp_session *made = NULL, **slot = SLOT(w, sessions);
    deeptepp_error error = {0};
    if (w->opened++ >= MOST_OPENED)
        return;
    const deeptepp_callbacks *callbacks = listen(w);
    deeptepp_session_options all = {sizeof all, callbacks, bite(&w->input) & 1, 0};
    if (bite(&w->input) % 8 == 7)
        all.memory_limit = (uint64_t)bite_within(&w->input, 0, 65535);
    void *options = sized(&w->input, &all, sizeof all);
    deeptepp_status status = deeptepp_session_new(&made, HANDLE(w, models), options, &error);
    check(w, status, &error, made != NULL);
    deeptepp_session_free(*slot);
    *slot = made;
    free(options);
    free((void *)(uintptr_t)callbacks);
}

static void open_volume(world *w)
{
    static float voxels[2][VOXELS]; /* image and mask */
    deeptepp_volume *made = NULL, **slot = SLOT(w, volumes);
    deeptepp_error error = {0};
    uint8_t kind = bite(&w->input);
    for (int n = 0; n < VOXELS; n++)
        voxels[kind & 1][n] = (float)(kind & 1 ? n / 4 == VOXELS / 8 : n * n % 97);
    deeptepp_array all = {sizeof all, voxels[kind & 1], DEEPTEPP_FLOAT32, {EDGE, EDGE, EDGE}, {0}, {[15] = 1}};
    for (int axis = 0; axis < 3; axis++)
        all.affine[5 * axis] = kind & 128 ? bite_number(&w->input) : 1;
    void *array = sized(&w->input, &all, sizeof all);
    deeptepp_status status = deeptepp_volume_from_array(&made, array, &error);
    check(w, status, &error, made != NULL);
    deeptepp_volume_free(*slot);
    *slot = made;
    free(array);
}

static void set_case(world *w)
{
    deeptepp_case *patient = HANDLE(w, cases);
    deeptepp_volume *volume = HANDLE(w, volumes);
    deeptepp_mask *mask;
    deeptepp_error error = {0};
    uint8_t kind = bite(&w->input);
    const deeptepp_mask_options all = {sizeof all, kind >> 4, kind & 8, kind >> 6};
    void *options = kind & 4 ? sized(&w->input, &all, sizeof all) : NULL;
    deeptepp_status status =
        kind % 4 == 0   ? deeptepp_case_set_image(patient, kind & 16 ? "c0" : kind & 32 ? "" : NULL, volume, &error)
        : kind % 4 == 1 ? deeptepp_case_set_mask(patient, volume, options, &error)
        : kind % 4 == 2 ? deeptepp_case_set_covariate(patient, kind & 16 ? "age" : NULL, kind - 9.5, &error)
                        : deeptepp_case_set_mask(patient, volume, NULL, &error);
    require_sound(status, &error);
    require(status != DEEPTEPP_OK || patient);
    require((deeptepp_mask_new(&mask, volume, options, NULL) == DEEPTEPP_OK) == (mask != NULL));
    deeptepp_mask_free(mask);
    free(options);
}

static void score(world *w)
{
    deeptepp_result *made = NULL, **slot = SLOT(w, results);
    deeptepp_error error = {0};
    w->caller = (caller){.patience = (int)bite_within(&w->input, -1, 30)};
    deeptepp_session *session = HANDLE(w, sessions);
    deeptepp_status status = deeptepp_session_score(session, HANDLE(w, cases), &made, &error);
    check(w, status, &error, made != NULL);
    require(!made || isfinite(deeptepp_result_score(made)));
    deeptepp_result_free(*slot);
    *slot = made;
}

static void prepare_views(world *w)
{
    static float views[EDGE * EDGE * EDGE];
    deeptepp_error error = {0};
    double expected, found;
    deeptepp_session *session = HANDLE(w, sessions);
    w->caller = (caller){.patience = (int)bite_within(&w->input, -1, 30)};
    size_t count = bite(&w->input) & 1 ? 8 * 8 * 8 : (size_t)bite_within(&w->input, 0, EDGE * EDGE * EDGE);
    deeptepp_status status = deeptepp_session_preprocess(session, HANDLE(w, cases), views, count, &error);
    require_sound(status, &error);
    require(status != DEEPTEPP_OK || count == 8 * 8 * 8);
    w->caller.told = 0;
    status = deeptepp_session_self_test(session, &expected, &found, NULL);
    require(status != DEEPTEPP_OK || isfinite(found));
}

#define FREE(w, kind, slot) (deeptepp_##kind##_free((w)->kind##s[slot]), (w)->kind##s[slot] = NULL)

static void free_some(world *w)
{
    uint8_t which = bite(&w->input), slot = which / 8 % SLOTS;
    switch (which % 8) {
    case 0: FREE(w, model, slot); break;
    case 1: FREE(w, session, slot); break;
    case 2: FREE(w, case, slot); break;
    case 3: FREE(w, volume, slot); break;
    case 4: FREE(w, result, slot); break;
    default: deeptepp_model_free(deeptepp_model_ref(HANDLE(w, models)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const calls[])(world *) = {open_model, open_session, open_volume, new_case, set_case, set_case,
                                             score, prepare_views, read_all, free_some};
    static const tiny_options options = {.seed = 1, .size = {8, 8, 8}, .patch = "{\"weights\": \"seeded\"}"};
    static tiny_bytes file;
    file = file.data ? file : tiny_model_bytes(&options);
    world w = {.input = {bytes, size}, .file = file};
    for (int n = 0; n < MOST_CALLS && w.input.left; n++)
        calls[bite(&w.input) % 10](&w);
    for (int slot = 0; slot < SLOTS; slot++) {
        FREE(&w, model, slot);
        FREE(&w, volume, slot);
        FREE(&w, session, slot);
        FREE(&w, case, slot);
        FREE(&w, result, slot);
    }
    return 0;
}
