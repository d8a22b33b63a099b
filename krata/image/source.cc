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
  KRAIT_TRY(auto offered, source.root());
  for (int depth = 0; depth < limits::kIndexDepth; ++depth) {
    KRAIT_TRY(auto chosen, choose(offered, platform));
    KRAIT_TRY(auto text, source.document(chosen), "the manifest");
    KRAIT_TRY(auto document, parse_document(text, chosen.media_type));
    if (auto* manifest = std::get_if<Manifest>(&document)) {
      return Found{.descriptor = std::move(chosen), .text = std::move(text), .manifest = std::move(*manifest)};
    }
    offered = std::move(std::get<Index>(document).manifests);
  }
  return refused("indexes name indexes, {} deep", limits::kIndexDepth);
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
  KRAIT_TRY(auto found, find_manifest(source, platform));
  KRAIT_TRY(auto config_text, source.document(found.manifest.config), "the configuration");
  KRAIT_TRY(auto config, parse_config(config_text));
  KRAIT_CHECK(check_platform(config, platform));
  if (config.diff_ids.size() != found.manifest.layers.size()) {
    return refused("the manifest has {} layers, the configuration diff_ids of {}", found.manifest.layers.size(),
                   config.diff_ids.size());
  }
  return Resolved{.manifest_descriptor = std::move(found.descriptor),
                  .manifest_text = std::move(found.text),
                  .manifest = std::move(found.manifest),
                  .config_text = std::move(config_text),
                  .config = std::move(config)};
}

}  // namespace krata::image
