/* oneDNN 2.6 and 3.x behind one set of names: the only file that knows which it is. Memory descriptors are values in
 * 2.x and opaque in 3.x; here they are always owned pointers. Each function returns a oneDNN status, which tells what
 * the backend does not have (dnnl_unimplemented) from what memory is lacking for; *out is set on success only. */
#ifndef DTP_ONEDNN_COMPAT_H
#define DTP_ONEDNN_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

typedef struct dtp_window {
    dnnl_dims_t kernel, stride, dilation, pad_l, pad_r; /* dilation 0 means dense, as in oneDNN */
} dtp_window;

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t dtp_md;
typedef const_dnnl_memory_desc_t dtp_const_md;

static inline dnnl_status_t dtp_md_new(dtp_md *out, int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(out, ndims, dims, type, tag);
}

static inline dnnl_status_t dtp_md_clone(dtp_md *out, dtp_const_md md)
{
    return dnnl_memory_desc_clone(out, md);
}

/* A box of `parent`, with its strides. */
static inline dnnl_status_t dtp_md_part(dtp_md *out, dtp_const_md parent, const dnnl_dims_t dims,
                                        const dnnl_dims_t first)
{
    return dnnl_memory_desc_create_submemory(out, parent, dims, first);
}

static inline void dtp_md_free(dtp_md md)
{
    if (md)
        dnnl_memory_desc_destroy(md);
}

static inline dnnl_status_t dtp_pd_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dtp_const_md src,
                                               dtp_const_md weights, dtp_const_md bias, dtp_const_md dst,
                                               const dtp_window *w, dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          src, weights, bias, dst, w->stride, w->dilation, w->pad_l,
                                                          w->pad_r, attr);
}

static inline dnnl_status_t dtp_pd_pooling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                           dtp_const_md src, dtp_const_md dst, const dtp_window *w,
                                           dnnl_primitive_attr_t attr)
{
    return dnnl_pooling_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, kind, src, dst, w->stride,
                                                      w->kernel, w->dilation, w->pad_l, w->pad_r, attr);
}

static inline dnnl_status_t dtp_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dtp_const_md src,
                                          dtp_const_md weights, dtp_const_md dst, dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, src, weights, NULL, dst, attr);
}

static inline dnnl_status_t dtp_post_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_f32);
}

static inline dnnl_status_t dtp_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
}

#else

typedef dnnl_memory_desc_t *dtp_md;
typedef const dnnl_memory_desc_t *dtp_const_md;

static inline dnnl_status_t dtp_md_keep(dtp_md *out, const dnnl_memory_desc_t *md)
{
    dtp_md copy = (dtp_md)malloc(sizeof *copy);
    if (!copy)
        return dnnl_out_of_memory;
    *copy = *md;
    *out = copy;
    return dnnl_success;
}

static inline dnnl_status_t dtp_md_new(dtp_md *out, int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
                                       dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&md, ndims, dims, type, tag);
    return s ? s : dtp_md_keep(out, &md);
}

static inline dnnl_status_t dtp_md_clone(dtp_md *out, dtp_const_md md)
{
    return dtp_md_keep(out, md);
}

static inline dnnl_status_t dtp_md_part(dtp_md *out, dtp_const_md parent, const dnnl_dims_t dims,
                                        const dnnl_dims_t first)
{
    dnnl_memory_desc_t md;
    dnnl_status_t s = dnnl_memory_desc_init_submemory(&md, parent, dims, first);
    return s ? s : dtp_md_keep(out, &md);
}

static inline void dtp_md_free(dtp_md md)
{
    free(md);
}

static inline dnnl_status_t dtp_pd_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dtp_const_md src,
                                               dtp_const_md weights, dtp_const_md bias, dtp_const_md dst,
                                               const dtp_window *w, dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_inference,
                                                                      dnnl_convolution_direct, src, weights, bias, dst,
                                                                      w->stride, w->dilation, w->pad_l, w->pad_r);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

static inline dnnl_status_t dtp_pd_pooling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                           dtp_const_md src, dtp_const_md dst, const dtp_window *w,
                                           dnnl_primitive_attr_t attr)
{
    dnnl_pooling_v2_desc_t desc;
    dnnl_status_t status = dnnl_pooling_v2_forward_desc_init(&desc, dnnl_forward_inference, kind, src, dst, w->stride,
                                                             w->kernel, w->dilation, w->pad_l, w->pad_r);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

static inline dnnl_status_t dtp_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dtp_const_md src,
                                          dtp_const_md weights, dtp_const_md dst, dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t desc;
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, src, weights, NULL, dst);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
}

static inline dnnl_status_t dtp_post_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f);
}

static inline dnnl_status_t dtp_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f);
}

#endif

/* Axis i becomes axis order[i]. */
static inline dnnl_status_t dtp_md_permuted(dtp_md *out, dtp_const_md md, const int *order)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_permute_axes(out, md, order);
#else
    dnnl_memory_desc_t permuted;
    dnnl_status_t s = dnnl_memory_desc_permute_axes(&permuted, md, order);
    return s ? s : dtp_md_keep(out, &permuted);
#endif
}

/* The first `dims` elements along each axis of `parent`, with its strides. */
static inline dnnl_status_t dtp_md_corner(dtp_md *out, dtp_const_md parent, const dnnl_dims_t dims)
{
    static const dnnl_dims_t origin = {0};
    return dtp_md_part(out, parent, dims, origin);
}

/* A descriptor the primitive descriptor chose; belongs to it. */
static inline dtp_const_md dtp_pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t which)
{
    return dnnl_primitive_desc_query_md(pd, which, 0);
}

static inline dtp_const_md dtp_pd_bias_md(const_dnnl_primitive_desc_t pd)
{
    return dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1);
}

#endif
