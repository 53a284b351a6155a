#include "base/md5.h"

#ifdef MC_SHA256_BY_OPENSSL
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#else
#include <mbedtls/md5.h>
#include <mbedtls/version.h>
#endif

void md5_of(const void *bytes, size_t size, uint8_t ret_digest[MD5_SIZE])
{
#if defined(MC_SHA256_BY_OPENSSL)
    MD5_CTX context;

    (void)MD5_Init(&context);
    (void)MD5_Update(&context, bytes, size);
    (void)MD5_Final(ret_digest, &context);
#elif MBEDTLS_VERSION_NUMBER >= 0x03000000
    (void)mbedtls_md5(bytes, size, ret_digest);
#else
    (void)mbedtls_md5_ret(bytes, size, ret_digest);
#endif
}
