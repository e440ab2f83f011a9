#include "form.h"

const dtp_form_kind *dtp_form_choose(const dtp_graph *graph, int layer)
{
    static const dtp_form_kind *const kinds[] = {&dtp_winograd, &dtp_taps};
    for (size_t i = 0; i < DTP_COUNT(kinds); i++)
        if (kinds[i]->suits(graph, layer))
            return kinds[i];
    return NULL;
}

void dtp_form_free(dtp_form *form)
{
    if (form)
        form->kind->free(form);
}

static dnnl_status_t matrices(dtp_md *out, int64_t points, int64_t rows, int64_t columns, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {points, rows, columns};
    return dtp_md_new(out, 3, dims, tag);
}

dnnl_status_t dtp_form_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, int64_t points, int64_t rows,
                               int64_t ic, int64_t oc, dtp_const_md weights)
{
    dnnl_primitive_attr_t attr = NULL;
    dtp_md v = NULL, m = NULL, any = NULL;
    dnnl_status_t s = matrices(&v, points, rows, ic, dnnl_abc);
    s = s ? s : matrices(&m, points, rows, oc, dnnl_abc);
    s = s ? s : matrices(&any, points, ic, oc, dnnl_format_tag_any);
    s = s ? s : dtp_attr_new(&attr, false, DTP_IDENTITY);
    s = s ? s : dtp_pd_matmul(out, engine, v, weights ? weights : any, m, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    dtp_md_free(v);
    dtp_md_free(m);
    dtp_md_free(any);
    return s;
}
