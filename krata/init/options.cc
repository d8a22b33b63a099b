#include "krata/init/options.h"

#include <string_view>

#include "krata/bundle/check.h"

namespace krata::init {

common::Result<Options> parse_options(std::span<const char* const> words) {
  Options options;
  for (const std::string_view word : words) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    std::string* const value = name == "bundle" ? &options.bundle : name == "channel" ? &options.channel : nullptr;
    if (value != nullptr) {
      *value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
      KRAIT_CHECK(bundle::check_device(*value, name));
    }
  }
  return options;
}

}  // namespace krata::init
