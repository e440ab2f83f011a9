/* What R may call. */
#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

#include "deeptepp_r.h"

#define ENTRY(name, arguments) {"C_" #name, (DL_FUNC)&dtr_##name, arguments}
static const R_CallMethodDef ENTRIES[] = {
    ENTRY(version, 0),
    ENTRY(handle_state, 2),
    ENTRY(close, 1),
    ENTRY(shard, 2),
    ENTRY(precision_available, 1),
    ENTRY(model_open, 6),
    ENTRY(model_facts, 1),
    ENTRY(session_new, 4),
    ENTRY(volume_open, 5),
    ENTRY(volume_array, 2),
    ENTRY(volume_count, 1),
    ENTRY(volume_facts, 1),
    ENTRY(volume_ras, 1),
    ENTRY(score, 6),
    ENTRY(preprocess, 6),
    ENTRY(self_test, 2),
    ENTRY(journal_open, 1),
    ENTRY(journal_append, 2),
    ENTRY(journal_close, 1),
    {NULL, NULL, 0},
};

void attribute_visible R_init_deeptepp(DllInfo *dll)
{
    R_registerRoutines(dll, NULL, ENTRIES, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
}
