#include "npy.h"

#include <string.h>

#include "progress.h"
#include "report.h"

enum { HEADER = 256, CHUNK = 1 << 14 };

/* Magic, version, and a Python dictionary padded with spaces so that the data begin at a multiple of 64. */
static size_t make_header(unsigned char out[HEADER], const int64_t *shape, int rank)
{
    char text[HEADER] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
    size_t used = strlen(text);
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%lld, ", (long long)shape[i]);
    used += (size_t)snprintf(text + used, sizeof text - used, "), }");
    const size_t total = (10 + used + 1 + 63) / 64 * 64, length = total - 10;
    memset(out, ' ', total);
    memcpy(out, "\x93NUMPY\x01", 8);
    out[8] = (unsigned char)(length & 0xff);
    out[9] = (unsigned char)(length >> 8);
    memcpy(out + 10, text, used);
    out[total - 1] = '\n';
    return total;
}

static size_t encode(unsigned char *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int byte = 0; byte < 4; byte++)
            out[4 * i + (size_t)byte] = (unsigned char)(bits >> 8 * byte & 0xff);
    }
    return 4 * count;
}

int cli_npy_write(cli_output *output, const float *values, const int64_t *shape, int rank)
{
    unsigned char header[HEADER], chunk[4 * CHUNK];
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i]; /* no overflow: the values are there */
    const size_t length = make_header(header, shape, rank);
    bool fine = fwrite(header, 1, length, output->file) == length;
    for (size_t at = 0; fine && at < count; at += CHUNK) {
        const size_t size = encode(chunk, values + at, count - at < CHUNK ? count - at : CHUNK);
        fine = fwrite(chunk, 1, size, output->file) == size;
        if (cli_interrupted())
            return cli_check_interrupt();
    }
    return fine ? CLI_OK : cli_fail_write(output->path);
}
