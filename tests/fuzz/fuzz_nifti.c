/* Any bytes as a NIfTI file, and any damage to a valid one, plain or in gzip, give a sound volume or a status. */
#include "../../libdeeptepp/volume/volume.h"
#include "../nifti_maker.h"
#include "fuzz.h"

enum { MAX_BYTES = 1 << 16 };

/* What every volume promises whoever uses it next. */
static void check_volume(const deeptepp_volume *volume)
{
    static float voxels[MAX_BYTES];
    int64_t dims[3];
    double spacing[3];
    require(deeptepp_volume_copy_ras(volume, NULL, 0, dims, spacing, NULL) == DEEPTEPP_OK);
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    require(count > 0 && count <= MAX_BYTES);
    require(deeptepp_volume_copy_ras(volume, voxels, count, NULL, NULL, NULL) == DEEPTEPP_OK);
    for (size_t n = 0; n < count; n++)
        require(isfinite(voxels[n]));
    for (int a = 0; a < 3; a++)
        require(isfinite(spacing[a]) && spacing[a] > 0);
    require(isfinite(volume->affine_gap_mm) && volume->affine_gap_mm >= 0);
    require(strlen(deeptepp_volume_orientation(volume)) == 3 && strlen(deeptepp_volume_sha256(volume)) == 64);
}

static void try(const uint8_t *data, size_t size, int64_t volume_number)
{
    const deeptepp_volume_options options = {.struct_size = sizeof options, .volume_number = volume_number,
                                             .max_bytes = MAX_BYTES, .orientation = volume_number ? "LPS" : NULL};
    deeptepp_volume *volume = NULL;
    deeptepp_error error = {0};
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, data, size, &options, &error);
    require((status == DEEPTEPP_OK) == (volume != NULL));
    require_sound(status, &error);
    if (volume)
        check_volume(volume);
    deeptepp_volume_free(volume);
}

/* Three bytes of input change one byte of the file; an odd one out cuts the file short. */
static void try_damaged(nifti_file file, const uint8_t *data, size_t size)
{
    uint8_t gz[2 * sizeof file.bytes];
    for (; size >= 3; data += 3, size -= 3)
        file.bytes[(size_t)(data[0] << 8 | data[1]) % file.size] = data[2];
    if (size)
        file.size -= data[0] % file.size;
    try(file.bytes, file.size, size != 0);
    try(gz, gzip_member(file.bytes, file.size, gz, 0, sizeof gz), 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try(data, size, 0);
    try(data, size, 1);
    for (int kind = 0; kind < 4 && size < 256; kind++)
        try_damaged(make_nifti(kind & 1, kind & 2), data, size);
    return 0;
}
