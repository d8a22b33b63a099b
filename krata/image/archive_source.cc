#include "krata/image/archive_source.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "common/file.h"
#include "krata/image/archive_index.h"
#include "krata/image/decompress.h"
#include "krata/image/json.h"
#include "krata/image/limits.h"
#include "krata/image/spool.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMagicBytes = 8;

Result<Fd> copy_of(const Fd& fd) {
  Fd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  return copy.valid() ? Result<Fd>(std::move(copy)) : Error::from_errno(errno, "open a file again");
}

Result<Blob> part_of(const Blob& whole, const Member& member) {
  KRAIT_TRY(auto fd, copy_of(whole.fd));
  return Blob{.fd = std::move(fd), .offset = whole.offset + member.offset, .size_bytes = member.size_bytes};
}

Result<bool> is_compressed(const Blob& blob) {
  std::array<char, kMagicBytes> start{};
  KRAIT_TRY(const auto got, BlobSource(blob).read(start));
  const std::string_view text(start.data(), got);
  return text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd");
}

// What `blob` holds, in a file without a name.
Result<Blob> unpacked(const Blob& blob, const std::string& scratch_folder) {
  KRAIT_TRY(auto fd, unnamed_file(scratch_folder));
  BlobSource outside(blob);
  const auto inside = decompressed(outside);
  const std::uint64_t most =
      std::min(limits::kLayerBytes, limits::kBombFreeBytes + limits::kBombRatio * blob.size_bytes);
  std::vector<char> room(std::size_t{256} << 10U);
  std::uint64_t bytes = 0;
  for (;;) {
    KRAIT_TRY(const auto got, inside->read(room));
    if (got == 0) {
      return Blob{.fd = std::move(fd), .offset = 0, .size_bytes = bytes};
    }
    if (bytes + got > most) {
      return Error(ErrorCode::limit, fmt::format("{} bytes unpack to more than {}", blob.size_bytes, most));
    }
    KRAIT_CHECK(common::write_all_at(fd.get(), bytes, {room.data(), got}, "the unpacked archive"));
    bytes += got;
  }
}

Result<Blob> plain(Blob blob, const std::string& scratch_folder) {
  KRAIT_TRY(const auto compressed, is_compressed(blob));
  return compressed ? unpacked(blob, scratch_folder) : Result<Blob>(std::move(blob));
}

Result<std::string> read_member(const Blob& archive, const ArchiveIndex& index, const std::string& path) {
  KRAIT_TRY(const auto member, index.find(path));
  if (member.size_bytes > limits::kDocumentBytes) {
    return Error(ErrorCode::limit, fmt::format("\"{}\" has {} bytes, more than {}", printable(path), member.size_bytes,
                                               limits::kDocumentBytes));
  }
  KRAIT_TRY(const auto blob, part_of(archive, member));
  std::string text(blob.size_bytes, '\0');
  BlobSource source(blob);
  for (std::size_t have = 0; have < text.size();) {
    KRAIT_TRY(const auto got, source.read({text.data() + have, text.size() - have}));
    have += got;
  }
  return text;
}

// What manifest.json says of its only image.
struct Saved {
  std::string config;
  std::vector<std::string> layers;
};

Result<Saved> parse_saved(std::string_view text) {
  KRAIT_TRY(const auto list, parse_array(text, "manifest.json"));
  if (list.size() != 1) {
    return refused("manifest.json has {} images, not one; save one image to a file", list.size());
  }
  const Json& image = list.front();
  const auto config = text_in(image, "Config");
  const Json& layers = member(image, "Layers");
  if (!config || (!layers.is_array() && !layers.is_null())) {
    return refused("manifest.json has no Config or no Layers");
  }
  if (layers.size() > limits::kLayers) {
    return Error(ErrorCode::limit, fmt::format("{} layers are more than {}", layers.size(), limits::kLayers));
  }
  Saved saved{.config = *config, .layers = {}};
  for (const Json& layer : layers) {
    if (!layer.is_string()) {
      return refused("manifest.json has a layer that is no path");
    }
    saved.layers.push_back(layer.get<std::string>());
  }
  return saved;
}

// Configurations are named by their digest: HEX.json, or blobs/sha256/HEX.
Result<void> check_config_name(const std::string& path, const ContentDigest& digest) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".json")) {
    name.resize(name.size() - 5);
  }
  const auto said = ContentDigest::parse("sha256:" + name);
  return said && *said != digest ? refused("the configuration \"{}\" is {}", printable(path), digest.text())
                                 : Result<void>();
}

Descriptor descriptor(const char* media_type, ContentDigest digest, std::uint64_t size_bytes) {
  Descriptor made;
  made.media_type = media_type;
  made.digest = std::move(digest);
  made.size_bytes = size_bytes;
  return made;
}

std::string descriptor_text(const Descriptor& one) {
  return fmt::format(R"({{"mediaType":"{}","size":{},"digest":"{}"}})", one.media_type, one.size_bytes,
                     one.digest.text());
}

// Byte for byte what skopeo makes, as the digest depends on it.
std::string manifest_text(const Descriptor& config, const std::vector<Descriptor>& layers) {
  std::string list;
  for (const Descriptor& layer : layers) {
    list += (list.empty() ? "" : ",") + descriptor_text(layer);
  }
  return fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})", kDockerManifest,
                     descriptor_text(config), list);
}

class ArchiveSource : public Source {
 public:
  static Result<std::unique_ptr<Source>> open(Blob archive, const std::string& scratch_folder) {
    auto made = std::unique_ptr<ArchiveSource>(new ArchiveSource(std::move(archive)));
    KRAIT_CHECK(made->read(scratch_folder));
    return made;
  }

  Result<std::vector<Descriptor>> root() override { return std::vector<Descriptor>{manifest_}; }

  Result<std::string> document(const Descriptor& wanted) override {
    if (wanted.digest == manifest_.digest) {
      return manifest_text_;
    }
    return wanted.digest == config_.digest ? Result<std::string>(config_text_)
                                           : refused("the archive has no {}", wanted.digest.text());
  }

  Result<std::vector<Blob>> layers(std::span<const Descriptor> descriptors, Progress& /*progress*/) override {
    std::vector<Blob> blobs;
    for (const Descriptor& wanted : descriptors) {
      const auto found = std::ranges::find(layers_, wanted.digest, &Descriptor::digest);
      if (found == layers_.end()) {
        return refused("the archive has no layer {}", wanted.digest.text());
      }
      const Blob& blob = blobs_[static_cast<std::size_t>(found - layers_.begin())];
      KRAIT_TRY(auto copy, part_of(blob, {.offset = 0, .size_bytes = blob.size_bytes}));
      blobs.push_back(std::move(copy));
    }
    return blobs;
  }

 private:
  explicit ArchiveSource(Blob archive) : archive_(std::move(archive)) {}

  Result<void> read(const std::string& scratch_folder) {
    BlobSource bytes(archive_);
    KRAIT_TRY(const auto index, ArchiveIndex::read(bytes));
    KRAIT_TRY(const auto saved_text, read_member(archive_, index, "manifest.json"));
    KRAIT_TRY(const auto saved, parse_saved(saved_text));
    KRAIT_TRY(auto config_text, read_member(archive_, index, saved.config));
    config_text_ = std::move(config_text);
    config_ = descriptor(kDockerConfig, ContentDigest::of(config_text_), config_text_.size());
    KRAIT_CHECK(check_config_name(saved.config, config_.digest));
    KRAIT_TRY(const auto config, parse_config(config_text_));
    KRAIT_CHECK(open_layers(index, saved, config, scratch_folder));
    manifest_text_ = manifest_text(config_, layers_);
    manifest_ = descriptor(kDockerManifest, ContentDigest::of(manifest_text_), manifest_text_.size());
    return {};
  }

  Result<Blob> layer_of(const ArchiveIndex& index, const std::string& path, const std::string& scratch_folder) {
    KRAIT_TRY(const auto member, index.find(path));
    KRAIT_TRY(auto part, part_of(archive_, member));
    return plain(std::move(part), scratch_folder);
  }

  Result<void> open_layers(const ArchiveIndex& index, const Saved& saved, const ImageConfig& config,
                           const std::string& scratch_folder) {
    if (saved.layers.size() != config.diff_ids.size()) {
      return refused("manifest.json has {} layers, the configuration diff_ids of {}", saved.layers.size(),
                     config.diff_ids.size());
    }
    for (std::size_t i = 0; i < saved.layers.size(); ++i) {
      KRAIT_TRY(auto layer, layer_of(index, saved.layers[i], scratch_folder), fmt::format("layer {}", i + 1));
      layers_.push_back(descriptor(kDockerLayer, config.diff_ids[i], layer.size_bytes));
      blobs_.push_back(std::move(layer));
    }
    return {};
  }

  Blob archive_;
  Descriptor manifest_;
  std::string manifest_text_;
  Descriptor config_;
  std::string config_text_;
  std::vector<Descriptor> layers_;
  std::vector<Blob> blobs_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_archive(const ArchiveName& name, const std::string& scratch_folder) {
  KRAIT_TRY(auto file, open_blob(name.file, "the archive"), printable(name.file));
  KRAIT_TRY(auto archive, plain(std::move(file), scratch_folder), printable(name.file));
  KRAIT_TRY(auto source, ArchiveSource::open(std::move(archive), scratch_folder), printable(name.file));
  return source;
}

}  // namespace krata::image
