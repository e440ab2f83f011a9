/* A model file opened: its tensors, its description as JSON, its digest. What each section of the description means is
 * the business of the room it belongs to. */
#ifndef DTP_MODEL_FILE_H
#define DTP_MODEL_FILE_H

#include "safetensors.h"

/* The version of the description this library reads: the value of its "schema" key. */
enum { DTP_MODEL_SCHEMA = 1 };

typedef struct dtp_model_file {
    dtp_safetensors file;
    dtp_json_value *description; /* the parsed text of metadata key "deeptepp"; one block, for free() */
    char sha256[DTP_DIGEST_SIZE];
} dtp_model_file;

/* Opens `path`, reads it once and checks container and schema version. max_bytes: a larger file is refused; 0: 4 GiB.
 * On failure `out` is empty. Errors: FILE_*, MODEL_*, MEMORY, CANCELLED. */
deeptepp_status dtp_model_file_open(dtp_model_file *out, const char *path, uint64_t max_bytes,
                                    dtp_watch *watch, deeptepp_error *error);
deeptepp_status dtp_model_file_from_bytes(dtp_model_file *out, const void *bytes, size_t size, uint64_t max_bytes,
                                          dtp_watch *watch, deeptepp_error *error);
void dtp_model_file_close(dtp_model_file *file);

#endif
