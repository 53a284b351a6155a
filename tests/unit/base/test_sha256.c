#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sha256.h"

#include "base/auto.h"

#include <string.h>

/* Test vectors: FIPS 180-2, appendix B, and the empty message. */
static void test_known_digests(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];
        sha256_of(rows[i].text, strlen(rows[i].text), digest);
        sha256_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, rows[i].want);
    }
}

/* Test vectors: RFC 4231, 4.2, 4.3 and 4.7 (a key longer than a block). */
static void test_hmac(void **state)
{
    char long_key[132];
    const struct { const char *key, *text, *want; } rows[] = {
        { "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { long_key, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    };
    (void)state;

    memset(long_key, 0xAA, 131);
    long_key[131] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];
        sha256_hmac(rows[i].key, strlen(rows[i].key), rows[i].text, strlen(rows[i].text), digest);
        sha256_hex(digest, sizeof digest, hex);
        assert_string_equal(hex, rows[i].want);
    }
}

static void test_a_part_as_hex(void **state)
{
    char hex[7];
    (void)state;

    sha256_hex((const uint8_t[]){ 0x00, 0xAB, 0xFF }, 3, hex);
    assert_string_equal(hex, "00abff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_a_part_as_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
