// Bytes of a zone's streams to the lines of its log, and those to text and back. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace krata::console {

enum class Stream : std::uint8_t { output, error, console };

std::string_view name_of(Stream stream);  // "out", "err", "con"

struct Line {
  std::int64_t unix_us = 0;  // when its end was read
  Stream stream = Stream::output;
  bool is_whole = true;      // a newline ended it; else more of it follows, or nothing ever
  std::uint32_t run = 1;     // of the container
  std::uint64_t offset = 0;  // of the first byte behind it, over all of this run's streams that share this log
  std::string text;          // safe, without the newline

  bool operator==(const Line&) const = default;
};

inline constexpr std::size_t kMaxLineBytes = 4096;  // of the zone's bytes; a longer one comes in several

// "2026-01-31T12:00:00.000001Z out F 1 17 text\n": time, stream, whole (F) or a part (P), run, offset.
std::string line_text(const Line& line);
// Without the newline. Nothing: it is no such line.
std::optional<Line> parse_line(std::string_view text);

// Holds at most one unfinished line.
class LineMaker {
 public:
  LineMaker(std::uint32_t run, std::uint64_t offset) : run_(run), offset_(offset) {}

  // Another stream's unfinished line ends here: the lines' order is that of the bytes.
  void add(Stream stream, std::string_view bytes, std::int64_t unix_us, std::vector<Line>& lines);
  // Nothing more comes.
  void finish(std::int64_t unix_us, std::vector<Line>& lines);

 private:
  void end_line(bool is_whole, std::int64_t unix_us, std::vector<Line>& lines);

  Stream stream_ = Stream::output;
  std::string pending_;
  std::uint32_t run_;
  std::uint64_t offset_;
};

}  // namespace krata::console
