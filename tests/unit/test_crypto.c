#include "common/base/crypto.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/siphash.h"
#include "common/base/text.h"
#include "tests/unit/unit.h"

static void
assert_hex(const void *data, size_t len, const char *expected)
{
	struct buf hex;

	buf_init(&hex, 0);
	text_hex(data, len, &hex);
	assert_string_equal(hex.data, expected);
	buf_clear(&hex);
}

/* FIPS 180-4 examples. */
TEST(digests_are_the_published_ones)
{
	unsigned char out[32];

	crypto_sha1("abc", 3, out);
	assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	crypto_sha1("", 0, out);
	assert_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	crypto_sha256("abc", 3, out);
	assert_hex(out, 32,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231 §4.3. */
TEST(hmac_is_the_published_one)
{
	const char *data = "what do ya want for nothing?";
	unsigned char out[32];

	crypto_hmac_sha256("Jefe", 4, data, strlen(data), out);
	assert_hex(out, 32,
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843");
	crypto_hmac_sha256(NULL, 0, "", 0, out);
	assert_hex(out, 32,
	    "b613679a0814d9ec772f95d778c35fc5"
	    "ff1697c493715653c6c712144292c5ad");
}

/* The key and messages of the authors' vectors (00 01 02 …), results of
 * OpenSSL's SIPHASH MAC with c-rounds 1 and d-rounds 3. */
static const struct {
	size_t len;
	const char *hash, *hash128;
} siphash_vectors[] = {
	{ 0, "dcc40f055801acab", "e77ebcb22788a5befd62db6add303001" },
	{ 1, "93ca577df39bf4c9", "fc6f370460d3eda85e0573cc2b2ff063" },
	{ 2, "4dd4c74d029bcb82", "75787f090569839b855bc9548c6aea95" },
	{ 3, "fbf7dde7b80af88b", "6bc5ccfa1edcf79f4823187712ebd743" },
	{ 4, "2883d388605775cf", "0c784e71ac2b285a9f8e92e78fbf2c25" },
	{ 5, "673b53492fd5f9de", "f328db89345b620c795229a42695843e" },
	{ 6, "a7229fc5502b0dc5", "dcd03d29f743e7100951b0e83985a6f8" },
	{ 7, "4011b19b987d92d3", "1084b923f2aae0c3a62f2ec80848ab77" },
	{ 8, "8e9a298d11959036", "aa12fee1d5e3dab4724f16ab35f9c799" },
	{ 15, "5699512a6dd820d3", "c17e5505b2bd526c2921cdec1e7e0109" },
	{ 16, "668b907d1add4fcc", "d0a8d95715518eebb513b0f83d9e1793" },
	{ 63, "a8b3bbb76290199d", "4c5800e34efe426f079f6b0aa75260ad" },
};

TEST(siphash_is_the_published_one_at_each_length)
{
	const uint64_t key[2] = { UINT64_C(0x0706050403020100),
		UINT64_C(0x0f0e0d0c0b0a0908) };
	uint64_t hash, hash128[2];
	char bytes[64], *message;
	size_t i, len;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (i = 0; i < ARRAY_LEN(siphash_vectors); i++) {
		len = siphash_vectors[i].len;
		message = unit_guard(bytes, len);
		hash = siphash13(key, message, len);
		siphash13_128(key, message, len, hash128);
		unit_unguard(message, len);
		assert_hex(&hash, 8, siphash_vectors[i].hash);
		assert_hex(hash128, 16, siphash_vectors[i].hash128);
	}
}

TEST(the_hash_of_the_process_is_keyed)
{
	const uint64_t no_key[2] = { 0, 0 };
	uint64_t hash[2];

	assert_true(crypto_siphash("x", 1) == crypto_siphash("x", 1));
	assert_true(crypto_siphash("x", 1) != crypto_siphash("y", 1));
	assert_true(crypto_siphash("x", 1) != siphash13(no_key, "x", 1));
	crypto_siphash128("x", 1, hash);
	assert_true(hash[0] != hash[1]);
}

TEST(random_fills_the_length_and_no_more)
{
	static unsigned char a[5000], b[5000];
	size_t i, same = 0;

	a[4999] = b[4999] = 7;
	crypto_random(a, 4999);
	crypto_random(b, 4999);
	assert_int_equal(a[4999], 7);
	for (i = 0; i < 4999; i++)
		same += a[i] == b[i];
	/* About 20; a stretch left at zero would add its length. */
	assert_true(same < 200);
}

TEST(equal_needs_the_same_length_and_bytes)
{
	assert_true(crypto_equal("abc", 3, "abc", 3));
	assert_true(crypto_equal("", 0, "", 0));
	assert_false(crypto_equal("abc", 3, "abd", 3));
	assert_false(crypto_equal("abc", 3, "abc", 2));
}

struct entry {
	char name[16];
	UT_hash_handle hh;
};

TEST(a_map_finds_what_it_holds_and_allows_removal_on_the_way)
{
	struct entry *entries = NULL, *entry, *next;
	int i;

	for (i = 0; i < 500; i++) {
		entry = xcalloc(1, sizeof(*entry));
		snprintf(entry->name, sizeof(entry->name), "name%d", i);
		HASH_ADD_STR(entries, name, entry);
	}
	HASH_FIND_STR(entries, "name333", entry);
	assert_non_null(entry);
	assert_true(entry->hh.hashv == (unsigned)crypto_siphash("name333", 7));
	HASH_FIND_STR(entries, "name500", entry);
	assert_null(entry);
	MAP_FOREACH(entry, next, entries) {
		HASH_DEL(entries, entry);
		free(entry);
	}
	assert_null(entries);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_published_ones),
		cmocka_unit_test(hmac_is_the_published_one),
		cmocka_unit_test(siphash_is_the_published_one_at_each_length),
		cmocka_unit_test(the_hash_of_the_process_is_keyed),
		cmocka_unit_test(random_fills_the_length_and_no_more),
		cmocka_unit_test(equal_needs_the_same_length_and_bytes),
		cmocka_unit_test(
		    a_map_finds_what_it_holds_and_allows_removal_on_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
