#include "base/sha256.h"

#ifdef MC_SHA256_BY_OPENSSL
/* The one-shot SHA256() looks its method up by name at every call: 0.3 us more, for ids of 30 bytes six times the hash itself. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/hmac.h>
#include <openssl/sha.h>
#else
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#endif

void sha256_of(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
#if defined(MC_SHA256_BY_OPENSSL)
    SHA256_CTX context;

    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, bytes, size);
    (void)SHA256_Final(ret_digest, &context);
#elif MBEDTLS_VERSION_NUMBER >= 0x03000000
    (void)mbedtls_sha256(bytes, size, ret_digest, 0);
#else
    (void)mbedtls_sha256_ret(bytes, size, ret_digest, 0);
#endif
}

void sha256_hmac(const void *key, size_t key_size, const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
#if defined(MC_SHA256_BY_OPENSSL)
    unsigned length = SHA256_SIZE;

    (void)HMAC(EVP_sha256(), key, (int)key_size, bytes, size, ret_digest, &length);
#else
    (void)mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_size, bytes, size, ret_digest);
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
