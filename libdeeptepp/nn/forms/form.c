#include "form.h"

const dtp_form_kind *dtp_form_choose(const dtp_graph *graph, int layer)
{
    static const dtp_form_kind *const kinds[] = {&dtp_stem_kind, &dtp_winograd, &dtp_taps};
    for (size_t i = 0; i < DTP_COUNT(kinds); i++)
        if ((kinds[i]->bf16 || !graph->layers[layer].bf16) && kinds[i]->suits(graph, layer))
            return kinds[i];
    return NULL;
}

int dtp_form_layers(const dtp_form_kind *kind, const dtp_graph *graph, int layer)
{
    return kind->layers ? kind->layers(graph, layer) : 1;
}

void dtp_form_free(dtp_form *form)
{
    if (form)
        form->kind->free(form);
}
