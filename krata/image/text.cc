#include "krata/image/text.h"

namespace krata::image {

namespace {

constexpr std::size_t kMaxCharacters = 200;

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (shown.size() >= kMaxCharacters) {
      return shown + "...";
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '\\') {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown;
}

}  // namespace krata::image
