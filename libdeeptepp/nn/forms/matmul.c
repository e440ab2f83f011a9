#include "matmul.h"

static dnnl_status_t matrices(dtp_md *out, int64_t points, int64_t rows, int64_t columns, dnnl_data_type_t type,
                              dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {points, rows, columns};
    return dtp_md_new(out, 3, dims, type, tag);
}

dnnl_status_t dtp_matmul_make(dtp_matmul *out, dnnl_engine_t engine, dnnl_data_type_t type, int64_t points,
                              int64_t rows, int64_t ic, int64_t oc, dtp_const_md weights)
{
    dnnl_primitive_attr_t attr = NULL;
    dtp_md v = NULL, m = NULL, any = NULL;
    *out = (dtp_matmul){.engine = engine, .type = type};
    dnnl_status_t s = matrices(&v, points, rows, ic, type, dnnl_abc);
    s = s ? s : matrices(&m, points, rows, oc, dnnl_f32, dnnl_abc);
    s = s ? s : matrices(&any, points, ic, oc, type, dnnl_format_tag_any);
    s = s ? s : dtp_attr_new(&attr, false, DTP_IDENTITY);
    s = s ? s : dtp_pd_matmul(&out->pd, engine, v, weights ? weights : any, m, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    dtp_md_free(v);
    dtp_md_free(m);
    dtp_md_free(any);
    return s;
}

dnnl_status_t dtp_matmul_make_part(dtp_matmul *out, dnnl_engine_t engine, dnnl_data_type_t type, int64_t points,
                                   int64_t rows, int64_t ic, int64_t oc, dtp_const_md whole)
{
    const dnnl_dims_t one = {1, ic, oc};
    dtp_md md = NULL;
    *out = (dtp_matmul){.engine = engine, .type = type};
    dnnl_status_t s = dtp_md_corner(&md, whole, one);
    s = s ? s : dtp_matmul_make(out, engine, type, 1, rows, ic, oc, md);
    out->part_bytes = s ? 0 : dnnl_memory_desc_get_size(md);
    dtp_md_free(md);
    bool padded = out->part_bytes != (size_t)(ic * oc) * dtp_number_bytes(type);
    bool side_by_side = out->part_bytes * (size_t)points == dnnl_memory_desc_get_size(whole);
    s = s || (!padded && side_by_side) ? s : dnnl_unimplemented;
    if (s)
        dtp_matmul_free(out);
    return s;
}

void dtp_matmul_free(dtp_matmul *product)
{
    for (int i = 0; i < product->n_lanes; i++) {
        const dtp_matmul_lane *lane = &product->lanes[i];
        const dnnl_memory_t memories[] = {lane->v, lane->m, lane->weights, lane->scratchpad};
        for (size_t k = 0; k < DTP_COUNT(memories); k++)
            if (memories[k])
                dnnl_memory_destroy(memories[k]);
    }
    free(product->lanes);
    if (product->primitive)
        dnnl_primitive_destroy(product->primitive);
    if (product->pd)
        dnnl_primitive_desc_destroy(product->pd);
    *product = (dtp_matmul){0};
}

dtp_const_md dtp_matmul_weights(const dtp_matmul *product)
{
    return dtp_pd_md(product->pd, dnnl_query_weights_md);
}

size_t dtp_matmul_scratch(const dtp_matmul *product)
{
    return dtp_pd_scratchpad(product->pd);
}

static dnnl_status_t prepare_lane(const dtp_matmul *p, dtp_matmul_lane *lane, void *scratch)
{
    const struct {
        dnnl_memory_t *out;
        dnnl_query_t what;
        void *data;
    } all[] = {{&lane->v, dnnl_query_src_md, DNNL_MEMORY_NONE},
               {&lane->m, dnnl_query_dst_md, DNNL_MEMORY_NONE},
               {&lane->weights, dnnl_query_weights_md, DNNL_MEMORY_NONE},
               {&lane->scratchpad, dnnl_query_scratchpad_md, scratch}};
    dnnl_status_t s = dnnl_success;
    for (size_t i = 0; i < DTP_COUNT(all) && !s; i++)
        s = dnnl_memory_create(all[i].out, dtp_pd_md(p->pd, all[i].what), p->engine, all[i].data);
    return s;
}

dnnl_status_t dtp_matmul_prepare(dtp_matmul *p, int lanes, void *scratch, size_t stride)
{
    dnnl_status_t s = dtp_primitive_new(&p->primitive, p->pd);
    if (s)
        return s;
    p->lanes = calloc((size_t)lanes, sizeof *p->lanes);
    if (!p->lanes)
        return dnnl_out_of_memory;
    p->n_lanes = lanes;
    for (int i = 0; i < lanes && !s; i++)
        s = prepare_lane(p, &p->lanes[i], (uint8_t *)scratch + (size_t)i * stride);
    return s;
}

static dnnl_status_t set_part(const dtp_matmul *p, const dtp_matmul_lane *lane, dnnl_memory_t weights, int64_t point)
{
    void *data = NULL;
    dnnl_status_t s = dnnl_memory_get_data_handle(weights, &data);
    return s ? s : dnnl_memory_set_data_handle(lane->weights, (uint8_t *)data + (size_t)point * p->part_bytes);
}

dnnl_status_t dtp_matmul_run(const dtp_matmul *p, dnnl_stream_t stream, int lane, dnnl_memory_t weights,
                              int64_t point, const void *v, float *m)
{
    const dtp_matmul_lane *own = &p->lanes[lane];
    dnnl_status_t s = p->part_bytes ? set_part(p, own, weights, point) : dnnl_success;
    s = s ? s : dnnl_memory_set_data_handle(own->v, (void *)(uintptr_t)v);
    s = s ? s : dnnl_memory_set_data_handle(own->m, m);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, own->v},
                                    {DNNL_ARG_WEIGHTS, p->part_bytes ? own->weights : weights},
                                    {DNNL_ARG_DST, own->m},
                                    {DNNL_ARG_SCRATCHPAD, own->scratchpad}};
    s = s ? s : dnnl_primitive_execute(p->primitive, stream, 4, args);
    return s ? s : dnnl_stream_wait(stream);
}
