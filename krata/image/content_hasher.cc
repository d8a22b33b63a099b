// Apart from the digests' names, which are needed where nothing is hashed.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <new>

#include "krata/image/content_digest.h"

namespace krata::image {

ContentDigest ContentDigest::of(std::string_view content) {
  ContentHasher hasher;
  hasher.add(content);
  return hasher.digest();
}

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
