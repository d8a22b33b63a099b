#include "krata/kernel/image.h"

#include <algorithm>
#include <cstdint>

namespace krata::kernel {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kMagicOffset = 0x202;
constexpr std::string_view kMagic = "HdrS";
constexpr std::size_t kVersionOffset = 0x20e;
constexpr std::size_t kVersionBase = 0x200;
constexpr std::size_t kMaxVersionBytes = 128;

Error no_image(std::string_view why) {
  return {ErrorCode::invalid_input, "this is no x86 kernel image (vmlinuz, bzImage): " + std::string(why)};
}

}  // namespace

bool is_version(std::string_view version) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".+_~-").contains(c);
  };
  return !version.empty() && version.size() <= kMaxVersionBytes && version.front() != '.' && version.front() != '-' &&
         std::ranges::all_of(version, fits);
}

Result<std::string> image_version(std::string_view start) {
  if (start.size() < kVersionOffset + 2 || start.substr(kMagicOffset, kMagic.size()) != kMagic) {
    return no_image("it has no boot header");
  }
  const auto byte = [start](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(start[at])); };
  const std::size_t offset = byte(kVersionOffset) | (byte(kVersionOffset + 1) << 8U);
  if (offset == 0 || offset + kVersionBase >= start.size()) {
    return no_image("it does not say its version");
  }
  std::string_view text = start.substr(offset + kVersionBase, kMaxVersionBytes + 1);
  text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
  if (!is_version(text)) {
    return no_image("its version is malformed");
  }
  return std::string(text);
}

}  // namespace krata::kernel
