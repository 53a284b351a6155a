#include "base/sha256.h"

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

void sha256_of(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    (void)mbedtls_sha256(bytes, size, ret_digest, 0);
#else
    (void)mbedtls_sha256_ret(bytes, size, ret_digest, 0);
#endif
}

void sha256_hex(const uint8_t *digest, size_t digest_size, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < digest_size; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[2 * digest_size] = '\0';
}
