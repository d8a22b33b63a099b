#include "krata/image/tar_reader.h"

#include <algorithm>
#include <utility>

#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::size_t kChunkBytes = std::size_t{128} << 10U;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 62U;

std::uint64_t padding_of(std::uint64_t bytes) { return (kTarBlock - bytes % kTarBlock) % kTarBlock; }

Error cut_short() { return refused("the archive ends in the middle of an entry"); }

Result<EntryType> type_of(const TarHeader& header) {
  switch (header.type) {
    case '\0':
      return header.name.ends_with('/') ? EntryType::directory : EntryType::file;
    case '0':
    case '7':  // contiguous, which nobody is any more
    case 'S':
      return EntryType::file;
    case '1':
      return EntryType::hard_link;
    case '2':
      return EntryType::symlink;
    case '3':
      return EntryType::character;
    case '4':
      return EntryType::block;
    case '5':
      return EntryType::directory;
    case '6':
      return EntryType::fifo;
    default:
      return refused("\"{}\" is of a type that no layer has: '{}'", printable(header.name),
                     printable(std::string_view(&header.type, 1)));
  }
}

}  // namespace

// False: the source was at its end already.
Result<bool> TarReader::fill(char* room, std::size_t bytes) {
  std::size_t have = 0;
  while (have < bytes) {
    KRAIT_TRY(const auto got, source_.read({room + have, bytes - have}));
    if (got == 0) {
      return have == 0 ? Result<bool>(false) : cut_short();
    }
    have += got;
    offset_ += got;
  }
  return true;
}

// Reads `bytes` stored bytes, which are the file's from `file_offset` on.
Result<void> TarReader::pass(std::uint64_t bytes, std::uint64_t file_offset, const Take* take) {
  chunk_.resize(kChunkBytes);
  while (bytes > 0) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, chunk_.size()));
    KRAIT_TRY(const auto got, source_.read({chunk_.data(), most}));
    if (got == 0) {
      return cut_short();
    }
    if (take != nullptr) {
      KRAIT_CHECK((*take)(file_offset, {chunk_.data(), got}));
    }
    bytes -= got;
    file_offset += got;
    offset_ += got;
  }
  return {};
}

// The padding behind the last file may be missing: umoci 0.4.7 ends what it inserts with the file's data.
Result<void> TarReader::skip() {
  KRAIT_CHECK(pass(std::exchange(left_, 0), 0, nullptr));
  for (auto padding = static_cast<std::size_t>(std::exchange(padding_, 0)); padding > 0;) {
    KRAIT_TRY(const auto got, source_.read({block_.data(), padding}));
    if (got == 0) {
      return {};
    }
    padding -= got;
    offset_ += got;
  }
  return {};
}

Result<std::optional<TarHeader>> TarReader::next_header() {
  KRAIT_TRY(auto filled, fill(block_.data(), block_.size()));
  if (filled && is_zero(block_)) {
    KRAIT_TRY(filled, fill(block_.data(), block_.size()));
    if (filled && !is_zero(block_)) {
      return refused("the archive goes on behind an empty block");
    }
    return std::optional<TarHeader>();
  }
  if (!filled) {
    return std::optional<TarHeader>();
  }
  KRAIT_TRY(auto header, parse_tar_header(block_));
  if (header.size_bytes > kMaxBytes) {
    return refused("\"{}\" has {} bytes", printable(header.name), header.size_bytes);
  }
  return std::optional(std::move(header));
}

Result<std::string> TarReader::read_extension(const TarHeader& header) {
  if (header.size_bytes > limits::kExtendedHeaderBytes) {
    return Error(ErrorCode::limit, fmt::format("an extended header of the archive has {} bytes, more than {}",
                                               header.size_bytes, limits::kExtendedHeaderBytes));
  }
  std::string text(header.size_bytes + padding_of(header.size_bytes), '\0');
  KRAIT_TRY(const auto filled, fill(text.data(), text.size()));
  if (!filled && !text.empty()) {
    return cut_short();
  }
  text.resize(header.size_bytes);
  return text;
}

// Whether the header only says something about the next.
Result<bool> TarReader::extend(const TarHeader& header, Extended& extended) {
  constexpr std::string_view kExtensions = "xgLK";
  if (!kExtensions.contains(header.type)) {
    return false;
  }
  KRAIT_TRY(auto text, read_extension(header));
  if (header.type == 'x') {
    extended.pax = {};
    KRAIT_CHECK(parse_pax(text, extended.pax));
    return true;
  }
  if (header.type == 'L' || header.type == 'K') {
    text.resize(std::min(text.find('\0'), text.size()));
    (header.type == 'L' ? extended.name : extended.link) = std::move(text);
  }
  return true;  // 'g' is of no entry in particular; nothing that it can say is used by images
}

Result<std::optional<Entry>> TarReader::next() {
  KRAIT_CHECK(skip());
  Extended extended;
  std::uint64_t extension_bytes = 0;
  for (;;) {
    KRAIT_TRY(auto header, next_header());
    if (!header) {
      return std::optional<Entry>();
    }
    KRAIT_TRY(const auto only_extends, extend(*header, extended));
    if (!only_extends) {
      KRAIT_TRY(auto entry, entry_of(*std::move(header), std::move(extended)));
      return std::optional(std::move(entry));
    }
    extension_bytes += kTarBlock + header->size_bytes;
    if (extension_bytes > 4 * limits::kExtendedHeaderBytes) {
      return Error(ErrorCode::limit, "an entry of the archive has more extended headers than any real one's");
    }
  }
}

Result<Entry> TarReader::entry_of(TarHeader header, Extended extended) {
  Pax& pax = extended.pax;
  header.name = pax.path.value_or(std::move(header.name));
  header.link = pax.link.value_or(std::move(header.link));
  header.name = extended.name.value_or(std::move(header.name));
  header.link = extended.link.value_or(std::move(header.link));
  header.uid = pax.uid.value_or(header.uid);
  header.gid = pax.gid.value_or(header.gid);
  header.size_bytes = pax.size_bytes.value_or(header.size_bytes);
  if (pax.is_sparse() && pax.sparse_path) {
    header.name = *pax.sparse_path;
  }
  KRAIT_TRY(const auto type, type_of(header));
  if (header.uid > UINT32_MAX || header.gid > UINT32_MAX || header.size_bytes > kMaxBytes) {
    return refused("\"{}\": owner {}:{} or size {} is larger than Linux has them", printable(header.name), header.uid,
                   header.gid, header.size_bytes);
  }
  Entry entry{.type = type,
              .path = std::move(header.name),
              .link = std::move(header.link),
              .mode = header.mode,
              .uid = static_cast<std::uint32_t>(header.uid),
              .gid = static_cast<std::uint32_t>(header.gid),
              .mtime_s = pax.mtime ? pax.mtime->s : header.mtime_s,
              .mtime_ns = pax.mtime ? pax.mtime->ns : 0,
              .device_major = static_cast<std::uint32_t>(std::min<std::uint64_t>(header.device_major, UINT32_MAX)),
              .device_minor = static_cast<std::uint32_t>(std::min<std::uint64_t>(header.device_minor, UINT32_MAX)),
              .size_bytes = header.size_bytes,
              .xattrs = std::move(pax.xattrs)};
  segments_.clear();
  // Nothing follows the header of what is no file, whatever size it says.
  left_ = entry.type == EntryType::file ? header.size_bytes : 0;
  padding_ = padding_of(left_);
  if (entry.type != EntryType::file) {
    entry.size_bytes = 0;
    return entry;
  }
  auto found = find_segments(header, pax, entry);
  return found ? Result<Entry>(std::move(entry)) : passed_on(found, fmt::format("\"{}\"", printable(entry.path)));
}

Result<void> TarReader::find_segments(const TarHeader& header, Pax& pax, Entry& entry) {
  if (header.type == 'S') {
    KRAIT_TRY(auto sparse, read_gnu_sparse());
    segments_ = std::move(sparse.segments);
    entry.size_bytes = sparse.size_bytes;
  } else if (pax.is_sparse()) {
    if (pax.sparse_map_in_data) {
      KRAIT_TRY(auto numbers, read_map());
      pax.sparse_numbers = std::move(numbers);
    }
    KRAIT_TRY(auto segments, segments_of(pax.sparse_numbers));
    segments_ = std::move(segments);
    entry.size_bytes = pax.sparse_size_bytes.value_or(entry.size_bytes);
  } else {
    return {};
  }
  if (segments_.empty()) {
    segments_.push_back({});  // nothing but holes
  }
  return check_segments(entry.size_bytes);
}

Result<GnuSparse> TarReader::read_gnu_sparse() {
  auto sparse = parse_gnu_sparse(block_);
  while (sparse && sparse->goes_on) {
    KRAIT_TRY(const auto filled, fill(block_.data(), block_.size()));
    if (!filled) {
      return cut_short();
    }
    KRAIT_CHECK(parse_gnu_sparse_more(block_, *sparse));
  }
  return sparse;
}

// A line of decimal digits; `line` holds what of the last block was not used.
Result<std::uint64_t> TarReader::read_map_number(std::string& line) {
  constexpr std::size_t kMaxDigits = 20;
  auto end = line.find('\n');
  if (end == std::string::npos) {
    if (left_ < kTarBlock || line.size() > kMaxDigits) {
      return refused("a sparse file's map is broken");
    }
    KRAIT_TRY(const auto filled, fill(block_.data(), block_.size()));
    if (!filled) {
      return cut_short();
    }
    left_ -= kTarBlock;
    line.append(block_.data(), block_.size());
    end = line.find('\n');
  }
  const auto number = parse_decimal(std::string_view(line).substr(0, end));
  if (end == std::string::npos || !number) {
    return refused("a sparse file's map has a line that is no number");
  }
  line.erase(0, end + 1);
  return *number;
}

// Version 1.0: a count and its pairs, a number a line, in blocks before the data.
Result<std::vector<std::uint64_t>> TarReader::read_map() {
  std::string line;
  std::vector<std::uint64_t> numbers;
  KRAIT_TRY(const auto count, read_map_number(line));
  if (count > limits::kSparseSegments) {
    return Error(ErrorCode::limit,
                 fmt::format("a sparse file has {} parts, more than {}", count, limits::kSparseSegments));
  }
  for (std::uint64_t i = 0; i < 2 * count; ++i) {
    KRAIT_TRY(const auto number, read_map_number(line));
    numbers.push_back(number);
  }
  return numbers;
}

// In order, apart from each other, within the file, and together what is stored.
Result<void> TarReader::check_segments(std::uint64_t size_bytes) const {
  std::uint64_t end = 0;
  std::uint64_t stored = 0;
  for (const Segment& segment : segments_) {
    if (segment.offset < end || segment.offset > size_bytes || segment.bytes > size_bytes - segment.offset) {
      return refused("a sparse file's map does not fit the file");
    }
    end = segment.offset + segment.bytes;
    stored += segment.bytes;
  }
  return stored == left_ ? Result<void>() : refused("a sparse file's map has {} bytes, its data {}", stored, left_);
}

Result<void> TarReader::read(const Take& take) {
  if (segments_.empty()) {
    const std::uint64_t bytes = std::exchange(left_, 0);
    return pass(bytes, 0, &take);
  }
  for (const Segment& segment : segments_) {
    left_ -= segment.bytes;
    KRAIT_CHECK(pass(segment.bytes, segment.offset, &take));
  }
  return {};
}

}  // namespace krata::image
