#include "krata/image/source.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Found {
  Descriptor descriptor;
  std::string text;
  Manifest manifest;
};

Result<Found> find_manifest(Source& source, const Platform& platform) {
  auto offered = source.root();
  for (int depth = 0; offered && depth < limits::kIndexDepth; ++depth) {
    auto chosen = choose(*offered, platform);
    if (!chosen) {
      return chosen.error();
    }
    auto text = source.document(*chosen);
    if (!text) {
      return passed_on(text, "the manifest");
    }
    auto document = parse_document(*text, chosen->media_type);
    if (!document) {
      return document.error();
    }
    if (auto* manifest = std::get_if<Manifest>(&*document)) {
      return Found{.descriptor = *std::move(chosen), .text = *std::move(text), .manifest = std::move(*manifest)};
    }
    *offered = std::move(std::get<Index>(*document).manifests);
  }
  return offered ? refused("indexes name indexes, {} deep", limits::kIndexDepth) : std::move(offered.error());
}

// Images of before platforms say nothing of theirs.
Result<void> check_platform(const ImageConfig& config, const Platform& wanted) {
  Platform own = config.platform;
  own.os = own.os.empty() ? wanted.os : own.os;
  own.architecture = own.architecture.empty() ? wanted.architecture : own.architecture;
  if (wanted.fitness(own) == 0) {
    return Error(ErrorCode::unsupported,
                 fmt::format("the image is for {}, not for {}; see --platform", printable(own.text()), wanted.text()));
  }
  return {};
}

}  // namespace

Result<Resolved> resolve_image(Source& source, const Platform& platform) {
  auto found = find_manifest(source, platform);
  if (!found) {
    return found.error();
  }
  auto config_text = source.document(found->manifest.config);
  if (!config_text) {
    return passed_on(config_text, "the configuration");
  }
  auto config = parse_config(*config_text);
  if (!config) {
    return config.error();
  }
  if (auto fits = check_platform(*config, platform); !fits) {
    return fits.error();
  }
  if (config->diff_ids.size() != found->manifest.layers.size()) {
    return refused("the manifest has {} layers, the configuration diff_ids of {}", found->manifest.layers.size(),
                   config->diff_ids.size());
  }
  return Resolved{.manifest_descriptor = std::move(found->descriptor),
                  .manifest_text = std::move(found->text),
                  .manifest = std::move(found->manifest),
                  .config_text = *std::move(config_text),
                  .config = *std::move(config)};
}

}  // namespace krata::image
