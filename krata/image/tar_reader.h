// The entries of a tar archive, one after the other: ustar, pax, GNU's long names and sparse files. Pure but for the
// source that it reads; holds one entry at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/image/byte_source.h"
#include "krata/image/layer.h"
#include "krata/image/pax.h"
#include "krata/image/tar_header.h"

namespace krata::image {

// Borrows the source. Errors: invalid_input (a broken archive), limit (limits.h), and the source's own.
class TarReader {
 public:
  explicit TarReader(ByteSource& source) : source_(source) {}

  // Goes to the next entry, past what was not read of this one; nothing at the end. Sockets and what else no layer
  // holds are refused.
  common::Result<std::optional<Entry>> next();

  // The bytes of a file: `take` gets each stored piece and where in the file it stands, in order. Once an entry.
  using Take = std::function<common::Result<void>(std::uint64_t offset, std::string_view piece)>;
  common::Result<void> read(const Take& take);

  // Where the entry's stored bytes begin in the archive, and how many they are; only of files without holes they are
  // the file.
  [[nodiscard]] std::uint64_t data_offset() const { return offset_; }
  [[nodiscard]] bool has_holes() const { return !segments_.empty(); }

 private:
  struct Extended {
    Pax pax;
    std::optional<std::string> name;  // GNU's
    std::optional<std::string> link;
  };

  common::Result<bool> fill(char* room, std::size_t bytes);
  common::Result<std::optional<TarHeader>> next_header();
  common::Result<std::string> read_extension(const TarHeader& header);
  common::Result<bool> extend(const TarHeader& header, Extended& extended);
  common::Result<Entry> entry_of(TarHeader header, Extended extended);
  common::Result<void> find_segments(const TarHeader& header, Pax& pax, Entry& entry);
  common::Result<GnuSparse> read_gnu_sparse();
  common::Result<std::vector<std::uint64_t>> read_map();
  common::Result<std::uint64_t> read_map_number(std::string& line);
  common::Result<void> check_segments(std::uint64_t size_bytes) const;
  common::Result<void> pass(std::uint64_t bytes, std::uint64_t file_offset, const Take* take);
  common::Result<void> skip();

  ByteSource& source_;
  TarBlock block_{};
  std::uint64_t offset_ = 0;   // in the archive
  std::uint64_t left_ = 0;     // stored bytes of this entry that were not read
  std::uint64_t padding_ = 0;  // behind them
  std::vector<Segment> segments_;
  std::vector<char> chunk_;
};

}  // namespace krata::image
