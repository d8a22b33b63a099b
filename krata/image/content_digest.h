// Digests of content, which name it (image-spec, "Digests"): sha256 and sha512.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

struct evp_md_ctx_st;

namespace krata::image {

enum class DigestAlgorithm : std::uint8_t { sha256, sha512 };

// "sha256:" and 64 lower-case hexadecimal digits, or "sha512:" and 128: fit to be a file's name.
struct ContentDigest {
  DigestAlgorithm algorithm = DigestAlgorithm::sha256;
  std::string hex;

  // Fails with invalid_input; other algorithms of the registry of the specification do not exist in practice.
  static common::Result<ContentDigest> parse(std::string_view text);
  static ContentDigest of(std::string_view content);  // sha256

  [[nodiscard]] std::string_view algorithm_name() const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string short_text() const;  // enough to tell apart by eye

  auto operator<=>(const ContentDigest&) const = default;
};

// The digest of content that comes in pieces. Move-only; not thread-safe.
class ContentHasher {
 public:
  explicit ContentHasher(DigestAlgorithm algorithm = DigestAlgorithm::sha256);

  void add(std::string_view piece);
  [[nodiscard]] ContentDigest digest() const;  // of everything so far

 private:
  struct Closer {
    void operator()(evp_md_ctx_st* context) const;
  };
  DigestAlgorithm algorithm_;
  std::unique_ptr<evp_md_ctx_st, Closer> context_;
};

}  // namespace krata::image
