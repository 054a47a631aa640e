/*
 * SipHash-1-3 (Aumasson and Bernstein, 2012) with a 64-bit result, or with the
 * 128-bit one of the authors' reference.  Pure; crypto.h has the process's key.
 */
#ifndef WAFT_SIPHASH_H
#define WAFT_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash13(const uint64_t key[2], const void *data, size_t len);
void siphash13_128(const uint64_t key[2], const void *data, size_t len,
    uint64_t out[2]);

#endif
