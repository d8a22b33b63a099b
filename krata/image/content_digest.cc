#include "krata/image/content_digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <new>

#include "krata/image/text.h"

namespace krata::image {

namespace {

struct Known {
  std::string_view prefix;
  DigestAlgorithm algorithm;
  std::size_t hex_digits;
};
constexpr std::array kKnown{Known{"sha256:", DigestAlgorithm::sha256, 64},
                            Known{"sha512:", DigestAlgorithm::sha512, 128}};

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

common::Result<ContentDigest> ContentDigest::parse(std::string_view text) {
  for (const Known& known : kKnown) {
    if (text.starts_with(known.prefix)) {
      const std::string_view hex = text.substr(known.prefix.size());
      if (hex.size() == known.hex_digits && std::ranges::all_of(hex, is_hex_digit)) {
        return ContentDigest{.algorithm = known.algorithm, .hex = std::string(hex)};
      }
    }
  }
  return refused("\"{}\" is no digest; one is sha256: and 64 digits, or sha512: and 128", printable(text));
}

ContentDigest ContentDigest::of(std::string_view content) {
  ContentHasher hasher;
  hasher.add(content);
  return hasher.digest();
}

std::string_view ContentDigest::algorithm_name() const {
  return algorithm == DigestAlgorithm::sha256 ? "sha256" : "sha512";
}

std::string ContentDigest::text() const { return fmt::format("{}:{}", algorithm_name(), hex); }

std::string ContentDigest::short_text() const { return fmt::format("{}:{}", algorithm_name(), hex.substr(0, 12)); }

void ContentHasher::Closer::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

ContentHasher::ContentHasher(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  const EVP_MD* md = algorithm == DigestAlgorithm::sha256 ? EVP_sha256() : EVP_sha512();
  if (!context_ || EVP_DigestInit_ex(context_.get(), md, nullptr) != 1) {
    throw std::bad_alloc();
  }
}

void ContentHasher::add(std::string_view piece) { EVP_DigestUpdate(context_.get(), piece.data(), piece.size()); }

ContentDigest ContentHasher::digest() const {
  const std::unique_ptr<evp_md_ctx_st, Closer> copy(EVP_MD_CTX_new());
  if (!copy || EVP_MD_CTX_copy_ex(copy.get(), context_.get()) != 1) {
    throw std::bad_alloc();
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_DigestFinal_ex(copy.get(), bytes.data(), &size);
  ContentDigest digest{.algorithm = algorithm_, .hex = {}};
  for (unsigned i = 0; i < size; ++i) {
    digest.hex += fmt::format("{:02x}", bytes.at(i));
  }
  return digest;
}

}  // namespace krata::image
