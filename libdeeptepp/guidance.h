/* What the paper proposes for each tier, never without its evidence. */
#ifndef DTP_GUIDANCE_H
#define DTP_GUIDANCE_H

#include "base/json_write.h"

/* One paragraph for tier 0 (Low), 1 (Moderate) or 2 (High). Static. */
const char *dtp_guidance_text(int tier);

/* The same in parts, as member "guidance": proposal, cohort, evidence (comparison, endpoint, p, Holm-adjusted p),
 * statement. */
void dtp_guidance_write(dtp_json_writer *json, int tier);

#endif
