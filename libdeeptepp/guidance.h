/* What the paper proposes for each tier, never without its evidence. */
#ifndef DTP_GUIDANCE_H
#define DTP_GUIDANCE_H

#include <jansson.h>

/* One paragraph for tier 0 (Low), 1 (Moderate) or 2 (High). Static. */
const char *dtp_guidance_text(int tier);

/* The same in parts: proposal, cohort, evidence (comparison, endpoint, p, Holm-adjusted p), statement. A new object, or
 * NULL without memory. */
json_t *dtp_guidance_json(int tier);

#endif
