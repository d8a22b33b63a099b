// Owners of OpenSSL's objects; only for the sources of this folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krait/wire/key_pair.h"

struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_st;

namespace krait::wire {

struct Freer {
  void operator()(evp_pkey_st* key) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_session_st* session) const;
  void operator()(ssl_st* ssl) const;
  void operator()(x509_st* certificate) const;
};
template <typename T>
using Owned = std::unique_ptr<T, Freer>;

// What OpenSSL has to say about the last failure, which it forgets then.
common::Error openssl_error(std::string_view what);

struct KeyAndCertificate {
  Owned<evp_pkey_st> key;
  Owned<x509_st> certificate;
};
common::Result<KeyAndCertificate> read_pem(const std::string& pem);

// Fails with invalid_input for a key that is none of P-256.
common::Result<KeyHash> hash_of_key(x509_st& certificate);

}  // namespace krait::wire
