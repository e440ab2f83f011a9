/* Packed weights: one block a layer in the layout its primitive reads. Private to nn/ but for what net.h declares. */
#ifndef DTP_WEIGHTS_H
#define DTP_WEIGHTS_H

#include "net.h"
#include "forms/form.h"

/* The form a layer's weights are packed for; NULL: the backend's own. */
const dtp_form_kind *dtp_weights_form(const dtp_weights *weights, int layer);

dtp_const_md dtp_weights_md(const dtp_weights *weights, int layer);
dnnl_memory_t dtp_weights_memory(const dtp_weights *weights, int layer);
dnnl_memory_t dtp_weights_bias(const dtp_weights *weights, int layer);
const float *dtp_weights_bias_data(const dtp_weights *weights, int layer);

/* The largest magnitude a layer's sums can reach, all their parts added up, on inputs of magnitude `input`. */
double dtp_weights_reach(const dtp_weights *weights, int layer, double input);

#endif
