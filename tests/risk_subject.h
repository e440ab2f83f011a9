/* The sections of a description that risk.c reads, from text; shared by the tests of risk. */
#ifndef RISK_SUBJECT_H
#define RISK_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../libdeeptepp/risk.h"
#include "json_subject.h"

typedef struct risk_subject {
    dtp_json_value *tree;
    dtp_risk risk;
    dtp_json_check check;
    deeptepp_error error;
    dtp_warnings warnings;
    deeptepp_case *patient;
} risk_subject;

#define LOGIT "\"score\": {\"rule\": \"logit\", \"class\": 1}"

/* sections: what follows the section "score"; NULL: nothing. */
static inline void risk_parse(risk_subject *s, const char *sections)
{
    char text[4096];
    memset(s, 0, sizeof *s);
    snprintf(text, sizeof text, "{" LOGIT "%s%s}", sections ? ", " : "", sections ? sections : "");
    s->tree = json_read(text);
    s->check.error = &s->error;
    dtp_json root = dtp_json_root(s->tree, "", &s->check);
    dtp_risk_parse(&s->risk, &root);
    dtp_json_close(&root);
    assert_int_equal(deeptepp_case_new(&s->patient, NULL), DEEPTEPP_OK);
}

static inline void risk_free(risk_subject *s)
{
    deeptepp_case_free(s->patient);
    dtp_risk_free(&s->risk);
    free(s->tree);
}

static inline void risk_accept(risk_subject *s, const char *sections)
{
    risk_parse(s, sections);
    if (s->check.status != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
}

static inline void risk_refuse(const char *sections, deeptepp_status wanted, const char *part)
{
    risk_subject s;
    risk_parse(&s, sections);
    if (s.check.status != wanted || !strstr(s.error.message, part))
        fail_msg("%s: %s (%s), wanted %s (%s)", sections, deeptepp_status_name(s.check.status), s.error.message,
                 deeptepp_status_name(wanted), part);
    risk_free(&s);
}

#endif
