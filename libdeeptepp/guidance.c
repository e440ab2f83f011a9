#include "guidance.h"

/* Source: "Anti-HER2 therapy response assessment for guiding treatment (de-)escalation in early HER2-positive breast
 * cancer using a novel deep learning radiomics model", European Radiology, abstract. The Holm-adjusted values are this
 * project's, over the four p-values the abstract reports. */

#define COHORT                                                                                                         \
    "726 HER2-positive early breast cancers in three retrospective cohorts by adjuvant anti-HER2 treatment: none, "    \
    "single (trastuzumab), dual (trastuzumab and pertuzumab)"
#define STATEMENT                                                                                                      \
    "Of the four comparisons the abstract reports, none is significant at 0.05 after Holm's correction (calculated "   \
    "here from its p-values; effect sizes were not at hand). Retrospective, treatment was not assigned at random, "    \
    "not prospectively validated, which its authors call for; that this model's tiers are the paper's is the model's " \
    "claim: research use only, not a basis for treating a patient."

typedef struct evidence {
    const char *comparison;
    double p, p_holm;
} evidence;

static const struct {
    const char *proposal, *text;
    evidence evidence[2];
} TIERS[3] = {
    {
        "consider de-escalation",
        "The DeepTEPP paper proposes that de-escalation be considered for its Low tier: it found no significant "
        "recurrence-free-survival benefit from trastuzumab there (p = 0.144; Holm-adjusted 0.25), which is not "
        "evidence of no benefit. " COHORT ". " STATEMENT,
        {{"trastuzumab against no anti-HER2 treatment, Low tier", 0.144, 0.25}},
    },
    {
        "trastuzumab without pertuzumab",
        "The DeepTEPP paper proposes trastuzumab without pertuzumab for its Moderate tier: recurrence-free survival "
        "was reported better with trastuzumab (p = 0.048; Holm-adjusted 0.18) and not significantly better with "
        "pertuzumab added (p = 0.125; Holm-adjusted 0.25), which is not evidence of no benefit. " COHORT ". " STATEMENT,
        {{"trastuzumab against no anti-HER2 treatment, Moderate tier", 0.048, 0.18},
         {"trastuzumab and pertuzumab against trastuzumab, Moderate tier", 0.125, 0.25}},
    },
    {
        "consider escalation to dual blockade",
        "The DeepTEPP paper proposes that escalation be considered for its High tier: recurrence-free survival was "
        "reported better with dual blockade by trastuzumab and pertuzumab (p = 0.045; Holm-adjusted 0.18; the "
        "abstract does not name the comparator). " COHORT ". " STATEMENT,
        {{"trastuzumab and pertuzumab, High tier; the abstract does not name the comparator", 0.045, 0.18}},
    },
};

const char *dtp_guidance_text(int tier)
{
    return TIERS[tier].text;
}

static void write_evidence(dtp_json_writer *json, int tier)
{
    dtp_write_array(json, "evidence");
    for (int i = 0; i < 2 && TIERS[tier].evidence[i].comparison; i++) {
        const evidence *e = &TIERS[tier].evidence[i];
        dtp_write_object(json, NULL);
        dtp_write_text(json, "comparison", e->comparison);
        dtp_write_text(json, "endpoint", "recurrence-free survival");
        dtp_write_number(json, "p", e->p);
        dtp_write_number(json, "p_holm_of_4", e->p_holm);
        dtp_write_object_end(json);
    }
    dtp_write_array_end(json);
}

void dtp_guidance_write(dtp_json_writer *json, int tier)
{
    static const char *const names[] = {"Low", "Moderate", "High"};
    dtp_write_object(json, "guidance");
    dtp_write_text(json, "paper_tier", names[tier]);
    dtp_write_text(json, "paper_proposal", TIERS[tier].proposal);
    dtp_write_text(json, "cohort", COHORT);
    write_evidence(json, tier);
    dtp_write_text(json, "statement", STATEMENT);
    dtp_write_text(json, "text", TIERS[tier].text);
    dtp_write_object_end(json);
}
