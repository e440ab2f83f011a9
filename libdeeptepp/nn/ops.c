#include "ops.h"

#include "net.h"

deeptepp_status dtp_backend_fail(deeptepp_error *error, dnnl_status_t status, const char *what)
{
    if (status == dnnl_out_of_memory)
        return dtp_fail(error, DEEPTEPP_ERR_MEMORY, "out of memory in the backend: %s", what);
    const char *hint = status == dnnl_runtime_error
                           ? ": the system forbids it executable memory, which its generated code needs"
                           : "";
    return dtp_fail(error, DEEPTEPP_ERR_BACKEND, "oneDNN status %d: %s%s", (int)status, what, hint);
}

dnnl_status_t dtp_backend_room(void)
{
    dtp_room room = dtp_ask_room();
    return room == DTP_ROOM ? dnnl_success : room == DTP_NO_ROOM ? dnnl_out_of_memory : dnnl_runtime_error;
}

dnnl_status_t dtp_engine_new(dnnl_engine_t *out)
{
    dnnl_status_t s = dtp_backend_room();
    return s ? s : dnnl_engine_create(out, dnnl_cpu, 0);
}

dnnl_status_t dtp_primitive_new(dnnl_primitive_t *out, const_dnnl_primitive_desc_t pd)
{
    dnnl_status_t s = dtp_backend_room();
    return s ? s : dnnl_primitive_create(out, pd);
}

void dtp_backend_version(char *out, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    dtp_format(out, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

const char *dtp_backend_isa(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "SSE4.1"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2_VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX512_CORE"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX512_CORE_VNNI"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX512_CORE_BF16"},
        {dnnl_cpu_isa_avx512_core_amx, "AVX512_CORE_AMX"},
    };
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < DTP_COUNT(names); i++)
        if (names[i].isa == isa)
            return names[i].name;
    return "other";
}

bool dtp_backend_has_bf16(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

dnnl_data_type_t dtp_value_type(const dtp_graph *graph, int value)
{
    return graph->bf16[value] ? dnnl_bf16 : dnnl_f32;
}

dnnl_data_type_t dtp_read_type(const dtp_graph *graph, int layer)
{
    return graph->layers[layer].bf16 ? dnnl_bf16 : dtp_value_type(graph, graph->layers[layer].src);
}

dnnl_status_t dtp_value_md(dtp_md *out, dtp_shape shape, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {1, shape.c, shape.d, shape.h, shape.w};
    return dtp_md_new(out, 5, dims, type, tag);
}

dnnl_status_t dtp_value_tag(dnnl_format_tag_t *out, dtp_const_md md, dtp_shape shape, dnnl_data_type_t type)
{
    static const dnnl_format_tag_t tags[] = {dnnl_abcde, dnnl_acdeb, dnnl_aBcde16b, dnnl_aBcde8b, dnnl_aBcde4b};
    *out = dnnl_format_tag_undef;
    for (size_t i = 0; i < DTP_COUNT(tags); i++) {
        dtp_md candidate = NULL;
        dnnl_status_t s = dtp_value_md(&candidate, shape, type, tags[i]);
        bool same = !s && dnnl_memory_desc_equal(candidate, md);
        dtp_md_free(candidate);
        if (same)
            *out = tags[i];
        if (s || same)
            return s;
    }
    return dnnl_success;
}

bool dtp_tags_alike(dnnl_format_tag_t a, dnnl_format_tag_t b, dtp_shape shape)
{
    bool unblocked = (a == dnnl_abcde || a == dnnl_acdeb) && (b == dnnl_abcde || b == dnnl_acdeb);
    return a == b || (unblocked && (shape.c == 1 || shape.d * shape.h * shape.w == 1));
}

static dnnl_status_t append_activation(dnnl_post_ops_t ops, dtp_activation activation)
{
    switch (activation) {
    case DTP_RELU:
    case DTP_LEAKY_RELU:
        return dtp_post_eltwise(ops, dnnl_eltwise_relu, dtp_negative_slope(activation));
    case DTP_ELU:
        return dtp_post_eltwise(ops, dnnl_eltwise_elu, 1.0f);
    case DTP_IDENTITY:
        break;
    }
    return dnnl_success;
}

dnnl_status_t dtp_attr_new(dnnl_primitive_attr_t *attr, bool add, dtp_activation activation)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(attr);
    s = s ? s : dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    s = s ? s : dnnl_primitive_attr_set_fpmath_mode(*attr, dnnl_fpmath_mode_strict);
    s = s ? s : dnnl_post_ops_create(&ops);
    if (!s && add)
        s = dtp_post_sum(ops);
    s = s ? s : append_activation(ops, activation);
    s = s ? s : dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return s;
}

static void set_window(dtp_window *window, const dtp_layer *layer, const dtp_slab *slab)
{
    for (int i = 0; i < 3; i++) {
        window->kernel[i] = layer->kernel[i];
        window->stride[i] = layer->stride[i];
        window->dilation[i] = layer->dilation[i] - 1;
        window->pad_l[i] = layer->pad[i];
        window->pad_r[i] = dtp_layer_pad_end(layer, i);
    }
    if (slab && slab->axis > 0) {
        window->pad_l[slab->axis - 1] = slab->pad[0];
        window->pad_r[slab->axis - 1] = slab->pad[1];
    }
}

static dnnl_status_t convolution_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const dtp_graph *graph, int layer,
                                    const dtp_slab *slab, dtp_const_md src, dtp_const_md dst, dtp_const_md weights,
                                    dnnl_primitive_attr_t attr)
{
    const dtp_layer *l = &graph->layers[layer];
    int64_t oc = slab && slab->axis == 0 ? slab->count : graph->values[layer + 1].c, ic = graph->values[l->src].c;
    const dnnl_dims_t weight_dims = {oc, ic, l->kernel[0], l->kernel[1], l->kernel[2]};
    const dnnl_dims_t bias_dims = {oc};
    dtp_window window = {0};
    set_window(&window, l, slab);
    dtp_md any = NULL, bias = NULL;
    dnnl_status_t s = dtp_md_new(&any, 5, weight_dims, dtp_read_type(graph, layer), dnnl_format_tag_any);
    s = s ? s : dtp_md_new(&bias, 1, bias_dims, dnnl_f32, dnnl_a);
    s = s ? s : dtp_pd_convolution(out, engine, src, weights ? weights : any, bias, dst, &window, attr);
    dtp_md_free(any);
    dtp_md_free(bias);
    return s;
}

static dnnl_status_t pool_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const dtp_layer *layer,
                             const dtp_slab *slab, dtp_const_md src, dtp_const_md dst, dnnl_primitive_attr_t attr)
{
    dtp_window window = {0};
    set_window(&window, layer, slab);
    dnnl_alg_kind_t kind = layer->op == DTP_MAX_POOL ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding;
    return dtp_pd_pooling(out, engine, kind, src, dst, &window, attr);
}

/* Reading the corner of a map in place would leave the fast kernels, which want dense maps: it is copied. */
static dnnl_status_t crop_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, dtp_const_md src, dtp_shape shape,
                             dtp_const_md dst, dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t dims = {1, shape.c, shape.d, shape.h, shape.w};
    dtp_md corner = NULL;
    dnnl_status_t s = dtp_md_corner(&corner, src, dims);
    s = s ? s : dnnl_reorder_primitive_desc_create(out, corner, engine, dst, engine, attr);
    dtp_md_free(corner);
    return s;
}

dnnl_status_t dtp_layer_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const dtp_graph *graph, int layer,
                           const dtp_slab *slab, dnnl_format_tag_t src, dnnl_format_tag_t dst, dtp_const_md weights)
{
    const dtp_layer *l = &graph->layers[layer];
    dtp_shape in = graph->values[l->src], made = graph->values[layer + 1];
    dnnl_primitive_attr_t attr = NULL;
    dtp_md src_md = NULL, dst_md = NULL;
    if (slab) {
        *dtp_shape_axis(&in, slab->axis) = slab->needed;
        *dtp_shape_axis(&made, slab->axis) = slab->count;
    }
    dnnl_status_t s = dtp_value_md(&src_md, in, dtp_read_type(graph, layer), src);
    s = s ? s : dtp_value_md(&dst_md, made, dtp_value_type(graph, layer + 1), dst);
    s = s ? s : dtp_attr_new(&attr, l->add >= 0, l->activation);
    if (!s && l->op == DTP_CONVOLUTION)
        s = convolution_pd(out, engine, graph, layer, slab, src_md, dst_md, weights, attr);
    else if (!s && l->op == DTP_CROP)
        s = crop_pd(out, engine, src_md, made, dst_md, attr);
    else if (!s)
        s = pool_pd(out, engine, l, slab, src_md, dst_md, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    dtp_md_free(src_md);
    dtp_md_free(dst_md);
    return s;
}

dnnl_status_t dtp_reorder_pd(dnnl_primitive_desc_t *out, dnnl_engine_t engine, dtp_const_md from, dtp_const_md to)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t s = dtp_attr_new(&attr, false, DTP_IDENTITY);
    s = s ? s : dnnl_reorder_primitive_desc_create(out, from, engine, to, engine, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return s;
}

size_t dtp_pd_scratchpad(const_dnnl_primitive_desc_t pd)
{
    return dnnl_memory_desc_get_size(dtp_pd_md(pd, dnnl_query_scratchpad_md));
}

const char *dtp_pd_implementation(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name ? name : "?";
}

bool dtp_is_reference(const char *implementation)
{
    return strstr(implementation, "ref") != NULL;
}
