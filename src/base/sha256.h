/* sha256.h - SHA-256 through OpenSSL's or mbedTLS's crypto library (meson.build chooses); no hand-written cryptography. */
#ifndef MC_BASE_SHA256_H
#define MC_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

void sha256_of(const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE]);
void sha256_hmac(const void *key, size_t key_size, const void *bytes, size_t size, uint8_t ret_digest[SHA256_SIZE]); /* RFC 2104 */
void sha256_hex(const uint8_t *digest, size_t digest_size, char *ret_hex); /* 2 * digest_size + 1 bytes, lower case */

#endif
