#include "krata/image/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/file.h"
#include "krata/image/limits.h"
#include "krata/image/store_files.h"
#include "krata/image/stored_source.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMark = "1\n";
constexpr std::size_t kMaxNameFileBytes = 4096;
constexpr std::int64_t kNsPerS = 1000000000;
constexpr mode_t kBlobMode = 0444;

Result<std::uint64_t> size_of(const Fd& fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(errno, "stat a blob");
  }
  return static_cast<std::uint64_t>(status.st_size);
}

// Reads and hashes so many bytes of a blob.
Result<PartialBlob> hashed(Fd fd, const Descriptor& descriptor, std::uint64_t have) {
  ContentHasher hasher(descriptor.digest.algorithm);
  Blob blob{.fd = std::move(fd), .offset = 0, .size_bytes = have};
  BlobSource source(blob);
  std::vector<char> room(std::size_t{256} << 10U);
  for (;;) {
    KRAIT_TRY(const auto got, source.read(room));
    if (got == 0) {
      return PartialBlob(std::move(blob.fd), descriptor, std::move(hasher), have);
    }
    hasher.add({room.data(), got});
  }
}

// What an earlier process left of a blob.
Result<PartialBlob> resume(Fd fd, const Descriptor& descriptor) {
  KRAIT_TRY(std::uint64_t have, size_of(fd));
  if (have > descriptor.size_bytes) {
    have = 0;
    if (::ftruncate(fd.get(), 0) != 0) {
      return Error::from_errno(errno, "empty a partial blob");
    }
  }
  return hashed(std::move(fd), descriptor, have);
}

Result<bool> is_whole(Fd fd, const Descriptor& descriptor) {
  KRAIT_TRY(const std::uint64_t have, size_of(fd));
  if (have != descriptor.size_bytes) {
    return false;
  }
  KRAIT_TRY(const auto blob, hashed(std::move(fd), descriptor, have));
  return blob.verify().has_value();
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& folder) {
  std::error_code error;
  const std::string mark = folder + "/krata-images";
  if (fs::exists(folder, error) && !fs::is_empty(folder, error) && !fs::exists(mark, error) &&
      !fs::exists(folder + "/lock", error)) {
    return refused("{} is no store of images, and not empty", folder);
  }
  // The lock before all else: another process that begins the store at this moment knows by it whose folder this is.
  KRAIT_CHECK(make_folders(folder));
  Fd lock(::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.valid()) {
    return Error::from_errno(errno, fmt::format("open {}/lock", folder));
  }
  for (const char* part : {"/blobs/sha256", "/blobs/sha512", "/partial", "/names"}) {
    KRAIT_CHECK(make_folders(folder + part));
  }
  KRAIT_CHECK(lock_file(lock.get(), LOCK_SH, "lock the store"));
  const auto version = common::read_file(mark, kMaxNameFileBytes);
  if (version && *version != kMark) {
    return Error(ErrorCode::unsupported, fmt::format("{} is a store of another version of krata", folder));
  }
  if (!version) {
    KRAIT_CHECK(common::write_file(mark, kMark, 0644));
  }
  return std::unique_ptr<Store>(new Store(folder, std::move(lock)));
}

std::string Store::blob_path(const ContentDigest& digest) const {
  return fmt::format("{}/blobs/{}/{}", folder_, digest.algorithm_name(), digest.hex);
}

std::string Store::partial_path(const ContentDigest& digest) const {
  return fmt::format("{}/partial/{}-{}", folder_, digest.algorithm_name(), digest.hex);
}

std::string Store::name_path(const std::string& name) const {
  return fmt::format("{}/names/{}.json", folder_, ContentDigest::of(name).hex);
}

Result<std::optional<Blob>> Store::find(const Descriptor& descriptor) {
  const std::string path = blob_path(descriptor.digest);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    return errno == ENOENT ? Result<std::optional<Blob>>(std::nullopt)
                           : Error::from_errno(errno, fmt::format("open {}", path));
  }
  KRAIT_TRY(const std::uint64_t have, size_of(fd), path);
  if (have != descriptor.size_bytes) {
    return refused("{} has {} bytes in the store, not the {} that it is said to have; pull the image again",
                   descriptor.digest.short_text(), have, descriptor.size_bytes);
  }
  return std::optional(Blob{.fd = std::move(fd), .offset = 0, .size_bytes = descriptor.size_bytes});
}

Result<PartialBlob> Store::begin(const Descriptor& descriptor) {
  const std::string path = partial_path(descriptor.digest);
  for (;;) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) {
      return Error::from_errno(errno, fmt::format("create {}", path));
    }
    KRAIT_CHECK(lock_file(fd.get(), LOCK_EX, "wait for another krata that fetches the same"));
    // Who had it before us may have finished it: then its name is another file's, or nobody's.
    struct stat ours{};
    struct stat named{};
    const bool is_named = ::fstat(fd.get(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 &&
                          ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
    if (!is_named) {
      continue;
    }
    KRAIT_TRY(auto there, find(descriptor));
    if (there) {
      ::unlink(path.c_str());  // nobody will need it: who asks finds the whole one
    }
    return resume(std::move(fd), descriptor);
  }
}

Result<Blob> Store::keep(PartialBlob partial) {
  const ContentDigest& digest = partial.descriptor().digest;
  const std::string from = partial_path(digest);
  const std::string to = blob_path(digest);
  if (auto good = partial.verify(); !good) {
    ::unlink(from.c_str());
    return good.error();
  }
  if (::fchmod(partial.fd(), kBlobMode) != 0 || ::fsync(partial.fd()) != 0) {
    return Error::from_errno(errno, fmt::format("sync {}", from));
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return Error::from_errno(errno, fmt::format("rename {} to {}", from, to));
  }
  KRAIT_CHECK(sync_folder_of(to));
  KRAIT_TRY(auto kept, find(partial.descriptor()));
  return kept ? Result<Blob>(std::move(*kept)) : Error(ErrorCode::system, fmt::format("{} is gone", to));
}

Result<void> Store::keep_text(const Descriptor& descriptor, std::string_view text) {
  KRAIT_TRY(auto there, find(descriptor));
  if (there) {
    return {};
  }
  KRAIT_TRY(auto partial, begin(descriptor));
  KRAIT_TRY(there, find(descriptor));
  if (there) {
    return {};
  }
  KRAIT_CHECK(partial.restart());
  KRAIT_CHECK(partial.put(text));
  KRAIT_CHECK(keep(std::move(partial)));
  return {};
}

Result<void> Store::copy(const Blob& from, const Descriptor& descriptor) {
  KRAIT_TRY(auto there, find(descriptor));
  if (there) {
    return {};
  }
  KRAIT_TRY(auto partial, begin(descriptor));
  KRAIT_TRY(there, find(descriptor));
  if (there) {
    return {};
  }
  KRAIT_CHECK(partial.restart());
  BlobSource source(from);
  std::vector<char> room(std::size_t{256} << 10U);
  for (;;) {
    KRAIT_TRY(const auto got, source.read(room));
    if (got == 0) {
      break;
    }
    KRAIT_CHECK(partial.put({room.data(), got}));
  }
  KRAIT_CHECK(keep(std::move(partial)));
  return {};
}

// Who reads one of them at this moment has its file, and finds out.
Result<void> Store::remove_damaged(const std::vector<Descriptor>& descriptors, Progress& progress) {
  for (const Descriptor& descriptor : descriptors) {
    const std::string path = blob_path(descriptor.digest);
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) {
      continue;  // find() says why, where it is there
    }
    KRAIT_TRY(const bool good, is_whole(std::move(fd), descriptor), path);
    if (good) {
      continue;
    }
    progress.begun(fmt::format("{} is damaged in the store: fetched anew", descriptor.digest.short_text()));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error::from_errno(errno, fmt::format("remove {}", path));
    }
  }
  return {};
}

Result<void> Store::keep_layers(Source& source, const std::vector<Descriptor>& layers, Progress& progress) {
  KRAIT_TRY(const auto blobs, source.layers(layers, progress));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    KRAIT_CHECK(copy(blobs[i], layers[i]), fmt::format("layer {} of {}", i + 1, layers.size()));
  }
  return {};
}

Result<StoredImage> Store::bring(Source& source, const std::string& name, const Platform& platform,
                                 Progress& progress) {
  KRAIT_TRY(const auto resolved, resolve_image(source, platform));
  std::vector<Descriptor> all = resolved.manifest.layers;
  all.insert(all.end(), {resolved.manifest.config, resolved.manifest_descriptor});
  KRAIT_CHECK(remove_damaged(all, progress));
  KRAIT_CHECK(keep_layers(source, resolved.manifest.layers, progress));
  for (const auto& [descriptor, text] : {std::pair(&resolved.manifest.config, &resolved.config_text),
                                         std::pair(&resolved.manifest_descriptor, &resolved.manifest_text)}) {
    KRAIT_CHECK(keep_text(*descriptor, *text));
  }
  StoredImage image{.name = name,
                    .platform = platform,
                    .manifest = resolved.manifest_descriptor,
                    .stored_s = common::now().unix_ns / kNsPerS};
  const std::string path = name_path(name);
  KRAIT_CHECK(common::write_file(path, stored_text(image), 0644));
  KRAIT_CHECK(sync_folder_of(path));
  return image;
}

Result<std::vector<StoredImage>> Store::list() {
  KRAIT_TRY(const auto files, files_in(folder_ + "/names"));
  std::vector<StoredImage> images;
  for (const std::string& file : files) {
    if (!file.ends_with(".json")) {
      continue;  // being written
    }
    const std::string path = folder_ + "/names/" + file;
    const auto text = common::read_file(path, kMaxNameFileBytes);
    if (!text && text.error().code() == ErrorCode::not_found) {
      continue;  // removed meanwhile
    }
    KRAIT_TRY(auto image, text ? parse_stored(*text, path) : text.error());
    images.push_back(std::move(image));
  }
  std::ranges::sort(images, {}, &StoredImage::name);
  return images;
}

Result<StoredImage> Store::image(const std::string& name) {
  const std::string path = name_path(name);
  const auto text = common::read_file(path, kMaxNameFileBytes);
  if (!text) {
    return text.error().code() == ErrorCode::not_found
               ? Error(ErrorCode::not_found, fmt::format("there is no image {}; see krata image list", name))
               : text.error();
  }
  return parse_stored(*text, path);
}

Result<Resolved> Store::resolve(const StoredImage& image) {
  StoredSource source(*this, image.manifest);
  return resolve_image(source, image.platform);
}

Result<void> Store::remove(const std::string& name) {
  if (::unlink(name_path(name).c_str()) == 0) {
    return sync_folder_of(name_path(name));
  }
  return errno == ENOENT ? Error(ErrorCode::not_found, fmt::format("there is no image {}; see krata image list", name))
                         : Error::from_errno(errno, fmt::format("remove {}", name));
}

Result<std::vector<std::string>> Store::needed_blobs() {
  KRAIT_TRY(const auto images, list());
  std::vector<std::string> paths;
  for (const StoredImage& image : images) {
    KRAIT_TRY(auto resolved, resolve(image), image.name);
    paths.push_back(blob_path(image.manifest.digest));
    paths.push_back(blob_path(resolved.manifest.config.digest));
    for (const Descriptor& layer : resolved.manifest.layers) {
      paths.push_back(blob_path(layer.digest));
    }
  }
  return paths;
}

Result<Pruned> Store::prune() {
  KRAIT_CHECK(lock_file(lock_.get(), LOCK_EX | LOCK_NB, "another krata uses the store; try again when it is done"));
  KRAIT_TRY(const auto needed, needed_blobs());
  const std::set<std::string> kept(needed.begin(), needed.end());
  Pruned pruned;
  for (const char* part : {"/blobs/sha256/", "/blobs/sha512/", "/partial/"}) {
    KRAIT_TRY(const auto files, files_in(folder_ + part));
    for (const std::string& file : files) {
      const std::string path = folder_ + part + file;
      struct stat status{};
      if (kept.contains(path) || ::stat(path.c_str(), &status) != 0) {
        continue;
      }
      if (::unlink(path.c_str()) != 0) {
        return Error::from_errno(errno, fmt::format("remove {}", path));
      }
      ++pruned.blobs;
      pruned.freed_bytes += static_cast<std::uint64_t>(status.st_size);
    }
  }
  return pruned;
}

}  // namespace krata::image
