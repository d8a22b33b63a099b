// A key that two hosts share although neither ever sent it: each computes it of its own Ed25519 key and of the other's
// public one (docs/signed_state.md). It is BLAKE2b with 32 bytes, of the network and both public keys, the lower one
// first, keyed with X25519 (RFC 7748) of the two as the birationally equivalent keys of RFC 7748 section 4.1.
#pragma once

#include <optional>

#include "krait/crypto/hash.h"
#include "krait/crypto/secret.h"
#include "krait/crypto/sign.h"

namespace krait::crypto {

// What a host needs for that, of its signing key: the key's scalar. Whoever has that can sign as
// the host too, for a signature needs no more.
Secret pair_secret(const SigningKey& key);
bool is_pair_secret(const Secret& secret, const VerifyKey& of);

struct Pair {
  VerifyKey own;
  VerifyKey other;
  Hash network{};
};

// The same at both ends, another one for each pair and each network. Nothing where `other` is no key of Ed25519, of
// small order or outside of the main subgroup, or is this host's own. `secret`: pair_secret() of `own`.
std::optional<Secret> pair_key(const Secret& secret, const Pair& pair);

}  // namespace krait::crypto
