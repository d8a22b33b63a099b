#include "krait/wire/key_pair.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "krait/wire/openssl.h"

namespace krait::wire {

using common::Error;
using common::ErrorCode;
using common::Result;

void Freer::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void Freer::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void Freer::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }
void Freer::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void Freer::operator()(x509_st* certificate) const { X509_free(certificate); }

Error openssl_error(std::string_view what) {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return {ErrorCode::system, code == 0 ? std::string(what) : fmt::format("{}: {}", what, text.data())};
}

namespace {

struct BioFreer {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using OwnedBio = std::unique_ptr<BIO, BioFreer>;

// RFC 5280 4.1.2.5: no well-defined end. Nobody looks at it.
constexpr const char* kNoEnd = "99991231235959Z";
constexpr const char* kBegin = "20200101000000Z";

bool is_ed25519(const EVP_PKEY& key) { return EVP_PKEY_is_a(&key, "ED25519") == 1; }

bool is_p256(const EVP_PKEY& key) {
  std::array<char, 32> group{};
  return EVP_PKEY_get_utf8_string_param(&key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), nullptr) == 1 &&
         std::string_view(group.data()) == "prime256v1";
}

bool describe(X509& certificate, EVP_PKEY& key) {
  X509_NAME* name = X509_get_subject_name(&certificate);
  return X509_set_version(&certificate, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set(X509_get_serialNumber(&certificate), 1) == 1 &&
         ASN1_TIME_set_string(X509_getm_notBefore(&certificate), kBegin) == 1 &&
         ASN1_TIME_set_string(X509_getm_notAfter(&certificate), kNoEnd) == 1 &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("krait"), -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(&certificate, name) == 1 && X509_set_pubkey(&certificate, &key) == 1 &&
         X509_sign(&certificate, &key, is_ed25519(key) ? nullptr : EVP_sha256()) > 0;
}

Result<KeyPair> contained(EVP_PKEY* key) {
  const Owned<x509_st> certificate(X509_new());
  if (key == nullptr || !certificate || !describe(*certificate, *key)) {
    return openssl_error("make a key");
  }
  const OwnedBio out(BIO_new(BIO_s_secmem()));
  if (!out || PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_X509(out.get(), certificate.get()) != 1) {
    return openssl_error("write a key");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  KRAIT_TRY(const auto hash, hash_of_key(*certificate));
  return KeyPair{std::string(text, static_cast<std::size_t>(size)), hash};
}

}  // namespace

std::string hash_text(const KeyHash& hash) { return fmt::format("{:02x}", fmt::join(hash, "")); }

std::optional<KeyHash> parse_hash(std::string_view text) {
  KeyHash hash{};
  if (text.size() != hash.size() * 2) {
    return std::nullopt;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    hash[i / 2] = static_cast<std::uint8_t>(std::size_t{hash[i / 2]} * 16 + digit);
  }
  return hash;
}

KeyHash hash_of(std::string_view bytes) {
  KeyHash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  return hash;
}

Result<KeyPair> make_key_pair() {
  const Owned<evp_pkey_st> key(EVP_EC_gen("P-256"));
  return contained(key.get());
}

Result<KeyPair> key_pair_of(std::span<const std::uint8_t, 32> seed) {
  const Owned<evp_pkey_st> key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  return contained(key.get());
}

KeyHash hash_of_ed25519(std::span<const std::uint8_t, 32> public_key) {
  // RFC 8410 section 4: what comes before the key in its SubjectPublicKeyInfo.
  constexpr std::array<unsigned char, 12> kHead{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
  std::string der(reinterpret_cast<const char*>(kHead.data()), kHead.size());
  der.append(reinterpret_cast<const char*>(public_key.data()), public_key.size());
  return hash_of(der);
}

Result<KeyAndCertificate> read_pem(const std::string& pem) {
  const OwnedBio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyAndCertificate read;
  if (in) {
    read.key.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    read.certificate.reset(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  }
  if (!read.key || !read.certificate || X509_check_private_key(read.certificate.get(), read.key.get()) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::invalid_input, "there is no key with its certificate in it");
  }
  return read;
}

Result<KeyHash> hash_of_key(x509_st& certificate) {
  EVP_PKEY* key = X509_get0_pubkey(&certificate);
  if (key == nullptr || (!is_p256(*key) && !is_ed25519(*key))) {
    ERR_clear_error();
    return Error(ErrorCode::invalid_input, "a certificate whose key is neither of P-256 nor of Ed25519");
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) {
    return openssl_error("write a public key");
  }
  const KeyHash hash = hash_of({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return hash;
}

Result<KeyPair> parse_key_pair(const std::string& pem) {
  KRAIT_TRY(const auto read, read_pem(pem));
  KRAIT_TRY(const auto hash, hash_of_key(*read.certificate));
  return KeyPair{pem, hash};
}

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    return openssl_error("draw random bytes");
  }
  return bytes;
}

}  // namespace krait::wire
