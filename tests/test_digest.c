/* SHA-256 against FIPS 180's examples and nettle alone, whatever the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"

/* Some steps of those that are fetched ahead. */
enum { MOST = 5000 };

static uint8_t bytes[MOST + 1];

static int fill(void **state)
{
    uint32_t x = 1;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(x >> 24);
    }
    return 0;
}

static void nettle_alone(const uint8_t *data, size_t size, char hex[DTP_DIGEST_SIZE])
{
    dtp_digest digest;
    sha256_init(&digest.context);
    sha256_update(&digest.context, size, data);
    dtp_digest_hex(&digest, hex);
}

static void in_two_pieces(const uint8_t *data, size_t first, size_t size, char hex[DTP_DIGEST_SIZE])
{
    dtp_digest digest;
    dtp_digest_init(&digest);
    dtp_digest_add(&digest, data, first);
    dtp_digest_add(&digest, data + first, size - first);
    dtp_digest_hex(&digest, hex);
}

static void examples_of_the_standard(void **state)
{
    char hex[DTP_DIGEST_SIZE], million[1000];
    dtp_digest digest;
    (void)state;
    in_two_pieces((const uint8_t *)"abc", 0, 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    in_two_pieces((const uint8_t *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 0, 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof million);
    dtp_digest_init(&digest);
    for (int i = 0; i < 1000; i++)
        dtp_digest_add(&digest, million, sizeof million);
    dtp_digest_hex(&digest, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* From aligned and from odd places. */
static void any_pieces_give_what_nettle_does(void **state)
{
    char wanted[DTP_DIGEST_SIZE], found[DTP_DIGEST_SIZE];
    (void)state;
    for (size_t size = 0; size <= MOST; size += size < 260 ? 1 : 337) {
        nettle_alone(bytes + size % 2, size, wanted);
        for (size_t first = 0; first <= size; first += first < 140 ? 1 : 611) {
            in_two_pieces(bytes + size % 2, first, size, found);
            assert_string_equal(found, wanted);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard),
        cmocka_unit_test(any_pieces_give_what_nettle_does),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
