// Fuzz target: any bytes as what registries say in JSON and in headers. The first byte says as what.
#include <cstdint>
#include <iterator>
#include <string_view>
#include <variant>

#include "krata/image/auth.h"
#include "krata/image/limits.h"
#include "krata/image/manifest.h"
#include "tests/require.h"

namespace krata::image {

namespace {

using krait::require;

void require_error(const common::Error& error) {
  require(!error.text().empty() && error.text().size() < 4000, "an error has a text, and a short one");
  for (const char c : error.text()) {
    require(c >= 0x20 && static_cast<unsigned char>(c) < 0x7f, "nothing in an error's text obeys a terminal");
  }
}

void as_document(std::string_view text) {
  const auto document = parse_document(text, "");
  if (!document) {
    require_error(document.error());
    return;
  }
  if (const auto* manifest = std::get_if<Manifest>(&*document)) {
    require(manifest->layers.size() <= limits::kLayers, "layers are bounded");
    require(manifest->config.size_bytes <= limits::kDocumentBytes, "the configuration is bounded");
    for (const Descriptor& layer : manifest->layers) {
      require(ContentDigest::parse(layer.digest.text()).has_value(), "a digest is one");
      require(layer.size_bytes <= limits::kLayerBytes, "a layer is bounded");
    }
  } else {
    const auto& manifests = std::get<Index>(*document).manifests;
    require(manifests.size() <= limits::kIndexEntries, "an index is bounded");
    if (const auto chosen = choose(manifests, Platform::host()); !chosen) {
      require_error(chosen.error());
    }
  }
}

void as_config(std::string_view text) {
  const auto config = parse_config(text);
  if (!config) {
    require_error(config.error());
  } else {
    require(config->diff_ids.size() <= limits::kLayers, "diff_ids are bounded");
  }
}

void as_credentials(std::string_view text) {
  const auto reference = Reference::parse("registry.example/a/b:t", "");
  const auto found = find_credentials(text, *reference);
  if (!found) {
    require_error(found.error());
  } else if (*found) {
    require(basic_authorization(**found).find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
}

void as_header(std::string_view text) {
  if (const auto challenge = parse_challenge(text)) {
    require(!challenge->bearer || !challenge->realm.empty(), "a token has a server");
  }
}

void as_token(std::string_view text) {
  if (const auto token = parse_token(text)) {
    require(token->find_first_of("\r\n ") == std::string::npos, "a token is one word");
  }
}

}  // namespace

}  // namespace krata::image

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  using Parse = void (*)(std::string_view);
  constexpr Parse kParsers[] = {krata::image::as_document, krata::image::as_config, krata::image::as_credentials,
                                krata::image::as_header, krata::image::as_token};
  kParsers[data[0] % std::size(kParsers)]({reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
