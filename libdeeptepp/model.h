/* The model as the session and the result see it. */
#ifndef DTP_MODEL_H
#define DTP_MODEL_H

#include <stdatomic.h>

#include "arch/arch.h"
#include "base/digest.h"
#include "views/recipe.h"
#include "nn/net.h"
#include "properties.h"
#include "risk.h"

struct deeptepp_model {
    atomic_int references;
    dtp_json_value *description; /* owns the texts that network and risk point to */
    char *json;
    dtp_properties properties; /* json, flattened */
    const char *name;
    bool seeded; /* weights are random */
    char sha256[DTP_DIGEST_SIZE];
    dtp_network network;
    dtp_recipe recipe;
    dtp_risk risk;
    dtp_arch arch;
    dtp_weights *members[DTP_MAX_MEMBERS];
    int threads;     /* of the plan that the weights are laid out for */
    uint64_t memory; /* bytes of the model and one session */
};

/* Floats that all members give for all views. */
static inline size_t dtp_model_logits(const deeptepp_model *model)
{
    return (size_t)(model->network.n_members * model->recipe.n_views * dtp_arch_outputs(&model->arch));
}

#endif
