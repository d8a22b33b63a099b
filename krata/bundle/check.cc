#include "krata/bundle/check.h"

#include <algorithm>

#include "krata/bundle/process.h"

namespace krata::bundle {

using common::Result;

namespace {

constexpr std::size_t kMaxWordBytes = 255;
constexpr std::size_t kMaxDeviceBytes = 32;
constexpr std::size_t kMaxFileNameBytes = 255;  // NAME_MAX
constexpr std::size_t kMaxHostnameBytes = 64;   // __NEW_UTS_LEN of the kernel (uts.h)
constexpr std::size_t kZoneIdBytes = 36;        // RFC 9562
constexpr std::uint32_t kMaxSignal = 64;        // _NSIG of x86_64 (asm/signal.h)

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_graphic(char c) { return c > ' ' && c <= '~'; }

}  // namespace

Result<void> check_text(std::string_view text, std::string_view what) {
  if (text.contains('\0')) {
    return refused("{} holds a zero byte", what);
  }
  if (text.size() > kMaxStringBytes) {
    return too_much("{} has {} bytes; {} is the most", what, text.size(), kMaxStringBytes);
  }
  return {};
}

Result<void> check_word(std::string_view text, std::string_view what) {
  if (text.empty() || text.size() > kMaxWordBytes || !std::ranges::all_of(text, is_graphic)) {
    return refused("{} is not one word of 1 to {} printable ASCII characters", what, kMaxWordBytes);
  }
  return {};
}

Result<void> check_device(std::string_view text, std::string_view what) {
  if (text.empty() || text.size() > kMaxDeviceBytes ||
      !std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c); })) {
    return refused("{} is no name of a device, as xvda", what);
  }
  return {};
}

Result<void> check_file_name(std::string_view text, std::string_view what) {
  KRAIT_CHECK(check_word(text, what));
  if (text.size() > kMaxFileNameBytes || text.contains('/') || text == "." || text == "..") {
    return refused("{} is no name of a file", what);
  }
  return {};
}

Result<void> check_path(std::string_view text, std::string_view what) {
  if (!text.starts_with('/') || text.contains('\0') || text.size() > kMaxPathBytes) {
    return refused("{} is no absolute path of at most {} bytes", what, kMaxPathBytes);
  }
  std::string_view left = text.substr(1);
  while (!left.empty()) {
    const std::size_t slash = std::min(left.find('/'), left.size());
    const std::string_view part = left.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return refused("{} has the part '{}'; write the path without it", what, part);
    }
    left.remove_prefix(std::min(slash + 1, left.size()));
  }
  return {};
}

Result<void> check_user(std::string_view user) {
  if (user.empty()) {
    return {};
  }
  KRAIT_CHECK(check_word(user, "the user"));
  if (std::ranges::count(user, ':') > 1 || user.starts_with(':') || user.ends_with(':')) {
    return refused("the user is not USER or USER:GROUP");
  }
  return {};
}

Result<void> check_hostname(std::string_view text) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; };
  if (text.empty() || text.size() > kMaxHostnameBytes || text.front() == '-' || text.front() == '.' ||
      !std::ranges::all_of(text, fits)) {
    return refused("the host name is not 1 to {} letters, digits, dots and hyphens", kMaxHostnameBytes);
  }
  return {};
}

Result<void> check_zone_id(std::string_view text) {
  bool fits = text.size() == kZoneIdBytes;
  for (std::size_t i = 0; fits && i < text.size(); ++i) {
    fits = i == 8 || i == 13 || i == 18 || i == 23 ? text[i] == '-' : is_hex(text[i]);
  }
  if (!fits) {
    return refused("the zone's id is no UUID in lower case");
  }
  return {};
}

Result<void> check_signal(std::uint32_t number) {
  if (number == 0 || number > kMaxSignal) {
    return refused("{} is no signal; they are 1 to {}", number, kMaxSignal);
  }
  return {};
}

}  // namespace krata::bundle
