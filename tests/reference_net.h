/* The network of a tiny model by plain loops: convolution, BatchNorm, sum and activation one after the other, from the
 * tensors as they were made, nothing folded. */
#ifndef REFERENCE_NET_H
#define REFERENCE_NET_H

#include "reference_ops.h"
#include "tiny_model.h"

/* The logits: n x classes x 1 x 1 x 1. */
reference_map reference_network(const tiny_model *model, int member, const reference_map *input);

/* The input of a model's self-test as docs/model-format.md defines it: one view. */
reference_map reference_self_test_input(const tiny_model *model, uint64_t seed);

/* What the file must give as its self-test's score: rule "logit", mean over members. */
double reference_self_test_score(const tiny_model *model, uint64_t seed);

#endif
