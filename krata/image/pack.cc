#include "krata/image/pack.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "common/file.h"
#include "common/memory.h"
#include "krata/image/erofs.h"
#include "krata/image/new_file.h"
#include "krata/image/squashfs.h"
#include "krata/image/unpack.h"

namespace krata::image {

using common::Error;
using common::Result;

namespace {

// squashfs, unless it cannot hold the tree and nobody insists on it.
Result<Format> format_for(const Tree& tree, std::optional<Format> wanted) {
  if (wanted == Format::erofs) {
    return Format::erofs;
  }
  if (auto held = check_squashfs(tree); !held) {
    return wanted ? Result<Format>(std::move(held.error())) : Format::erofs;
  }
  return Format::squashfs;
}

Result<Packed> pack_now(Source& source, const PackOptions& options, Progress& progress) {
  KRAIT_TRY(auto file, NewFile::create(options.file));
  KRAIT_TRY(auto image, resolve_image(source, options.platform));
  KRAIT_TRY(auto layers, source.layers(image.manifest.layers, progress));
  KRAIT_TRY(const auto unpacked, unpack(image, std::move(layers), common::directory_of(options.file), progress));
  progress.begun(fmt::format("write {}", options.file));
  KRAIT_TRY(const Format format, format_for(unpacked.tree, options.format));
  const auto write = format == Format::squashfs ? write_squashfs : write_erofs;
  KRAIT_CHECK(write(unpacked.tree, unpacked.spool, file.fd()));
  struct stat status{};
  if (::fstat(file.fd(), &status) != 0) {
    return Error::from_errno(errno, fmt::format("stat {}", options.file));
  }
  KRAIT_CHECK(file.publish());
  return Packed{.digest = std::move(image.manifest_descriptor.digest),
                .format = format,
                .file_bytes = static_cast<std::uint64_t>(status.st_size),
                .config_text = std::move(image.config_text)};
}

}  // namespace

std::string_view format_name(Format format) { return format == Format::squashfs ? "squashfs" : "erofs"; }

Result<Packed> pack(Source& source, const PackOptions& options, Progress& progress) {
  return common::within_memory([&] { return pack_now(source, options, progress); });
}

}  // namespace krata::image
