/* libdeeptepp: a risk score and a tier from a breast MR and its tumour mask.
 *
 *     #include <deeptepp/deeptepp.h>
 *
 *     deeptepp_error error;
 *     deeptepp_model *model = NULL;      deeptepp_volume *image = NULL, *mask = NULL;
 *     deeptepp_session *session = NULL;  deeptepp_case *patient = NULL;
 *     deeptepp_result *result = NULL;
 *     if (deeptepp_model_open(&model, "model.safetensors", NULL, &error) ||
 *         deeptepp_session_new(&session, model, NULL, &error) ||
 *         deeptepp_volume_open(&image, "image.nii.gz", NULL, &error) ||
 *         deeptepp_volume_open(&mask, "mask.nii.gz", NULL, &error) ||
 *         deeptepp_case_new(&patient, &error) ||
 *         deeptepp_case_set_image(patient, NULL, image, &error) ||
 *         deeptepp_case_set_mask(patient, mask, NULL, &error) ||
 *         deeptepp_session_score(session, patient, &result, &error))
 *         fprintf(stderr, "%s\n", error.message);
 *     else
 *         printf("score %.6f, tier %d\n", deeptepp_result_score(result), deeptepp_result_tier(result));
 *     deeptepp_result_free(result);  deeptepp_case_free(patient);
 *     deeptepp_volume_free(mask);    deeptepp_volume_free(image);
 *     deeptepp_session_free(session); deeptepp_model_free(model);
 *
 * RESEARCH USE ONLY. Not a medical device. The published model was not prospectively validated, and its weights and
 * cut-points were never published: a score means only what the model file's own training cohort makes it mean.
 *
 * Rules that hold for every function:
 *  - Ownership. `*out` of a constructor is set only on success and is the caller's, to be given to the matching _free;
 *    on failure it is NULL. Every _free accepts NULL. A string or pointer from a getter belongs to its handle and lives
 *    as long as the handle.
 *  - Errors. A function that can fail returns a status and, where `error` is not NULL, writes the status and one line
 *    of text there: the thing, the value found, the value wanted; for a file that was opened by its path, the path
 *    first. On success `error` is not touched. A failed call changes nothing else: the handles it was given stay
 *    usable.
 *  - NULL for a handle: a function that returns a status says ARGUMENT; a getter answers NULL, NaN, 0 or, for a tier,
 *    -1, and one that fills an array leaves it as it is. None crashes.
 *  - Options. A struct begins with its struct_size, the caller's sizeof: any size from that of its first version to
 *    4096 bytes. What a shorter one lacks counts as 0, which is always the default. A longer one, of a newer header, is
 *    taken when all that this library does not know of it is 0, and refused (STRUCT_SIZE) else. None is kept by
 *    reference.
 *  - The library prints nothing, ends no process, installs no handler, reads no environment variable and keeps no
 *    process-global state. (oneDNN and OpenMP, below it, read some variables: docs/conventions.md names them.)
 *  - No network, no telemetry. The only files it opens are those whose paths it is given.
 *  - Threads. Stated at each handle. Handles of different cases and sessions never share mutable state.
 *  - The calling thread's floating-point environment reaches no result and is the same afterwards; callbacks run in it.
 *    A cancellation of the thread during a call (pthread_cancel) takes effect after it.
 *  - Stack. A calling thread needs 64 KiB, and what its callbacks take (measured: below 20 KiB).
 *  - Text is UTF-8. Lengths are millimetres. World coordinates are RAS: +x right, +y anterior, +z superior of the
 *    patient.
 */
#ifndef DEEPTEPP_DEEPTEPP_H
#define DEEPTEPP_DEEPTEPP_H

#include <stddef.h>
#include <stdint.h>

#include <deeptepp/version.h>

#if defined(__GNUC__)
#define DEEPTEPP_API __attribute__((visibility("default")))
#else
#define DEEPTEPP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

/* The version of the library at run time, "MAJOR.MINOR.PATCH". Static; any thread. */
DEEPTEPP_API const char *deeptepp_version(void);

/* ---- Status and error ------------------------------------------------------------------------------------------- */

/* Every cause has its own number and keeps it for ever; new causes get new numbers. */
typedef enum deeptepp_status {
    DEEPTEPP_OK = 0,

    /* The call. */
    DEEPTEPP_ERR_ARGUMENT = 1,     /* a NULL, or a value outside what the function documents */
    DEEPTEPP_ERR_STRUCT_SIZE = 2,  /* a struct_size below the struct's first version or above 4096, or an option that
                                      this library does not know and that is not 0 */
    DEEPTEPP_ERR_MEMORY = 3,       /* an allocation failed */
    DEEPTEPP_ERR_MEMORY_LIMIT = 4, /* the caller's own memory limit would be passed; no session was made */
    DEEPTEPP_ERR_CANCELLED = 5,    /* the caller's cancel callback said so */
    DEEPTEPP_ERR_BUSY = 6,         /* a session was used by two threads at once */
    DEEPTEPP_ERR_THREAD = 7,       /* the system would not start the threads asked for */
    DEEPTEPP_ERR_BACKEND = 8,      /* oneDNN refused an operation it should support */
    DEEPTEPP_ERR_INTERNAL = 9,     /* a fault of this library: please report it */
    DEEPTEPP_ERR_PRECISION = 10,   /* a precision that this processor, or for its margin the model, does not do */

    /* Reading a file. */
    DEEPTEPP_ERR_FILE_MISSING = 20,   /* nothing exists at that path, or a link that leads nowhere */
    DEEPTEPP_ERR_FILE_READ = 21,      /* it exists and cannot be read: permission, a folder, an I/O error */
    DEEPTEPP_ERR_FILE_TOO_LARGE = 22, /* larger than the cap, or more than a writer would add after the voxels */
    DEEPTEPP_ERR_FILE_TRUNCATED = 23, /* it ends too soon: empty, less data than its header promises, or gzip cut
                                         short */
    DEEPTEPP_ERR_GZIP = 24,           /* gzip data that is corrupt, has a wrong checksum, or is followed by something
                                         else (gzip data that only ends too soon: FILE_TRUNCATED) */

    DEEPTEPP_ERR_FILE_FORMAT = 25,    /* a file of another kind, which the message names with what to do: DICOM, NRRD,
                                         MetaImage, MGH, MINC, HDF5, gzip within gzip, an archive, a picture, a web
                                         page, text, a macOS shadow file, a PyTorch checkpoint, ... */
    DEEPTEPP_ERR_FILE_POINTER = 26,   /* in the file's place stands the pointer that Git-LFS or git-annex leaves while
                                         the content is not there */

    /* NIfTI. */
    DEEPTEPP_ERR_NIFTI_MAGIC = 40,       /* neither NIfTI-1 nor NIfTI-2 in one file, nor one of FILE_FORMAT */
    DEEPTEPP_ERR_NIFTI_PAIR = 41,        /* a header of a .hdr/.img pair */
    DEEPTEPP_ERR_NIFTI_ANALYZE = 42,     /* an ANALYZE 7.5 header */
    DEEPTEPP_ERR_NIFTI_DIM = 43,         /* dim[0] outside 3..7; another outside 1..2^31-1; more than one of dim[4..7]
                                            above 1; or a product in bytes beyond what memory can address */
    DEEPTEPP_ERR_NIFTI_4D = 44,          /* several volumes in the file and none was chosen, or one that is not there */
    DEEPTEPP_ERR_NIFTI_DATATYPE = 45,    /* a data type this library does not read */
    DEEPTEPP_ERR_NIFTI_BITPIX = 46,      /* bitpix disagrees with the data type */
    DEEPTEPP_ERR_NIFTI_VOX_OFFSET = 47,  /* vox_offset not a whole number from 352 (NIfTI-2: 544) to 2^28 */
    DEEPTEPP_ERR_NIFTI_PIXDIM = 48,      /* a voxel size not above 0 or above 1e9, or a qfac that is not -1, 0 or 1 */
    DEEPTEPP_ERR_NIFTI_UNITS = 49,       /* a spatial unit code that is not m, mm or um (unknown counts as mm) */
    DEEPTEPP_ERR_NIFTI_SCALING = 50,     /* scl_slope infinite, scl_inter not finite, or both take values up to 2^53
                                            (of a real type: 0) beyond float32 */
    DEEPTEPP_ERR_NIFTI_ORIENTATION = 51, /* qform and sform codes are both 0: orientation unknown; or one is not 0..5 */

    /* A volume, from a file or from memory. */
    DEEPTEPP_ERR_VOLUME_DIMS = 60,      /* a dimension that is not positive or, of a file, above max_edge; or a product
                                           that overflows */
    DEEPTEPP_ERR_VOLUME_STRIDES = 61,   /* strides that make voxels overlap or whose span overflows */
    DEEPTEPP_ERR_VOLUME_TYPE = 62,      /* an unknown voxel type */
    DEEPTEPP_ERR_VOLUME_AFFINE = 63,    /* not finite; last row not 0 0 0 1; origin beyond 1e9 mm; a voxel edge outside
                                           1e-6..1e6 mm; determinant of the axes' unit vectors below 1e-6; or a qform
                                           whose b^2 + c^2 + d^2 is above 1 + 1e-5 */
    DEEPTEPP_ERR_VOLUME_SHEAR = 64,     /* a cosine above 1e-3 between two of the affine's axes: no right angle */
    DEEPTEPP_ERR_VOLUME_SPACING = 65,   /* a pixdim more than 1e-3 of itself away from the affine's voxel edge, unless
                                           the sform is alone and pixdim exactly 1, 1, 1 */
    DEEPTEPP_ERR_VOLUME_NONFINITE = 66, /* voxels NaN, infinite or beyond float32: count and first index in the
                                           message */
    DEEPTEPP_ERR_VOLUME_INEXACT = 67,   /* 64-bit integers beyond 2^53, which no double holds exactly */

    /* A model file. (80 is unused.) */
    DEEPTEPP_ERR_MODEL_HEADER_LENGTH = 81,   /* safetensors header length below 2, over the cap or past the end */
    DEEPTEPP_ERR_MODEL_JSON = 82,            /* header or metadata is not strict JSON (duplicate keys included) */
    DEEPTEPP_ERR_MODEL_TENSOR_ENTRY = 83,    /* a tensor without exactly dtype, shape, data_offsets; a bad shape */
    DEEPTEPP_ERR_MODEL_OFFSETS = 84,         /* data_offsets overlap, leave a gap, or do not end with the file */
    DEEPTEPP_ERR_MODEL_DTYPE = 85,           /* a dtype this library does not accept there */
    DEEPTEPP_ERR_MODEL_METADATA = 86,        /* the description is missing, incomplete, or has an unknown key */
    DEEPTEPP_ERR_MODEL_VALUE = 87,           /* a value of the description is of the wrong kind, out of range, or does
                                                not go with the tensors */
    DEEPTEPP_ERR_MODEL_SCHEMA = 88,          /* written for another version of the description */
    DEEPTEPP_ERR_MODEL_ARCHITECTURE = 89,    /* an architecture this library does not have */
    DEEPTEPP_ERR_MODEL_TENSORS = 90,         /* tensors missing, unexpected or mis-shaped (counted, as many named as
                                                fit, all logged), or blocks that are those of no known ResNet */
    DEEPTEPP_ERR_MODEL_NONFINITE = 91,       /* a weight that is NaN or infinite */
    DEEPTEPP_ERR_MODEL_VARIANCE = 92,        /* a running variance below 0 */
    DEEPTEPP_ERR_MODEL_SELF_TEST = 93,       /* the self-test gives another score than the file says */
    DEEPTEPP_ERR_MODEL_NO_SELF_TEST = 94,    /* a self-test was asked for and the file has none */
    DEEPTEPP_ERR_MODEL_SHA256 = 95,          /* the file is not the one that expected_sha256 names */

    /* A case against its model. The GEOMETRY_ tolerance is 0.1 of the first image's smallest voxel edge, in mm:
     * between the first voxels' centres (ORIGIN), or at an axis' end, after all its voxels (SPACING, DIRECTION). Sizes
     * must be equal. Where the form that was not used (the qform) fits, the message says so. */
    DEEPTEPP_ERR_CHANNEL_MISSING = 110,     /* the model wants a channel the case does not have */
    DEEPTEPP_ERR_CHANNEL_UNKNOWN = 111,     /* the case has a channel the model does not know */
    DEEPTEPP_ERR_CHANNEL_DUPLICATE = 112,   /* one channel given twice */
    DEEPTEPP_ERR_MASK_MISSING = 113,        /* the case has no mask */
    DEEPTEPP_ERR_GEOMETRY_SIZE = 114,       /* two volumes of one case differ in their numbers of voxels */
    DEEPTEPP_ERR_GEOMETRY_SPACING = 115,    /* ... in voxel size */
    DEEPTEPP_ERR_GEOMETRY_DIRECTION = 116,  /* ... in direction */
    DEEPTEPP_ERR_GEOMETRY_ORIGIN = 117,     /* ... in origin */
    DEEPTEPP_ERR_MASK_EMPTY = 118,          /* no voxel of the mask is set */
    DEEPTEPP_ERR_MASK_LABEL = 119,          /* the label asked for is not in the mask */
    DEEPTEPP_ERR_MASK_LABELS = 120,         /* several labels and none was chosen */
    DEEPTEPP_ERR_MASK_FRACTIONAL = 121,     /* values that are not whole numbers of 0 to 2^53, as nearly as float32
                                               can round slope, intercept and value */
    DEEPTEPP_ERR_MASK_SMALL = 122,          /* fewer voxels than the model's minimum */
    DEEPTEPP_ERR_REGION_OUTSIDE = 123,      /* the region leaves the image, or the mask touches its border, and the
                                               model forbids it */
    DEEPTEPP_ERR_IMAGE_CONSTANT = 124,      /* image or crop has one value only: nothing to normalise */
    DEEPTEPP_ERR_SPACING_RANGE = 125,       /* voxel size outside the model's hard range */
    DEEPTEPP_ERR_COVARIATE_MISSING = 126,   /* the model wants a covariate the case does not have */
    DEEPTEPP_ERR_COVARIATE_UNKNOWN = 127,   /* the case has a covariate the model does not know */
    DEEPTEPP_ERR_COVARIATE_DUPLICATE = 128, /* one covariate given twice */
    DEEPTEPP_ERR_COVARIATE_VALUE = 129,     /* NaN, infinite, or R's missing integer: a missing value is not a value */
    DEEPTEPP_ERR_COVARIATE_RANGE = 130,     /* outside the model's range, or not one of its levels */
    DEEPTEPP_ERR_SCORE_NONFINITE = 131,     /* the network could overflow: an input value beyond 1e18, or a layer whose
                                               sums could reach 1e30; far from what it was trained on */
    DEEPTEPP_ERR_MASK_OUTSIDE_REGION = 132, /* the region looks past the tumour: no voxel of the mask lies in it, or the
                                               mask has several parts and the region's middle is further from all of
                                               them than a quarter of the region's smallest edge */

    DEEPTEPP_STATUS_FORCE_INT32 = 0x7fffffff
} deeptepp_status;

/* The constant's own name, e.g. "DEEPTEPP_ERR_MASK_EMPTY"; "DEEPTEPP_ERR_UNKNOWN" for any other number.
 * Static; any thread. */
DEEPTEPP_API const char *deeptepp_status_name(deeptepp_status status);

/* Which of a case's volumes an error is about: n, counted from 1, for the n-th image that was set; the mask; or
 * none. */
enum { DEEPTEPP_NO_VOLUME = 0, DEEPTEPP_MASK_VOLUME = -1 };

/* Where a failing call explains itself. The caller's own, usually on the stack; needs no initialisation.
 * The message is one line without a trailing newline, always terminated. 1024 bytes, for ever. */
typedef struct deeptepp_error {
    deeptepp_status status;
    int32_t volumes[2]; /* the one or two volumes of the case that it is about (CHANNEL_UNKNOWN, CHANNEL_DUPLICATE,
                           GEOMETRY_, MASK_ but for MASK_MISSING, REGION_OUTSIDE, IMAGE_CONSTANT, SPACING_RANGE,
                           VOLUME_NONFINITE and VOLUME_DIMS of a score, SCORE_NONFINITE of an input value), else
                           DEEPTEPP_NO_VOLUME in both; of one volume the second is DEEPTEPP_NO_VOLUME */
    char message[1012];
} deeptepp_error;

/* ---- Callbacks -------------------------------------------------------------------------------------------------- */

/* How much a line of the log matters. */
typedef enum deeptepp_log_level {
    DEEPTEPP_LOG_INFO = 1,    /* a new session's threads and backend, layers on slow code */
    DEEPTEPP_LOG_WARNING = 2, /* each warning of a result */
    DEEPTEPP_LOG_ERROR = 3,   /* each wrong tensor of a model file; the call fails */
    DEEPTEPP_LOG_LEVEL_FORCE_INT32 = 0x7fffffff
} deeptepp_log_level;

/* All are optional and are called only on the thread that made the call into the library, never on the library's own,
 * and only during that call; no _free calls any. They may not call back into the handle that is running, and must
 * return: no longjmp and no exception may leave them. `user` must live as long as the call, for a session's callbacks
 * as long as the session.
 *   log       a finished line of text without newline, and its level; newer libraries may have further levels. Volumes
 *             log nothing.
 *   progress  the fraction of this call's work that is done, rising from 0 to 1 within each call.
 *   cancel    asked at least every 50 ms; any value but 0 ends the call with DEEPTEPP_ERR_CANCELLED within 200 ms, but
 *             for what docs/conventions.md lists under known anomalies. */
typedef struct deeptepp_callbacks {
    size_t struct_size; /* sizeof(deeptepp_callbacks) */
    void (*log)(void *user, deeptepp_log_level level, const char *line);
    void (*progress)(void *user, double fraction);
    int (*cancel)(void *user);
    void *user; /* handed to each of the three */
} deeptepp_callbacks;

/* ---- Model ------------------------------------------------------------------------------------------------------ */

/* One model file, loaded and checked: weights, preprocessing, score rule, cut-points, covariates, provenance
 * (docs/model-format.md). Immutable and reference-counted. Any number of threads and sessions may share one. */
typedef struct deeptepp_model deeptepp_model;

/* What a network's products are computed in; their sums are float32 always. */
typedef enum deeptepp_precision {
    DEEPTEPP_PRECISION_F32 = 0,
    DEEPTEPP_PRECISION_BF16 = 1, /* convolutions of 16 channels and more over maps take their input and weights rounded
                                    to bfloat16, 8 significant bits; the first convolution, pools, sums of shortcuts,
                                    linear layers and all that follows stay float32. Scores move (see
                                    deeptepp_model_precision_shift); a score within a margin of a cut-point, measured
                                    on noise and not proven, is computed again in float32 */
    DEEPTEPP_PRECISION_FORCE_INT32 = 0x7fffffff
} deeptepp_precision;

/* 1 where this processor computes in a precision, else 0. BF16 needs AVX512_BF16 and is faster than F32 where there is
 * AMX-BF16 too: 1 also where there is not, where it takes longer (docs/performance.md). Any thread. */
DEEPTEPP_API int deeptepp_precision_available(deeptepp_precision precision);

typedef struct deeptepp_model_options {
    size_t struct_size;                  /* sizeof(deeptepp_model_options) */
    const deeptepp_callbacks *callbacks; /* NULL: none. Used during the call only. */
    int32_t threads;                     /* compute threads of every session of this model, for which its weights are
                                            laid out; at most 256; 0: one a processor that the calling thread may use */
    uint64_t max_file_bytes;             /* a larger file is refused; 0: 4 GiB */
    const char *expected_sha256;         /* 64 hexadecimal digits of either case: a file with another SHA-256 is refused
                                            (MODEL_SHA256), unless it is refused before for being no model file. NULL:
                                            any file */
    int32_t precision;                   /* a deeptepp_precision, of every session of this model; 0: float32. BF16 is
                                            refused (PRECISION) where the processor has none, and of a model that takes
                                            intensities as they are (input.intensity none): no margin can be measured */
    int32_t reserved;                    /* 0; anything else is refused (ARGUMENT) */
} deeptepp_model_options;

/* Reads and checks the file at `path`. options: NULL for all defaults. Runs on `threads` threads of its own, which end
 * with it.
 * Errors: ARGUMENT, STRUCT_SIZE, PRECISION, FILE_*, MODEL_*, MEMORY, THREAD, BACKEND, CANCELLED; of a model in BF16
 * also SCORE_NONFINITE, as of a score. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_model_open(deeptepp_model **out, const char *path,
                                                 const deeptepp_model_options *options, deeptepp_error *error);

/* The same for a file already in memory. `bytes` is not kept. Errors and threads: as deeptepp_model_open. */
DEEPTEPP_API deeptepp_status deeptepp_model_from_bytes(deeptepp_model **out, const void *bytes, size_t size,
                                                       const deeptepp_model_options *options, deeptepp_error *error);

/* One more owner; each needs its own deeptepp_model_free. Returns its argument. Any thread. */
DEEPTEPP_API deeptepp_model *deeptepp_model_ref(deeptepp_model *model);
DEEPTEPP_API void deeptepp_model_free(deeptepp_model *model);

/* Name as the file states it; SHA-256 of the file in 64 hexadecimal digits. */
DEEPTEPP_API const char *deeptepp_model_name(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_sha256(const deeptepp_model *model);

/* Everything else about the model, as one JSON object: the file's whole description, with "sha256", "parameters",
 * "members" and "views" added. docs/model-format.md describes the keys. */
DEEPTEPP_API const char *deeptepp_model_json(const deeptepp_model *model);

/* Everything that JSON says, as plain texts: keys joined by dots, elements of an array by their index from 0, in the
 * file's order: "input.region.spacing_mm" is "1, 1, 1", "covariates.0.name" is "age". Texts as they are; numbers in the
 * shortest form that reads back the same; "true", "false"; an array of such values joined by ", ". NULL for an index
 * out of range, and for a key that is not there. */
DEEPTEPP_API int64_t deeptepp_model_property_count(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_property_key(const deeptepp_model *model, int64_t property);
DEEPTEPP_API const char *deeptepp_model_property_value(const deeptepp_model *model, int64_t property);
DEEPTEPP_API const char *deeptepp_model_property(const deeptepp_model *model, const char *key);

/* The members of its ensemble, at least one, and the prefix of each one's tensor names in the file, "" where the only
 * member has none: in the order of deeptepp_result_member_score. NULL out of range. */
DEEPTEPP_API int64_t deeptepp_model_member_count(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_member_name(const deeptepp_model *model, int64_t member);

/* The images that a case of this model must have, by name (see deeptepp_case_set_image); NULL out of range. */
DEEPTEPP_API int64_t deeptepp_model_channel_count(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_channel_name(const deeptepp_model *model, int64_t channel);

/* The covariates that the score takes: name and unit (NULL out of range); the inclusive range of values (NaN and NaN
 * for one that has levels; out of range `range` is left as it is); the value that stands for a missing one (NaN: it
 * must be given, or out of range). */
DEEPTEPP_API int64_t deeptepp_model_covariate_count(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_covariate_name(const deeptepp_model *model, int64_t covariate);
DEEPTEPP_API const char *deeptepp_model_covariate_unit(const deeptepp_model *model, int64_t covariate);
DEEPTEPP_API void deeptepp_model_covariate_range(const deeptepp_model *model, int64_t covariate, double range[2]);
DEEPTEPP_API double deeptepp_model_covariate_substitute(const deeptepp_model *model, int64_t covariate);

/* Of a covariate that takes certain values only: how many (0: any within its range), each value (NaN out of range) and
 * what it stands for (NULL out of range). */
DEEPTEPP_API int64_t deeptepp_model_covariate_level_count(const deeptepp_model *model, int64_t covariate);
DEEPTEPP_API double deeptepp_model_covariate_level(const deeptepp_model *model, int64_t covariate, int64_t level);
DEEPTEPP_API const char *deeptepp_model_covariate_level_name(const deeptepp_model *model, int64_t covariate,
                                                             int64_t level);

/* The tiers, from the lowest (0: the model has none), and the cut-points between them, one fewer, rising: a score above
 * cut-point i is of tier i + 1 or higher. NULL and NaN out of range. */
DEEPTEPP_API int64_t deeptepp_model_tier_count(const deeptepp_model *model);
DEEPTEPP_API const char *deeptepp_model_tier_name(const deeptepp_model *model, int64_t tier);
DEEPTEPP_API double deeptepp_model_cutpoint(const deeptepp_model *model, int64_t cutpoint);

/* The times of the model's calibration, if it carries one, in the unit of property "calibration.unit"; NaN out of
 * range. */
DEEPTEPP_API int64_t deeptepp_model_survival_count(const deeptepp_model *model);
DEEPTEPP_API double deeptepp_model_survival_time(const deeptepp_model *model, int64_t index);

/* The precision that the model was opened in. How far BF16 moves its scores: the largest difference from F32 among 8
 * or more inputs of noise, each one view, measured when the model was opened; the score's own unit. The noise is of
 * mean 0 and variance 1 for intensities by "zscore", uniform in the model's range for "minmax" and "percentile". For
 * rule "softmax" it is a quarter of what the odds' logarithm moves by: no probability moves by more than that.
 * And the margin, 4 times that, at least 1e-6: a score no further than this, and the cut-point's tolerance
 * (NEAR_CUTPOINT), from a cut-point is computed again in F32, so that it is the very score of F32. It is no proof:
 * scores of real images may move further than those of noise. Tried at length: phantoms, one model, rule "logit",
 * "zscore" (docs/performance.md). Survival probabilities and the scores of members and views move too, and are only
 * computed again when the score is. 0 and 0 of a model in F32; NaN of none. */
DEEPTEPP_API deeptepp_precision deeptepp_model_precision(const deeptepp_model *model);
DEEPTEPP_API double deeptepp_model_precision_shift(const deeptepp_model *model);
DEEPTEPP_API double deeptepp_model_precision_margin(const deeptepp_model *model);

/* Bytes that the model and one session of it hold together: the weights of all members, the session's activations and
 * scratchpad; in BF16 all of these in both precisions. A further session has no weights of its own, so it adds only the
 * rest. On top come: the case's own volumes; while scoring, some 20 bytes for each row of voxels that the mask falls
 * into; for a model that takes mosaics and for a mask that is put onto the image's grid a byte for each voxel of its
 * bounding box; for mosaics some 1.5 MB a thread; the backend's own descriptors and generated code, some MB.
 * Percentiles of whole images of 8- and 16-bit integers take 1 MiB a thread, 8 MiB at most, and half a MiB an image;
 * other intensity rules less than 100 KB a thread. While a model is being opened, the file's tensors as stored, each
 * given back once it is laid out: at the peak about the larger of file and weights, and the largest layer once more. */
DEEPTEPP_API uint64_t deeptepp_model_memory(const deeptepp_model *model);

/* The shape of the network input, float32 in C order: views, channels, depth, height, width. */
DEEPTEPP_API void deeptepp_model_input_shape(const deeptepp_model *model, int64_t shape[5]);

/* ---- Volume ----------------------------------------------------------------------------------------------------- */

/* A 3-D image or mask with its geometry. Immutable; any number of threads and cases may share one. */
typedef struct deeptepp_volume deeptepp_volume;

typedef enum deeptepp_type {
    DEEPTEPP_UINT8 = 1,
    DEEPTEPP_INT8 = 2,
    DEEPTEPP_UINT16 = 3,
    DEEPTEPP_INT16 = 4,
    DEEPTEPP_UINT32 = 5,
    DEEPTEPP_INT32 = 6,
    DEEPTEPP_UINT64 = 7, /* each 64-bit integer must be exact in a double */
    DEEPTEPP_INT64 = 8,
    DEEPTEPP_FLOAT32 = 9,
    DEEPTEPP_FLOAT64 = 10,
    DEEPTEPP_TYPE_FORCE_INT32 = 0x7fffffff
} deeptepp_type;

typedef struct deeptepp_volume_options {
    size_t struct_size;      /* sizeof(deeptepp_volume_options) */
    const deeptepp_callbacks *callbacks; /* NULL: none. Used during the call only. */
    int64_t volume_number;   /* which of the file's volumes, from 1; 0: the file must hold exactly one */
    uint64_t max_bytes;      /* bytes: a volume of more voxels, inflated, is refused, and a file whose volumes together
                                have more than 4 times that; 0: 2 GiB, ten times the largest breast volume. After its
                                last volume a file may have, inflated, as much again and 64 MiB, within those 4 times
                                and 256 MiB in all */
    const char *orientation; /* for a file that states none: where its three axes run to, e.g. "RAS" or "LPS";
                                NULL: such a file is refused. Ignored for a file that states its orientation.
                                Voxel edges are then the header's, and the volume's centre is put at (0, 0, 0).
                                Its use is recorded in every result. */
    int64_t max_edge;        /* a file of more voxels than this along i, j or k is refused (VOLUME_DIMS), for the time
                                that mosaics take grows with the square of it; 0: 2048, twice the largest matrix of
                                MR */
} deeptepp_volume_options;

/* A NIfTI-1 or NIfTI-2 file (.nii, gzip or not, known by its bytes). Opened once, read whole; every voxel checked.
 * sform is preferred to qform when its code is set, unless it is unusable (VOLUME_AFFINE) and the qform is not: the
 * score then carries a warning. scl_slope and scl_inter are applied. The file's volumes are counted by dim[4], or by
 * that of dim[5] to dim[7] that is above 1. The volume holds the voxels of the one that was chosen, in the file's type;
 * nothing larger is held while it is read. options: NULL for all defaults.
 * Errors: ARGUMENT, STRUCT_SIZE, FILE_*, GZIP, NIFTI_*, VOLUME_*, MEMORY, CANCELLED. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_volume_open(deeptepp_volume **out, const char *path,
                                                  const deeptepp_volume_options *options, deeptepp_error *error);

/* The same for the bytes of such a file. `bytes` is not kept. Errors: the same, but for FILE_MISSING and FILE_READ. */
DEEPTEPP_API deeptepp_status deeptepp_volume_from_bytes(deeptepp_volume **out, const void *bytes, size_t size,
                                                        const deeptepp_volume_options *options, deeptepp_error *error);

/* How many volumes the file at `path` holds. Only its header is read and checked. Errors: ARGUMENT, FILE_*, GZIP,
 * NIFTI_*, MEMORY. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_volume_count_in_file(int64_t *count, const char *path, deeptepp_error *error);

/* Voxels in the caller's memory, described. */
typedef struct deeptepp_array {
    size_t struct_size; /* sizeof(deeptepp_array) */
    const void *data;   /* voxel (0, 0, 0); native byte order, any alignment */
    deeptepp_type type;
    int64_t dims[3];    /* voxels along i, j, k; each at least 1 */
    int64_t strides[3]; /* bytes from one voxel to the next along i, j, k, negative allowed; all 0: i fastest, no
                           gaps */
    double affine[16];  /* row-major 4x4: voxel indices (i, j, k, 1) to RAS millimetres */
} deeptepp_array;

/* A volume over that memory, without a copy: the memory must stay, unchanged, until the volume and every case that
 * holds it are freed. Every voxel is checked now, without callbacks. `array` itself is not kept.
 * Errors: ARGUMENT, STRUCT_SIZE, VOLUME_*, MEMORY. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_volume_from_array(deeptepp_volume **out, const deeptepp_array *array,
                                                        deeptepp_error *error);

/* Gives up the caller's hold; a case that holds the volume keeps it alive. */
DEEPTEPP_API void deeptepp_volume_free(deeptepp_volume *volume);

/* Voxels along i, j, k; voxel sizes in mm; row-major 4x4 affine to RAS mm. */
DEEPTEPP_API void deeptepp_volume_dims(const deeptepp_volume *volume, int64_t dims[3]);
DEEPTEPP_API void deeptepp_volume_spacing(const deeptepp_volume *volume, double spacing[3]);
DEEPTEPP_API void deeptepp_volume_affine(const deeptepp_volume *volume, double affine[16]);

/* Which volume of its file it is, from 1; 1 for an array. */
DEEPTEPP_API int64_t deeptepp_volume_number(const deeptepp_volume *volume);

/* Where i, j, k run to, nearest of R L A P S I each, e.g. "LPS". */
DEEPTEPP_API const char *deeptepp_volume_orientation(const deeptepp_volume *volume);

/* SHA-256 in 64 hexadecimal digits: of the file's bytes as stored, or, for an array, of its type, dims, affine and
 * voxels (i fastest), whatever its strides. */
DEEPTEPP_API const char *deeptepp_volume_sha256(const deeptepp_volume *volume);

/* The voxels, scaled, as float32 in the patient's nearest RAS order: x (to the right) fastest, then y (anterior), then
 * z (superior). dims and spacing (each may be NULL) get the numbers in that order. out may be NULL to ask for dims
 * first; otherwise count must be the product of the dims. Errors: ARGUMENT. */
DEEPTEPP_API deeptepp_status deeptepp_volume_copy_ras(const deeptepp_volume *volume, float *out, size_t count,
                                                      int64_t dims[3], double spacing[3], deeptepp_error *error);

/* ---- Mask ------------------------------------------------------------------------------------------------------- */

/* How a mask lies to the first image. */
typedef enum deeptepp_mask_grid {
    DEEPTEPP_MASK_GRID_SAME = 0,    /* on its grid, or the case is refused (GEOMETRY_) */
    DEEPTEPP_MASK_GRID_IMAGE = 1,   /* its voxels are the image's, whatever its header says of where they are; the sizes
                                       along i, j and k must agree (GEOMETRY_SIZE) */
    DEEPTEPP_MASK_GRID_NEAREST = 2, /* anywhere: each voxel of the image gets the label of the mask's voxel that is
                                       nearest to it, and 0 outside the mask */
    DEEPTEPP_MASK_GRID_FORCE_INT32 = 0x7fffffff
} deeptepp_mask_grid;

typedef struct deeptepp_mask_options {
    size_t struct_size;   /* sizeof(deeptepp_mask_options) */
    int64_t label;        /* the value that marks the tumour, 1 to 2^53; 0: whatever single value other than 0 it has */
    int32_t largest_part; /* not 0: of several connected parts (26 neighbours) the one of the most voxels alone is the
                             tumour; of equal ones that with the first voxel in nearest RAS order, x fastest */
    int32_t grid;         /* a deeptepp_mask_grid */
} deeptepp_mask_options;

/* What a mask says, without a model: for pictures and checks. Immutable; any thread. */
typedef struct deeptepp_mask deeptepp_mask;

/* Reads a volume as a mask. options: as for deeptepp_case_set_mask, but that without an image `grid` has no effect.
 * Keeps no hold on the volume. Errors: ARGUMENT, STRUCT_SIZE, MASK_EMPTY, MASK_LABEL, MASK_LABELS, MASK_FRACTIONAL,
 * VOLUME_DIMS (a dimension above 2^31 - 1), MEMORY. */
DEEPTEPP_API deeptepp_status deeptepp_mask_new(deeptepp_mask **out, deeptepp_volume *volume,
                                               const deeptepp_mask_options *options, deeptepp_error *error);
DEEPTEPP_API void deeptepp_mask_free(deeptepp_mask *mask);

/* The label that marks the tumour, and the number of its voxels: with largest_part those of that part alone. */
DEEPTEPP_API int64_t deeptepp_mask_label(const deeptepp_mask *mask);
DEEPTEPP_API int64_t deeptepp_mask_voxels(const deeptepp_mask *mask);

/* The connected parts (26 neighbours), with and without largest_part: how many. Of the 64 largest, by size from 0 for
 * the largest: the voxels (0 out of range), and how far it is from the largest, in mm between the nearest voxels'
 * centres along the grid's axes (0 for the largest itself; NaN out of range). */
DEEPTEPP_API int64_t deeptepp_mask_part_count(const deeptepp_mask *mask);
DEEPTEPP_API int64_t deeptepp_mask_part_voxels(const deeptepp_mask *mask, int64_t index);
DEEPTEPP_API double deeptepp_mask_part_distance(const deeptepp_mask *mask, int64_t index);

/* The tumour's first and last voxel along the volume's own i, j, k. Either may be NULL. */
DEEPTEPP_API void deeptepp_mask_box(const deeptepp_mask *mask, int64_t low[3], int64_t high[3]);

/* The largest distance of one of the mask's values from a whole number, as far as that is rounding; 0: they are
 * whole. */
DEEPTEPP_API double deeptepp_mask_rounding(const deeptepp_mask *mask);

/* Each voxel's part: 1 for the largest, 2 for the next, 65 for all beyond the 64 largest, 0 outside; in the order of
 * deeptepp_volume_copy_ras, and with the same arguments. Errors: ARGUMENT (also of a result's mask, whose voxels are
 * gone). */
DEEPTEPP_API deeptepp_status deeptepp_mask_copy_ras(const deeptepp_mask *mask, int32_t *out, size_t count,
                                                    int64_t dims[3], double spacing[3], deeptepp_error *error);

/* ---- Case ------------------------------------------------------------------------------------------------------- */

/* What is known of one patient: images by channel name, the tumour mask, covariates by name. Make a new case for each
 * patient: set_mask replaces, but an image or a covariate that was set cannot be taken back, and setting it again is
 * refused. Scoring only reads a case: any number of sessions, in any threads, may score one at once, as long as nobody
 * sets anything or frees it meanwhile. Setting is for one thread at a time. */
typedef struct deeptepp_case deeptepp_case;

/* Errors: ARGUMENT, MEMORY. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_case_new(deeptepp_case **out, deeptepp_error *error);
DEEPTEPP_API void deeptepp_case_free(deeptepp_case *patient);

/* Adds an image under the channel name the model uses. The case keeps its own hold on the volume, and its own copy of
 * the name. name NULL: the only channel of a model that has one. Errors: ARGUMENT, CHANNEL_DUPLICATE, MEMORY. */
DEEPTEPP_API deeptepp_status deeptepp_case_set_image(deeptepp_case *patient, const char *name, deeptepp_volume *image,
                                                     deeptepp_error *error);

/* Sets the mask. options: NULL for all defaults. The case keeps its own hold on the volume; a later call replaces
 * volume and options. Errors: ARGUMENT, STRUCT_SIZE. */
DEEPTEPP_API deeptepp_status deeptepp_case_set_mask(deeptepp_case *patient, deeptepp_volume *mask,
                                                    const deeptepp_mask_options *options, deeptepp_error *error);

/* Adds a covariate, in the unit the model states. The name is copied. Errors: ARGUMENT, COVARIATE_DUPLICATE,
 * COVARIATE_VALUE, MEMORY. */
DEEPTEPP_API deeptepp_status deeptepp_case_set_covariate(deeptepp_case *patient, const char *name, double value,
                                                         deeptepp_error *error);

/* ---- Session ---------------------------------------------------------------------------------------------------- */

/* A model made ready to run: one compute thread, its helpers, and all memory a score needs. One thread at a time (a
 * second gets DEEPTEPP_ERR_BUSY); make one session a thread. Computation happens on the session's own threads, as many
 * as the model was opened with, which sleep between calls, and whose floating-point environment the host neither sees
 * nor changes. With as many views as threads or more, a score is the same to the last bit for any number of threads.
 * Usable in a child after fork(), if at the fork no call was running in it and no other thread was creating a session
 * or opening a model. */
typedef struct deeptepp_session deeptepp_session;
typedef struct deeptepp_result deeptepp_result;

typedef struct deeptepp_session_options {
    size_t struct_size;                  /* sizeof(deeptepp_session_options) */
    const deeptepp_callbacks *callbacks; /* NULL: none. Copied; used by every call on the session. */
    int32_t no_guidance;                 /* not 0: no result carries guidance: deeptepp_result_guidance gives NULL, the
                                            JSON null. (A model's seeded weights or missing `guidance` have the same
                                            effect.) */
    uint64_t memory_limit;               /* bytes that deeptepp_model_memory may say at most; 0: any. Checked once, when
                                            the session is made */
} deeptepp_session_options;

/* options: NULL for all defaults. The session keeps its own hold on the model.
 * Errors: ARGUMENT, STRUCT_SIZE, MEMORY, MEMORY_LIMIT, THREAD, BACKEND, CANCELLED. Any thread. */
DEEPTEPP_API deeptepp_status deeptepp_session_new(deeptepp_session **out, deeptepp_model *model,
                                                  const deeptepp_session_options *options, deeptepp_error *error);

/* Waits for the layer that a cancelled call left being computed; calls no callback. Not while a call is running. */
DEEPTEPP_API void deeptepp_session_free(deeptepp_session *session);

/* Scores a case. The result is the caller's. Errors: ARGUMENT, those of a case against its model, VOLUME_NONFINITE,
 * VOLUME_DIMS (an axis of the mask, or of an image it is put onto, beyond 2^31 - 2), BUSY, CANCELLED, MEMORY, THREAD,
 * BACKEND. The session can be used again after any of them; after CANCELLED the next call first waits for the layer
 * that was being computed, and can be cancelled while it waits. */
DEEPTEPP_API deeptepp_status deeptepp_session_score(deeptepp_session *session, const deeptepp_case *patient,
                                                    deeptepp_result **out, deeptepp_error *error);

/* Writes the network input of a case, float32 in C order of deeptepp_model_input_shape. count: floats in `out`, which
 * must be the product of that shape. The case's covariates are not looked at. Errors: as deeptepp_session_score. */
DEEPTEPP_API deeptepp_status deeptepp_session_preprocess(deeptepp_session *session, const deeptepp_case *patient,
                                                         float *out, size_t count, deeptepp_error *error);

/* Runs the model file's self-test: the score the file states and the one this machine gives, in F32 whatever the model
 * was opened in, written with OK and MODEL_SELF_TEST. Errors: ARGUMENT, MODEL_SELF_TEST, MODEL_NO_SELF_TEST,
 * SCORE_NONFINITE, BUSY, CANCELLED, MEMORY, THREAD, BACKEND. */
DEEPTEPP_API deeptepp_status deeptepp_session_self_test(deeptepp_session *session, double *expected, double *found,
                                                        deeptepp_error *error);

/* ---- Result ----------------------------------------------------------------------------------------------------- */

/* A result is a snapshot that owns all it says; it outlives model, session and case. Immutable; any thread. */
DEEPTEPP_API void deeptepp_result_free(deeptepp_result *result);

/* The patient's score: the model's rule over the logits, mean over views and members, plus the covariates' term.
 * Unit and range are the model's. */
DEEPTEPP_API double deeptepp_result_score(const deeptepp_result *result);

/* What the score was computed in. F32 of a model in BF16: within the margin of a cut-point (see
 * deeptepp_model_precision_margin). F32 without a result. */
DEEPTEPP_API deeptepp_precision deeptepp_result_precision(const deeptepp_result *result);

/* Standard deviation (n - 1) of the score over views: how much the angle of rotation matters. It is not an uncertainty
 * of the score. NaN with one view. */
DEEPTEPP_API double deeptepp_result_score_sd(const deeptepp_result *result);

/* Each view's score (mean over members) and each member's (mean over views), covariates' term included; NaN for an
 * index out of range. */
DEEPTEPP_API int64_t deeptepp_result_view_count(const deeptepp_result *result);
DEEPTEPP_API double deeptepp_result_view_score(const deeptepp_result *result, int64_t view);
DEEPTEPP_API int64_t deeptepp_result_member_count(const deeptepp_result *result);
DEEPTEPP_API double deeptepp_result_member_score(const deeptepp_result *result, int64_t member);

/* The mask that was scored, as deeptepp_mask_new would say it, on the image's grid where the options put it there: the
 * result's own, and without voxels (deeptepp_mask_copy_ras says ARGUMENT). NULL without a result. */
DEEPTEPP_API const deeptepp_mask *deeptepp_result_mask(const deeptepp_result *result);

/* The share of the tumour's voxels, 0 to 1, that the network's region holds: unrotated, and in each view. Of mosaics:
 * those whose slice, the nearest that carries the mask, has a tile. NaN for an index out of range. Below 1 there is a
 * warning (MASK_OUTSIDE_REGION). */
DEEPTEPP_API double deeptepp_result_mask_share(const deeptepp_result *result);
DEEPTEPP_API double deeptepp_result_view_mask_share(const deeptepp_result *result, int64_t view);

/* The covariates that were used, in the model's order: how many; name and unit of each (NULL out of range); its value
 * in that unit (NaN out of range); whether it is the model's substitute for one that the case does not have (1, else
 * 0); and the term that it adds to each score (NaN out of range). */
DEEPTEPP_API int64_t deeptepp_result_covariate_count(const deeptepp_result *result);
DEEPTEPP_API const char *deeptepp_result_covariate_name(const deeptepp_result *result, int64_t index);
DEEPTEPP_API const char *deeptepp_result_covariate_unit(const deeptepp_result *result, int64_t index);
DEEPTEPP_API double deeptepp_result_covariate_value(const deeptepp_result *result, int64_t index);
DEEPTEPP_API int deeptepp_result_covariate_filled(const deeptepp_result *result, int64_t index);
DEEPTEPP_API double deeptepp_result_covariate_term(const deeptepp_result *result, int64_t index);

/* The tier, counted from 0 for the lowest; -1 when the model has no cut-points. A score equal to a cut-point belongs to
 * the lower tier. The name is NULL without a tier. */
DEEPTEPP_API int deeptepp_result_tier(const deeptepp_result *result);
DEEPTEPP_API const char *deeptepp_result_tier_name(const deeptepp_result *result);

/* Score minus the nearest cut-point; NaN without cut-points. */
DEEPTEPP_API double deeptepp_result_cutpoint_distance(const deeptepp_result *result);

/* Survival probability at the model's stated times, where it carries a calibration: how many times, each time in the
 * file's unit (see the JSON), and the probability of being free of the event then; NaN out of range. */
DEEPTEPP_API int64_t deeptepp_result_survival_count(const deeptepp_result *result);
DEEPTEPP_API double deeptepp_result_survival_time(const deeptepp_result *result, int64_t index);
DEEPTEPP_API double deeptepp_result_survival(const deeptepp_result *result, int64_t index);

/* What the paper proposes for the tier, with its evidence, in one paragraph that says "research use only"; NULL when
 * the model does not state that its tiers are the paper's, when its weights are "seeded" (random), and with
 * no_guidance. Its parts are in the JSON under "guidance". */
DEEPTEPP_API const char *deeptepp_result_guidance(const deeptepp_result *result);

/* What a careful reader should know before using the number. */
typedef enum deeptepp_warning {
    DEEPTEPP_WARN_AFFINES_DISAGREE = 1,    /* sform and qform are both set and put a corner more than 0.001 mm apart;
                                              sform was used */
    DEEPTEPP_WARN_ORIENTATION_ASSUMED = 2, /* the file states no orientation; the caller's was used */
    DEEPTEPP_WARN_PADDED = 3,              /* part of the region lies outside the image and was filled */
    DEEPTEPP_WARN_MASK_AT_BORDER = 4,      /* the mask touches the image's border: the tumour may be cut */
    DEEPTEPP_WARN_SPACING = 5,             /* voxel size outside the model's usual range */
    DEEPTEPP_WARN_NEAR_CUTPOINT = 6,       /* within the tolerance of a cut-point: the tier could be the other. Unless
                                              the file states a larger tolerance this is about numerical reproducibility
                                              between machines only (1e-4 of the larger of 1 and the cut-point's
                                              magnitude) */
    DEEPTEPP_WARN_COVARIATE_FILLED = 7,    /* a missing covariate got the model's stated substitute */
    DEEPTEPP_WARN_GEOMETRY_TOLERATED = 8,  /* volumes of the case differ in geometry by more than 0.001 of the smallest
                                              voxel edge, within the 0.1 that is tolerated (see the GEOMETRY_
                                              errors) */
    DEEPTEPP_WARN_SEEDED_WEIGHTS = 9,      /* the model says its weights are not trained: the score means nothing */
    DEEPTEPP_WARN_STORED_ORDER = 10,       /* the model ignores orientation: the score depends on how the file is
                                              stored */
    DEEPTEPP_WARN_SLICES_DROPPED = 11,     /* more slices carry the mask than a mosaic holds; the last were left out */
    DEEPTEPP_WARN_CONSTANT_SLICE = 12,     /* slices of one value only: their tiles are 0 */
    DEEPTEPP_WARN_MASK_FADED = 13,         /* a mask so thin that interpolation leaves nothing of it in some slices or
                                              views */
    DEEPTEPP_WARN_FORM_UNUSABLE = 17,      /* sform and qform are both set and one of them says nothing: not finite, of
                                              unthinkable lengths or not invertible; the other was used */
    DEEPTEPP_WARN_PIXDIM_IGNORED = 20,     /* the sform is alone and pixdim was left at 1, 1, 1: the sform's voxel sizes
                                              count */
    DEEPTEPP_WARN_MASK_PARTS = 14,         /* the mask has several parts that do not touch */
    DEEPTEPP_WARN_MASK_OUTSIDE_REGION = 15, /* part of the mask lies outside the unrotated region, or outside a view */
    DEEPTEPP_WARN_MASK_ROUNDED = 16,       /* the mask's values are whole numbers only after rounding */
    DEEPTEPP_WARN_IMAGE_TWICE = 18,        /* two channels are the same volume: equal SHA-256 and volume number */
    DEEPTEPP_WARN_MASK_REGRIDDED = 19,     /* the mask lay elsewhere, and was put onto the image's grid as its options
                                              say */
    DEEPTEPP_WARN_MASK_UNUSUAL = 21,       /* the tumour's volume is outside the model's usual range */
    DEEPTEPP_WARN_INTENSITY_UNUSUAL = 22,  /* an image's mean within the tumour, of its values as the file gives them,
                                              is outside the model's usual range */
    DEEPTEPP_WARNING_FORCE_INT32 = 0x7fffffff
} deeptepp_warning;

/* Number of warnings; code (0 out of range) and one line of text (NULL out of range) of each. A code may stand there
 * several times; docs/result.md gives the order. */
DEEPTEPP_API int64_t deeptepp_result_warning_count(const deeptepp_result *result);
DEEPTEPP_API deeptepp_warning deeptepp_result_warning_code(const deeptepp_result *result, int64_t index);
DEEPTEPP_API const char *deeptepp_result_warning_message(const deeptepp_result *result, int64_t index);

/* Everything above and the provenance - library and backend version, instruction set, threads, precision, model name
 * and SHA-256, input and mask digests, geometry and what was done to it, warnings, guidance - as one JSON object.
 * docs/result.md describes the keys. */
DEEPTEPP_API const char *deeptepp_result_json(const deeptepp_result *result);

#ifdef __cplusplus
}
#endif

#endif
