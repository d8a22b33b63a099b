// Where downloads go: the port between what fetches layers and what keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"
#include "krata/image/blob.h"
#include "krata/image/manifest.h"

namespace krata::image {

// A blob that is on its way: what came so far lies in a file, and is hashed. Move-only; for one thread.
class PartialBlob {
 public:
  // Takes over `fd`, of which `have_bytes` are there and went into `hasher`.
  PartialBlob(common::Fd fd, const Descriptor& descriptor, ContentHasher hasher, std::uint64_t have_bytes);

  [[nodiscard]] std::uint64_t have_bytes() const { return have_bytes_; }
  [[nodiscard]] const Descriptor& descriptor() const { return descriptor_; }
  // Errors: invalid_input (more bytes than the descriptor says), system.
  common::Result<void> put(std::string_view piece);
  common::Result<void> restart();  // all that came is forgotten
  // Whether everything came, and is what the descriptor says. Errors: invalid_input.
  [[nodiscard]] common::Result<void> verify() const;
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] common::Fd take_fd() { return std::move(fd_); }

 private:
  common::Fd fd_;
  Descriptor descriptor_;
  ContentHasher hasher_;
  std::uint64_t have_bytes_ = 0;
};

// Thread-safe.
class Keeper {
 public:
  virtual ~Keeper() = default;
  // A blob that is there and whole.
  virtual common::Result<std::optional<Blob>> find(const Descriptor& descriptor) = 0;
  // One that is to come; it may have come in part before. Blocks while another process fetches the same.
  virtual common::Result<PartialBlob> begin(const Descriptor& descriptor) = 0;
  // Verifies and keeps it. What fails to verify is forgotten.
  virtual common::Result<Blob> keep(PartialBlob partial) = 0;
};

// Keeps each in a file without a name in `folder`, for as long as the blob that it gives.
class ScratchKeeper : public Keeper {
 public:
  explicit ScratchKeeper(std::string folder) : folder_(std::move(folder)) {}
  common::Result<std::optional<Blob>> find(const Descriptor& descriptor) override;
  common::Result<PartialBlob> begin(const Descriptor& descriptor) override;
  common::Result<Blob> keep(PartialBlob partial) override;

 private:
  std::string folder_;
};

}  // namespace krata::image
