/* R values from the library's and the other way round. Texts are UTF-8 on both sides. */
#include "deeptepp_r.h"

SEXP dtr_text(const char *text)
{
    return text ? Rf_mkCharCE(text, CE_UTF8) : NA_STRING;
}

SEXP dtr_string(const char *text)
{
    SEXP string = PROTECT(dtr_text(text));
    SEXP vector = Rf_ScalarString(string);
    UNPROTECT(1);
    return vector;
}

SEXP dtr_number(double value)
{
    return Rf_ScalarReal(ISNAN(value) ? NA_REAL : value);
}

const char *dtr_utf8(SEXP strings, R_xlen_t index)
{
    return strings == R_NilValue ? NULL : Rf_translateCharUTF8(STRING_ELT(strings, index));
}

const char *dtr_path(SEXP path)
{
    return Rf_translateChar(STRING_ELT(path, 0));
}

SEXP dtr_texts(const void *handle, int64_t count, const char *(*getter)(const void *, int64_t))
{
    SEXP texts = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)count));
    for (int64_t i = 0; i < count; i++)
        SET_STRING_ELT(texts, (R_xlen_t)i, dtr_text(getter(handle, i)));
    UNPROTECT(1);
    return texts;
}

SEXP dtr_numbers(const void *handle, int64_t count, double (*getter)(const void *, int64_t))
{
    SEXP numbers = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    for (int64_t i = 0; i < count; i++) {
        double value = getter(handle, i);
        REAL(numbers)[i] = ISNAN(value) ? NA_REAL : value;
    }
    UNPROTECT(1);
    return numbers;
}

SEXP dtr_version(void)
{
    return dtr_string(deeptepp_version());
}

/* Which of 1 to n a case falls to: FNV-1a of 64 bits over its id's UTF-8 bytes, both halves folded into one. */
static int shard_of(const char *id, uint32_t count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *byte = (const unsigned char *)id; *byte; byte++)
        hash = (hash ^ *byte) * UINT64_C(0x100000001b3);
    return (int)((uint32_t)(hash ^ hash >> 32) % count) + 1;
}

SEXP dtr_shard(SEXP ids, SEXP count)
{
    uint32_t n = (uint32_t)Rf_asInteger(count);
    SEXP shards = PROTECT(Rf_allocVector(INTSXP, XLENGTH(ids)));
    for (R_xlen_t i = 0; i < XLENGTH(ids); i++)
        INTEGER(shards)[i] = shard_of(dtr_utf8(ids, i), n);
    UNPROTECT(1);
    return shards;
}
