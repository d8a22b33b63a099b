#include "krata/image/keeper.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/file.h"
#include "krata/image/spool.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::Result;

PartialBlob::PartialBlob(common::Fd fd, const Descriptor& descriptor, ContentHasher hasher, std::uint64_t have_bytes)
    : fd_(std::move(fd)), descriptor_(descriptor), hasher_(std::move(hasher)), have_bytes_(have_bytes) {}

Result<void> PartialBlob::put(std::string_view piece) {
  if (piece.size() > descriptor_.size_bytes - have_bytes_) {
    return refused("{} has more than the {} bytes that it is said to have", descriptor_.digest.short_text(),
                   descriptor_.size_bytes);
  }
  KRAIT_CHECK(common::write_all_at(fd_.get(), have_bytes_, piece, descriptor_.digest.short_text()));
  hasher_.add(piece);
  have_bytes_ += piece.size();
  return {};
}

Result<void> PartialBlob::restart() {
  hasher_ = ContentHasher(descriptor_.digest.algorithm);
  have_bytes_ = 0;
  return ::ftruncate(fd_.get(), 0) == 0 ? Result<void>() : Error::from_errno(errno, "empty a file");
}

Result<void> PartialBlob::verify() const {
  if (have_bytes_ != descriptor_.size_bytes) {
    return refused("{} has {} bytes, not the {} that it is said to have", descriptor_.digest.short_text(), have_bytes_,
                   descriptor_.size_bytes);
  }
  const ContentDigest found = hasher_.digest();
  return found == descriptor_.digest ? Result<void>()
                                     : refused("what is said to be {} is {}", descriptor_.digest.text(), found.text());
}

Result<std::optional<Blob>> ScratchKeeper::find(const Descriptor& /*descriptor*/) { return std::optional<Blob>(); }

Result<PartialBlob> ScratchKeeper::begin(const Descriptor& descriptor) {
  KRAIT_TRY(auto fd, unnamed_file(folder_));
  return PartialBlob(std::move(fd), descriptor, ContentHasher(descriptor.digest.algorithm), 0);
}

Result<Blob> ScratchKeeper::keep(PartialBlob partial) {
  KRAIT_CHECK(partial.verify());
  return Blob{.fd = partial.take_fd(), .offset = 0, .size_bytes = partial.descriptor().size_bytes};
}

}  // namespace krata::image
