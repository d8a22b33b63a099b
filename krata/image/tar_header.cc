#include "krata/image/tar_header.h"

#include <algorithm>
#include <charconv>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Field {
  std::size_t offset;
  std::size_t bytes;
};

constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kLink{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kMajor{329, 8};
constexpr Field kMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr Field kStarPrefix{345, 131};
constexpr Field kStarTrailer{508, 4};

constexpr std::size_t kSparseEntryBytes = 24;
constexpr Field kSparse{386, 4 * kSparseEntryBytes};
constexpr std::size_t kSparseGoesOn = 482;
constexpr Field kSparseSize{483, 12};
constexpr Field kMoreSparse{0, 21 * kSparseEntryBytes};
constexpr std::size_t kMoreSparseGoesOn = 504;

std::string_view raw(const TarBlock& block, Field field) {
  return std::string_view(block.data(), block.size()).substr(field.offset, field.bytes);
}

std::string_view text(const TarBlock& block, Field field) {
  const std::string_view all = raw(block, field);
  return all.substr(0, all.find('\0'));
}

// GNU's base 256: the top bit, then two's complement with the highest byte first.
std::optional<std::int64_t> base_256(std::string_view field) {
  const bool negative = (static_cast<unsigned char>(field[0]) & 0x40U) != 0;
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = 0; i < field.size(); ++i) {
    auto byte = static_cast<unsigned char>(field[i]);
    if (i == 0) {
      byte = static_cast<unsigned char>(negative ? byte | 0x80U : byte & 0x7fU);
    }
    if ((value >> 55U) != (negative ? 0x1ffU : 0U)) {
      return std::nullopt;
    }
    value = value << 8U | byte;
  }
  return static_cast<std::int64_t>(value);
}

// Octal digits with blanks and NULs around them, or base 256. An empty field is 0.
std::optional<std::int64_t> number(std::string_view field) {
  if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    return base_256(field);
  }
  const auto is_blank = [](char c) { return c == ' ' || c == '\0'; };
  while (!field.empty() && is_blank(field.front())) {
    field.remove_prefix(1);
  }
  field = field.substr(0, field.find('\0'));
  while (!field.empty() && is_blank(field.back())) {
    field.remove_suffix(1);
  }
  if (field.empty()) {
    return 0;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
  return error == std::errc() && end == field.data() + field.size() && value >= 0 ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> natural(const TarBlock& block, Field field) {
  const auto value = number(raw(block, field));
  return value && *value >= 0 ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

// Some old programs added the bytes up as signed ones.
bool checksum_holds(const TarBlock& block) {
  std::int64_t as_unsigned = 0;
  std::int64_t as_signed = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool in_sum = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.bytes;
    const char c = in_sum ? ' ' : block.at(i);
    as_unsigned += static_cast<unsigned char>(c);
    as_signed += static_cast<signed char>(c);
  }
  const auto said = number(raw(block, kChecksum));
  return said && (*said == as_unsigned || *said == as_signed);
}

std::string name_of(const TarBlock& block) {
  const std::string_view magic = raw(block, kMagic);
  std::string_view prefix;
  if (magic.starts_with(std::string_view("ustar\0", 6))) {
    prefix = raw(block, kStarTrailer) == std::string_view("tar\0", 4) ? text(block, kStarPrefix) : text(block, kPrefix);
  }
  return (prefix.empty() ? std::string() : std::string(prefix) + "/") + std::string(text(block, kName));
}

Result<void> add_segments(const TarBlock& block, Field field, GnuSparse& sparse) {
  for (std::size_t at = field.offset; at + kSparseEntryBytes <= field.offset + field.bytes; at += kSparseEntryBytes) {
    if (block.at(at) == '\0') {
      break;
    }
    const auto offset = natural(block, {at, 12});
    const auto bytes = natural(block, {at + 12, 12});
    if (!offset || !bytes) {
      return refused("a sparse file's map has a field that is no number");
    }
    if (sparse.segments.size() == limits::kSparseSegments) {
      return Error(ErrorCode::limit, fmt::format("a sparse file has more than {} parts", limits::kSparseSegments));
    }
    sparse.segments.push_back({.offset = *offset, .bytes = *bytes});
  }
  return {};
}

}  // namespace

bool is_zero(const TarBlock& block) {
  return std::ranges::all_of(block, [](char c) { return c == '\0'; });
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return good ? std::optional(value) : std::nullopt;
}

Result<TarHeader> parse_tar_header(const TarBlock& block) {
  if (!checksum_holds(block)) {
    return refused("the archive has a header whose check sum is wrong");
  }
  const auto mode = natural(block, kMode);
  const auto uid = natural(block, kUid);
  const auto gid = natural(block, kGid);
  const auto size = natural(block, kSize);
  const auto mtime = number(raw(block, kMtime));
  if (!mode || !uid || !gid || !size || !mtime) {
    return refused("the header of \"{}\" has a field that is no number", printable(text(block, kName)));
  }
  TarHeader header{.type = block.at(kType),
                   .name = name_of(block),
                   .link = std::string(text(block, kLink)),
                   .mode = static_cast<std::uint32_t>(*mode & 07777U),
                   .uid = *uid,
                   .gid = *gid,
                   .size_bytes = *size,
                   .mtime_s = *mtime};
  if (header.type == '3' || header.type == '4') {
    const auto major = natural(block, kMajor);
    const auto minor = natural(block, kMinor);
    if (!major || !minor) {
      return refused("the header of \"{}\" has no device's number", printable(header.name));
    }
    header.device_major = *major;
    header.device_minor = *minor;
  }
  return header;
}

Result<GnuSparse> parse_gnu_sparse(const TarBlock& block) {
  const auto size = natural(block, kSparseSize);
  if (!size) {
    return refused("a sparse file's size is no number");
  }
  GnuSparse sparse{.segments = {}, .size_bytes = *size, .goes_on = block.at(kSparseGoesOn) != '\0'};
  KRAIT_CHECK(add_segments(block, kSparse, sparse));
  return sparse;
}

Result<void> parse_gnu_sparse_more(const TarBlock& block, GnuSparse& sparse) {
  sparse.goes_on = block.at(kMoreSparseGoesOn) != '\0';
  return add_segments(block, kMoreSparse, sparse);
}

}  // namespace krata::image
