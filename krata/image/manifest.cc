#include "krata/image/manifest.h"

#include <algorithm>
#include <array>

#include "krata/image/json.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::array<std::string_view, 2> kIndexTypes{kOciIndex, kDockerList};
constexpr std::array<std::string_view, 2> kManifestTypes{kOciManifest, kDockerManifest};
constexpr std::array<std::string_view, 2> kConfigTypes{"application/vnd.oci.image.config.v1+json", kDockerConfig};
constexpr std::array<std::string_view, 6> kLayerTypes{"application/vnd.oci.image.layer.v1.tar",
                                                      "application/vnd.oci.image.layer.v1.tar+gzip",
                                                      "application/vnd.oci.image.layer.v1.tar+zstd",
                                                      "application/vnd.docker.image.rootfs.diff.tar",
                                                      "application/vnd.docker.image.rootfs.diff.tar.zstd",
                                                      kDockerLayer};

template <typename List>
bool is_in(const List& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

Error unsupported(std::string message) { return {ErrorCode::unsupported, std::move(message)}; }

std::optional<Platform> platform_in(const Json& json) {
  const Json& platform = member(json, "platform");
  if (!platform.is_object()) {
    return std::nullopt;
  }
  return Platform{.os = text_in(platform, "os").value_or(""),
                  .architecture = text_in(platform, "architecture").value_or(""),
                  .variant = text_in(platform, "variant").value_or("")};
}

Result<Descriptor> descriptor(const Json& json, std::string_view what, std::uint64_t max_bytes) {
  if (!json.is_object()) {
    return refused("{} is no descriptor", what);
  }
  const auto digest_text = text_in(json, "digest");
  const auto size = number_in(json, "size");
  if (!digest_text || !size) {
    return refused("{} has no digest or no size", what);
  }
  KRAIT_TRY(auto digest, ContentDigest::parse(*digest_text), std::string(what));
  if (*size > max_bytes) {
    return Error(ErrorCode::limit, fmt::format("{} has {} bytes, more than {}", what, *size, max_bytes));
  }
  return Descriptor{.media_type = text_in(json, "mediaType").value_or(""),
                    .digest = std::move(digest),
                    .size_bytes = *size,
                    .platform = platform_in(json),
                    .ref_name = text_in(member(json, "annotations"), "org.opencontainers.image.ref.name").value_or("")};
}

Result<std::vector<Descriptor>> descriptors(const Json& list, std::string_view what, std::size_t most,
                                            std::uint64_t max_bytes) {
  if (!list.is_array()) {
    return refused("{}s are no list", what);
  }
  if (list.size() > most) {
    return Error(ErrorCode::limit, fmt::format("{} {}s are more than {}", list.size(), what, most));
  }
  std::vector<Descriptor> found;
  for (std::size_t i = 0; i < list.size(); ++i) {
    KRAIT_TRY(auto one, descriptor(list[i], fmt::format("{} {}", what, i + 1), max_bytes));
    found.push_back(std::move(one));
  }
  return found;
}

Result<void> check_layer(const Descriptor& layer, std::size_t number) {
  if (is_in(kLayerTypes, layer.media_type)) {
    return {};
  }
  const std::string type = printable(layer.media_type);
  if (layer.media_type.ends_with("+encrypted")) {
    return unsupported(fmt::format("layer {} is encrypted ({})", number, type));
  }
  if (layer.media_type.contains("foreign") || layer.media_type.contains("nondistributable")) {
    return unsupported(
        fmt::format("layer {} lies elsewhere than the image ({}), and is not fetched from there", number, type));
  }
  return unsupported(fmt::format("layer {} is of a kind that is not known ({}); tar, gzip and zstd are", number, type));
}

Result<Document> manifest(const Json& json) {
  KRAIT_TRY(auto config, descriptor(member(json, "config"), "the configuration", limits::kDocumentBytes));
  if (!is_in(kConfigTypes, config.media_type)) {
    return unsupported(
        fmt::format("this is no container image: its configuration is {}", printable(config.media_type)));
  }
  KRAIT_TRY(auto layers, descriptors(member(json, "layers"), "layer", limits::kLayers, limits::kLayerBytes));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    KRAIT_CHECK(check_layer(layers[i], i + 1));
  }
  return Manifest{.config = std::move(config), .layers = std::move(layers)};
}

Result<Document> index(const Json& json) {
  KRAIT_TRY(auto manifests,
            descriptors(member(json, "manifests"), "manifest", limits::kIndexEntries, limits::kDocumentBytes));
  return Index{.manifests = std::move(manifests)};
}

// What the text is by its own word or its members; the kind that `media_type` says must be the same.
Result<std::string> kind_of(const Json& json, std::string_view media_type) {
  const std::string own = text_in(json, "mediaType").value_or("");
  if (!own.empty() && !media_type.empty() && own != media_type) {
    return refused("a document that was said to be {} says that it is {}", printable(media_type), printable(own));
  }
  std::string said = own.empty() ? std::string(media_type) : own;
  if (!said.empty()) {
    return said;
  }
  return std::string(json.contains("manifests") ? kOciIndex : kOciManifest);
}

}  // namespace

Result<Document> parse_document(std::string_view text, std::string_view media_type) {
  KRAIT_TRY(auto json, parse_object(text, "the manifest"));
  const auto version = number_in(json, "schemaVersion");
  if (version == 1) {
    return unsupported("the image is of Docker's schema 1, which is not verifiable; push it again with a newer tool");
  }
  if (version != 2) {
    return refused("the manifest's schemaVersion is not 2");
  }
  if (json.contains("manifests") && (json.contains("layers") || json.contains("config"))) {
    return refused("the manifest is an index and an image at once");
  }
  KRAIT_TRY(auto kind, kind_of(json, media_type));
  if (is_in(kIndexTypes, kind)) {
    return index(json);
  }
  if (is_in(kManifestTypes, kind)) {
    return manifest(json);
  }
  return unsupported(fmt::format("the manifest is of a kind that is not known: {}", printable(kind)));
}

Result<ImageConfig> parse_config(std::string_view text) {
  KRAIT_TRY(auto json, parse_object(text, "the configuration"));
  ImageConfig config{.platform = {.os = text_in(json, "os").value_or(""),
                                  .architecture = text_in(json, "architecture").value_or(""),
                                  .variant = text_in(json, "variant").value_or("")},
                     .diff_ids = {}};
  const Json& rootfs = member(json, "rootfs");
  const Json& diff_ids = member(rootfs, "diff_ids");
  if (text_in(rootfs, "type") != "layers" || (!diff_ids.is_array() && !diff_ids.is_null())) {
    return refused("the configuration has no rootfs of layers");
  }
  if (diff_ids.size() > limits::kLayers) {
    return Error(ErrorCode::limit, fmt::format("{} diff_ids are more than {}", diff_ids.size(), limits::kLayers));
  }
  for (const Json& diff_id : diff_ids) {
    KRAIT_TRY(auto digest, ContentDigest::parse(diff_id.is_string() ? diff_id.get<std::string>() : ""),
              "a diff_id of the configuration");
    config.diff_ids.push_back(std::move(digest));
  }
  return config;
}

Result<Descriptor> choose(std::span<const Descriptor> offered, const Platform& platform) {
  const Descriptor* best = nullptr;
  int best_fitness = 0;
  std::string names;
  for (const Descriptor& one : offered) {
    const int fitness = one.platform ? platform.fitness(*one.platform) * 2 : 1;
    if (fitness > best_fitness) {
      best = &one;
      best_fitness = fitness;
    }
    if (one.platform && names.size() < 200) {
      names += (names.empty() ? "" : ", ") + printable(one.platform->text());
    }
  }
  if (best == nullptr) {
    return unsupported(fmt::format("the image is not for {}{}; see --platform", platform.text(),
                                   names.empty() ? std::string() : fmt::format(", only for {}", names)));
  }
  return *best;
}

}  // namespace krata::image
