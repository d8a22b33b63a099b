#include "krata/image/pax.h"

#include <utility>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Record {
  std::string_view key;
  std::string_view value;
};

// "LENGTH KEY=VALUE\n", of which LENGTH counts all.
Result<Record> take_record(std::string_view& rest) {
  const auto blank = rest.find(' ');
  const auto length = parse_decimal(rest.substr(0, std::min<std::size_t>(blank, 20)));
  if (blank == std::string_view::npos || !length || *length > rest.size() || *length < blank + 4 ||
      rest[*length - 1] != '\n') {
    return refused("an extended header of the archive is broken");
  }
  const std::string_view record = rest.substr(blank + 1, *length - blank - 2);
  rest.remove_prefix(*length);
  const auto equals = record.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    return refused("an extended header of the archive has a record without a key");
  }
  return Record{.key = record.substr(0, equals), .value = record.substr(equals + 1)};
}

// "1700000000.25", "-1.5".
std::optional<PaxTime> time_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  const auto point = text.find('.');
  const auto s = parse_decimal(text.substr(0, point));
  if (!s || *s > static_cast<std::uint64_t>(INT64_MAX / 2)) {
    return std::nullopt;
  }
  std::string digits(point == std::string_view::npos ? "" : text.substr(point + 1));
  if (digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  digits.resize(9, '0');
  const auto ns = static_cast<std::uint32_t>(*parse_decimal(digits));
  const auto whole = static_cast<std::int64_t>(*s);
  if (!negative) {
    return PaxTime{.s = whole, .ns = ns};
  }
  return ns == 0 ? PaxTime{.s = -whole, .ns = 0} : PaxTime{.s = -whole - 1, .ns = 1000000000U - ns};
}

Error no_number(const Record& record) {
  return refused("the extended header's {} is no number: \"{}\"", printable(record.key), printable(record.value));
}

Result<void> set_number(const Record& record, std::optional<std::uint64_t>& into) {
  if (record.value.empty()) {
    into.reset();
    return {};
  }
  into = parse_decimal(record.value);
  return into ? Result<void>() : no_number(record);
}

Result<void> set_text(const Record& record, std::optional<std::string>& into) {
  if (record.value.contains('\0')) {
    return refused("the extended header's {} has a NUL", printable(record.key));
  }
  into = record.value.empty() ? std::nullopt : std::optional(std::string(record.value));
  return {};
}

Result<void> add_number(const Record& record, std::string_view text, Pax& pax) {
  const auto number = parse_decimal(text);
  if (!number) {
    return no_number(record);
  }
  if (pax.sparse_numbers.size() >= 2 * limits::kSparseSegments) {
    return Error(ErrorCode::limit, fmt::format("a sparse file has more than {} parts", limits::kSparseSegments));
  }
  pax.sparse_numbers.push_back(*number);
  return {};
}

Result<void> set_map(const Record& record, Pax& pax) {
  pax.sparse_numbers.clear();
  std::string_view rest = record.value;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    KRAIT_CHECK(add_number(record, rest.substr(0, comma), pax));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return {};
}

Result<void> set_sparse(const Record& record, std::string_view key, Pax& pax) {
  if (key == "size" || key == "realsize") {
    return set_number(record, pax.sparse_size_bytes);
  }
  if (key == "name") {
    return set_text(record, pax.sparse_path);
  }
  if (key == "map") {
    return set_map(record, pax);
  }
  if (key == "offset" || key == "numbytes") {
    return add_number(record, record.value, pax);
  }
  if (key == "major") {
    pax.sparse_map_in_data = record.value == "1";
  }
  return {};
}

Result<void> set_xattr(std::string_view name, std::string_view value, Pax& pax) {
  if (name.empty() || name.contains('\0')) {
    return refused("an extended attribute without a name");
  }
  if (value.empty()) {
    pax.xattrs.erase(std::string(name));  // pax: an empty value takes the record back
    return {};
  }
  pax.xattrs.insert_or_assign(std::string(name), std::string(value));
  if (pax.xattrs.size() > limits::kXattrs) {
    return Error(ErrorCode::limit, fmt::format("more than {} extended attributes of one file", limits::kXattrs));
  }
  return {};
}

Result<void> set(const Record& record, Pax& pax) {
  constexpr std::string_view kSparse = "GNU.sparse.";
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  if (record.key.starts_with(kXattr)) {
    return set_xattr(record.key.substr(kXattr.size()), record.value, pax);
  }
  if (record.key.starts_with(kSparse)) {
    return set_sparse(record, record.key.substr(kSparse.size()), pax);
  }
  if (record.key == "path") {
    return set_text(record, pax.path);
  }
  if (record.key == "linkpath") {
    return set_text(record, pax.link);
  }
  if (record.key == "uid") {
    return set_number(record, pax.uid);
  }
  if (record.key == "gid") {
    return set_number(record, pax.gid);
  }
  if (record.key == "size") {
    return set_number(record, pax.size_bytes);
  }
  if (record.key == "mtime") {
    pax.mtime = time_of(record.value);
    return pax.mtime || record.value.empty() ? Result<void>() : no_number(record);
  }
  return {};
}

}  // namespace

Result<void> parse_pax(std::string_view records, Pax& pax) {
  while (!records.empty()) {
    KRAIT_TRY(const auto record, take_record(records));
    KRAIT_CHECK(set(record, pax));
  }
  return {};
}

Result<std::vector<Segment>> segments_of(const std::vector<std::uint64_t>& numbers) {
  if (numbers.size() % 2 != 0) {
    return refused("a sparse file's map has an odd number of numbers");
  }
  std::vector<Segment> segments;
  for (std::size_t i = 0; i < numbers.size(); i += 2) {
    segments.push_back({.offset = numbers[i], .bytes = numbers[i + 1]});
  }
  return segments;
}

}  // namespace krata::image
