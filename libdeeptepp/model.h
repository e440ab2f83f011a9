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
    deeptepp_precision precision;
    dtp_graph *bf16_graph; /* of DEEPTEPP_PRECISION_BF16, as what follows: the same layers, and the members' weights */
    dtp_weights *bf16_members[DTP_MAX_MEMBERS];
    double shift, margin; /* deeptepp_model_precision_shift and _margin */
    int threads;     /* of the plan that the weights are laid out for */
    uint64_t memory; /* bytes of the model and one session */
};

/* The graph and the members' weights of one of the precisions that the model has. */
static inline const dtp_graph *dtp_model_graph(const deeptepp_model *model, deeptepp_precision precision)
{
    return precision == DEEPTEPP_PRECISION_BF16 ? model->bf16_graph : &model->arch.graph;
}

static inline dtp_weights *const *dtp_model_members(const deeptepp_model *model, deeptepp_precision precision)
{
    return precision == DEEPTEPP_PRECISION_BF16 ? model->bf16_members : model->members;
}

/* Floats that all members give for all views. */
static inline size_t dtp_model_logits(const deeptepp_model *model)
{
    return (size_t)(model->network.n_members * model->recipe.n_views * dtp_arch_outputs(&model->arch));
}

#endif
