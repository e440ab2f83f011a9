/* The safetensors container: named tensors and one text of metadata, strictly checked (docs/model-format.md). */
#ifndef DTP_SAFETENSORS_H
#define DTP_SAFETENSORS_H

#include "../base/json_tree.h"
#include "../base/source.h"

enum { DTP_TENSOR_MAX_RANK = 5 };

typedef enum dtp_dtype { DTP_F32, DTP_F16, DTP_BF16, DTP_F64, DTP_I64 } dtp_dtype;

typedef struct dtp_tensor {
    const char *name; /* the header's */
    dtp_dtype dtype;
    int rank;
    int64_t shape[DTP_TENSOR_MAX_RANK];
    size_t count; /* elements */
    size_t begin, end; /* bytes within the data section */
    void *data;   /* end - begin bytes in the file's dtype; a block of its own, so that it can be given back early */
    bool finite;  /* float32 values that were all seen to be so, while they were read; false says nothing */
    bool used;    /* set by whoever consumed it: what stays unused is unexpected */
} dtp_tensor;

typedef struct dtp_safetensors {
    dtp_tensor *tensors; /* in the order of their data */
    size_t count;
    dtp_tensor **by_name; /* the same tensors, sorted for dtp_safetensors_find */
    dtp_json_value *header; /* one block, for free() */
    const dtp_json_value *metadata; /* the header's object of texts, or NULL */
} dtp_safetensors;

/* Strict JSON whose root is an object, of a bounded number of values (dtp_json_parse). `what` is named in messages. One
 * block, for free(). Errors: MODEL_JSON, MEMORY, CANCELLED. */
deeptepp_status dtp_safetensors_json(dtp_json_value **out, const char *text, size_t size, const char *what,
                                     dtp_watch *watch, deeptepp_error *error);

/* Parses the JSON header of a file whose data section has `data_size` bytes. Pure; fills all but the data. */
deeptepp_status dtp_safetensors_parse(dtp_safetensors *out, const char *header, size_t header_size, size_t data_size,
                                      dtp_watch *watch, deeptepp_error *error);

/* Reads header and every tensor, the rest of a source that is opened; all bytes are added to the digest. On failure
 * `out` is empty. Errors: FILE_*, MODEL_*, MEMORY, CANCELLED. */
deeptepp_status dtp_safetensors_read(dtp_safetensors *out, dtp_source *source, dtp_digest *digest,
                                     deeptepp_error *error);

/* The tensor of that name, or NULL. */
dtp_tensor *dtp_safetensors_find(const dtp_safetensors *file, const char *name);

/* The tensor's elements as finite float32 in a new block, the tensor's own data given back.
 * Errors: MODEL_DTYPE (I64), MODEL_NONFINITE, MEMORY. */
deeptepp_status dtp_tensor_take_f32(dtp_tensor *tensor, float **out, deeptepp_error *error);

/* The same without giving the tensor's data back, for one that several layers are made from. */
deeptepp_status dtp_tensor_copy_f32(const dtp_tensor *tensor, float **out, deeptepp_error *error);

void dtp_safetensors_free(dtp_safetensors *file);

#endif
