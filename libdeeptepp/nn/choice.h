/* How a layer is computed: by the backend's own convolution or by a form, between which layouts. Private to nn/. */
#ifndef DTP_CHOICE_H
#define DTP_CHOICE_H

#include "plan.h"

typedef struct dtp_choice {
    dtp_part *parts; /* NULL: form */
    int n_parts;
    dtp_md weights; /* of all parts, where they are narrow */
    dtp_form *form;
    dnnl_format_tag_t src, dst; /* the layouts it reads and writes */
} dtp_choice;

/* For the stage now being planned; the layers before it stand. weights: NULL, or they say the form and the weights'
 * layout. Only what the backend does not have leads on to the next candidate. Errors: MEMORY, BACKEND. */
deeptepp_status dtp_choose(dtp_choice *out, const dtp_plan *plan, int layer, const dtp_weights *weights,
                           deeptepp_error *error);
void dtp_choice_free(dtp_choice *choice);

#endif
