/* md5.h - MD5, because LightRAG names its documents by it ("doc-" and the MD5 of the document name). For names only, never for secrets or proofs.
 *
 * By the library that makes the SHA-256 (base/sha256.h). */
#ifndef MC_BASE_MD5_H
#define MC_BASE_MD5_H

#include <stddef.h>
#include <stdint.h>

enum { MD5_SIZE = 16 };

void md5_of(const void *bytes, size_t size, uint8_t ret_digest[MD5_SIZE]);

#endif
