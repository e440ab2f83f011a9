/* The host that fuzz_calls plays: its handles, its callbacks, its structs of any size. */
#ifndef CALLER_H
#define CALLER_H

#include "../tiny_model.h"
#include "fuzz.h"

enum { SLOTS = 2 };

typedef struct caller {
    int patience, asked; /* says yes at the question after `patience` ones; below 0: never */
    double told;
} caller;

typedef struct world {
    bites input;
    tiny_bytes file;
    deeptepp_model *models[SLOTS];
    deeptepp_session *sessions[SLOTS];
    deeptepp_case *cases[SLOTS];
    deeptepp_volume *volumes[SLOTS];
    deeptepp_result *results[SLOTS];
    caller caller;
    int opened;
} world;

static inline int ask(void *user)
{
    caller *c = user;
    return c->patience >= 0 && c->asked++ >= c->patience;
}

static inline void hear(void *user, double fraction)
{
    caller *c = user;
    require(fraction >= c->told && fraction <= 1);
    c->told = fraction;
}

static inline void read_log(void *user, deeptepp_log_level level, const char *line)
{
    require(user && level >= DEEPTEPP_LOG_INFO && level <= DEEPTEPP_LOG_ERROR && *line && !strchr(line, '\n'));
}

/* A struct in memory of just its size: mostly as it is, else cut, longer, or of a size that it does not have. */
static inline void *sized(bites *b, const void *as_it_is, size_t size)
{
    uint8_t kind = bite(b);
    size_t said = kind < 160 ? size : kind < 250 ? (size_t)bite_within(b, 0, 4200) : SIZE_MAX - kind;
    size_t held = said < sizeof said ? sizeof said : said > 4096 ? 4096 : said;
    uint8_t *made = calloc(1, held);
    require(made != NULL);
    memcpy(made, as_it_is, held < size ? held : size);
    memcpy(made, &said, sizeof said);
    if (held > size && bite(b) & 1)
        made[size + (size_t)bite_within(b, 0, (int64_t)(held - size - 1))] = 1;
    return made;
}

static inline const deeptepp_callbacks *listen(world *w)
{
    const deeptepp_callbacks all = {sizeof all, read_log, hear, ask, &w->caller};
    w->caller = (caller){.patience = (int)bite_within(&w->input, -1, 60)};
    return sized(&w->input, &all, sizeof all);
}

#define SLOT(w, kind) (&(w)->kind[bite(&(w)->input) % SLOTS])
/* A handle, or now and then none. */
#define HANDLE(w, kind) (bite(&(w)->input) % 16 == 15 ? NULL : *SLOT(w, kind))

static inline void check(world *w, deeptepp_status status, const deeptepp_error *error, bool made)
{
    require_sound(status, error);
    require((status == DEEPTEPP_OK) == made);
    require(status != DEEPTEPP_ERR_CANCELLED || w->caller.asked > w->caller.patience);
}

static inline void new_case(world *w)
{
    deeptepp_case **slot = SLOT(w, cases);
    deeptepp_case_free(*slot);
    require(deeptepp_case_new(slot, NULL) == DEEPTEPP_OK);
}

static inline void read_all(world *w)
{
    const deeptepp_model *model = HANDLE(w, models);
    const deeptepp_result *result = HANDLE(w, results);
    int64_t i = bite_within(&w->input, -2, 20);
    require((deeptepp_model_json(model) != NULL) == (model != NULL));
    require((deeptepp_model_property_key(model, i) == NULL) == (deeptepp_model_property_value(model, i) == NULL));
    require(!deeptepp_model_covariate_name(model, i) || i < deeptepp_model_covariate_count(model));
    require((deeptepp_result_json(result) != NULL) == (result != NULL));
    require((deeptepp_result_warning_message(result, i) != NULL) == (deeptepp_result_warning_code(result, i) != 0));
    require(!result || deeptepp_result_tier(result) < 3);
    require(!result || (deeptepp_result_mask_share(result) >= 0 && deeptepp_result_mask_share(result) <= 1));
    require((deeptepp_result_mask(result) != NULL) == (result != NULL));
    require(!deeptepp_volume_orientation(HANDLE(w, volumes)) || deeptepp_version() != NULL);
}

#endif
