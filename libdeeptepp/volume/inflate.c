#include "inflate.h"

#include <isa-l/igzip_lib.h>

/* The header is read by a call of its own: isal_inflate forgets between two calls what a header that is split between
 * them has said. */
struct dtp_inflater {
    struct inflate_state state;
    struct isal_gzip_header header;
    bool in_header;
    const char *held; /* what is wrong behind the bytes that were handed out last */
};

enum { RESERVED_FLAGS = 0xe0 };

dtp_inflater *dtp_inflater_new(void)
{
    dtp_inflater *inflater = calloc(1, sizeof *inflater);
    if (inflater)
        isal_inflate_init(&inflater->state);
    return inflater;
}

size_t dtp_inflater_bytes(void)
{
    return sizeof(dtp_inflater);
}

bool dtp_inflater_failed(const dtp_inflater *inflater)
{
    return inflater->held != NULL;
}

void dtp_inflater_begin(dtp_inflater *inflater)
{
    isal_inflate_reset(&inflater->state);
    inflater->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    inflater->header = (struct isal_gzip_header){.flags = 0};
    inflater->in_header = true;
    inflater->held = NULL;
}

static const char *wrong_with(int result)
{
    switch (result) {
    case ISAL_DECOMP_OK:
    case ISAL_END_INPUT:
        return NULL;
    case ISAL_INVALID_BLOCK:
        return "an invalid block";
    case ISAL_INVALID_SYMBOL:
        return "an invalid symbol";
    case ISAL_INVALID_LOOKBACK:
        return "a copy from before the data";
    case ISAL_INVALID_WRAPPER:
        return "an invalid header";
    case ISAL_UNSUPPORTED_METHOD:
        return "an unknown method";
    case ISAL_INCORRECT_CHECKSUM:
        return "a wrong checksum or length";
    default:
        return "not inflatable";
    }
}

static const char *read_header(dtp_inflater *inflater)
{
    int result = isal_read_gzip_header(&inflater->state, &inflater->header);
    inflater->in_header = result == ISAL_END_INPUT;
    return inflater->header.flags & RESERVED_FLAGS ? "unknown flags" : wrong_with(result);
}

const char *dtp_inflater_step(dtp_inflater *inflater, const uint8_t **next, size_t *left, uint8_t *out, size_t size,
                              size_t *got, bool *ended)
{
    struct inflate_state *state = &inflater->state;
    *got = 0;
    *ended = false;
    if (inflater->held)
        return inflater->held;
    state->next_in = (uint8_t *)(uintptr_t)*next; /* ISA-L does not write there, nor say so */
    state->avail_in = (uint32_t)*left;
    state->next_out = out;
    state->avail_out = (uint32_t)size;
    const char *wrong = inflater->in_header ? read_header(inflater) : NULL;
    if (!wrong && !inflater->in_header)
        wrong = wrong_with(isal_inflate(state));
    *next = state->next_in;
    *left = state->avail_in;
    *got = size - state->avail_out;
    *ended = !wrong && !inflater->in_header && state->block_state == ISAL_BLOCK_FINISH;
    inflater->held = wrong;
    return *got ? NULL : wrong; /* ISA-L works ahead: what comes before the fault is sound */
}
