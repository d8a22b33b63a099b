#include "krata/cli/image_flags.h"
#include "krata/image/reference.h"

namespace krata::cli {

using common::Result;

namespace {

// Of names without a host that never came from a registry.
constexpr const char* kLocalHost = "localhost";

}  // namespace

Result<std::string> full_name(const std::string& name, const ImageFlags& flags) {
  KRAIT_TRY(const auto reference, image::Reference::parse(name, flags.registry.empty() ? kLocalHost : flags.registry));
  return reference.text();
}

}  // namespace krata::cli
