/* Single oneDNN operations: descriptors, primitive descriptors and the layouts they choose. Private to nn/. */
#ifndef DTP_OPS_H
#define DTP_OPS_H

#include "graph.h"
#include "onednn_compat.h"

/* A oneDNN status as one of ours. */
deeptepp_status dtp_backend_fail(deeptepp_error *error, dnnl_status_t status, const char *what);

/* Whether the backend may go on: it ends the process where memory is lacking (docs/conventions.md), and runs generated
 * code. dnnl_out_of_memory: no; dnnl_runtime_error: executable memory is forbidden. */
dnnl_status_t dtp_backend_room(void);

/* dnnl's own, with room asked for beforehand. */
dnnl_status_t dtp_engine_new(dnnl_engine_t *out);
dnnl_status_t dtp_primitive_new(dnnl_primitive_t *out, const_dnnl_primitive_desc_t pd);

/* The type a value is kept in. */
dnnl_data_type_t dtp_value_type(const dtp_graph *graph, int value);

/* The type that a layer reads its source in, and a convolution its weights. */
dnnl_data_type_t dtp_read_type(const dtp_graph *graph, int layer);

/* Bytes of a number: of the two types there are. */
static inline size_t dtp_number_bytes(dnnl_data_type_t type)
{
    return type == dnnl_bf16 ? sizeof(uint16_t) : sizeof(float);
}

/* The descriptor of an image of a shape in a layout (dnnl_format_tag_any allowed). */
dnnl_status_t dtp_value_md(dtp_md *out, dtp_shape shape, dnnl_data_type_t type, dnnl_format_tag_t tag);

/* The layout, of those this library plans with, that `md` has; dnnl_format_tag_undef for another. */
dnnl_status_t dtp_value_tag(dnnl_format_tag_t *out, dtp_const_md md, dtp_shape shape, dnnl_data_type_t type);

/* To the nearest bfloat16, of two equally near the even one. The values are finite. */
static inline void dtp_round_bf16(uint16_t *out, const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        out[i] = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
    }
}

/* Whether two layouts of a shape are the same bytes. */
bool dtp_tags_alike(dnnl_format_tag_t a, dnnl_format_tag_t b, dtp_shape shape);

/* Scratchpad of the session's own, so that any thread may run the primitive; strict f32, whatever the environment says;
 * then, in this order, add what the destination holds and apply the activation. */
dnnl_status_t dtp_attr_new(dnnl_primitive_attr_t *attr, bool add, dtp_activation activation);

/* The primitive descriptor of a layer on one image, or on a slab of it. src and dst may be "any"; weights NULL: the
 * backend chooses. dnnl_unimplemented: it has no code for these. */
dnnl_status_t dtp_layer_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const dtp_graph *graph, int layer,
                           const dtp_slab *slab, dnnl_format_tag_t src, dnnl_format_tag_t dst, dtp_const_md weights);

/* The primitive descriptor of a change of layout. */
dnnl_status_t dtp_reorder_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, dtp_const_md from, dtp_const_md to);

size_t dtp_pd_scratchpad(const_dnnl_primitive_desc_t pd);
const char *dtp_pd_implementation(const_dnnl_primitive_desc_t pd);

/* Whether it is the backend's plain loops, hundreds of times slower than any other code of it. */
bool dtp_is_reference(const char *implementation);

#endif
