// Fuzz target: any bytes as the name of an image.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "krata/image/reference.h"
#include "tests/require.h"

namespace krata::image {

namespace {

void require_reference(const Reference& reference) {
  using krait::require;
  require(!reference.host.empty() && !reference.host_name().empty(), "a reference has a host");
  require(!reference.tag.empty() || reference.digest, "a reference has a tag or a digest");
  for (const char c : reference.text()) {
    require(c > 0x20 && static_cast<unsigned char>(c) < 0x7f && c != '%' && c != '?' && c != '#' && c != '\\',
            "nothing in a reference means something else in a URL");
  }
  require(!reference.repository.contains("..") && !reference.repository.contains("//"),
          "a repository is no path upwards");
  const auto again = Reference::parse(reference.text(), "");
  require(again.has_value() && again->text() == reference.text(), "a reference's text is the reference");
}

}  // namespace

}  // namespace krata::image

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto name = krata::image::parse_source(text, "registry.example");
  if (!name) {
    krait::require(name.error().code() == common::ErrorCode::invalid_input, "every error is invalid_input");
  } else if (const auto* reference = std::get_if<krata::image::Reference>(&*name)) {
    krata::image::require_reference(*reference);
  }
  return 0;
}
