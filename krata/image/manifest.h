// What an image is made of: index, manifest and configuration (image-spec; Docker's "Image Manifest V 2, Schema 2" says
// the same by other media types). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "krata/image/content_digest.h"
#include "krata/image/platform.h"

namespace krata::image {

inline constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr const char* kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip";

// Content by its digest (image-spec, "Content Descriptors").
struct Descriptor {
  std::string media_type;
  ContentDigest digest;
  std::uint64_t size_bytes = 0;
  std::optional<Platform> platform = {};
  std::string ref_name = {};  // the annotation org.opencontainers.image.ref.name
};

struct Index {
  std::vector<Descriptor> manifests;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // lowest first; one may stand there twice
};

struct ImageConfig {
  Platform platform;                    // empty members where the document has none
  std::vector<ContentDigest> diff_ids;  // of the layers unpacked, lowest first
};

using Document = std::variant<Index, Manifest>;

// `media_type` is what the descriptor or the registry said that the text is; it may be empty. A text that says
// otherwise, or that is index and manifest at once, is refused: two readers would take it for two images. Errors:
// invalid_input, unsupported (an older schema, no container image, encrypted layers, layers that lie elsewhere).
common::Result<Document> parse_document(std::string_view text, std::string_view media_type);

// invalid_input.
common::Result<ImageConfig> parse_config(std::string_view text);

// The fittest for `platform`, the first of equals; one that does not say its platform comes last. Fails with
// unsupported, naming what there is.
common::Result<Descriptor> choose(std::span<const Descriptor> offered, const Platform& platform);

}  // namespace krata::image
