#include "krata/console/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include "common/calendar.h"
#include "common/safe_text.h"

namespace krata::console {

namespace {

constexpr std::array<std::pair<std::string_view, Stream>, 3> kStreams{
    {{"out", Stream::output}, {"err", Stream::error}, {"con", Stream::console}}};

constexpr std::int64_t kUsPerS = 1'000'000;
constexpr std::size_t kTimeSize = 27;

// The next word, up to a space that is dropped.
std::optional<std::string_view> take_word(std::string_view& text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return word;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view word) {
  Number number{};
  const auto [rest, failed] = std::from_chars(word.data(), word.data() + word.size(), number);
  return failed == std::errc() && rest == word.data() + word.size() ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> parse_time(std::string_view word) {
  if (word.size() != kTimeSize || word[19] != '.' || word.back() != 'Z') {
    return std::nullopt;
  }
  std::tm parts{};
  const std::string seconds(word.substr(0, 19));
  const char* rest = ::strptime(seconds.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto us = parse_number<std::uint32_t>(word.substr(20, 6));
  if (rest == nullptr || *rest != '\0' || !us) {
    return std::nullopt;
  }
  return std::int64_t{::timegm(&parts)} * kUsPerS + *us;
}

}  // namespace

std::string_view name_of(Stream stream) {
  return std::ranges::find(kStreams, stream, &std::pair<std::string_view, Stream>::second)->first;
}

std::string line_text(const Line& line) {
  return fmt::format("{}.{:06}Z {} {} {} {} {}\n", common::utc_text(line.unix_us / kUsPerS, "%Y-%m-%dT%H:%M:%S"),
                     line.unix_us % kUsPerS, name_of(line.stream), line.is_whole ? 'F' : 'P', line.run, line.offset,
                     line.text);
}

std::optional<Line> parse_line(std::string_view text) {
  const auto time = take_word(text);
  const auto stream = take_word(text);
  const auto flag = take_word(text);
  const auto run = take_word(text);
  const auto offset = take_word(text);
  if (!time || !stream || !flag || !run || !offset || (*flag != "F" && *flag != "P")) {
    return std::nullopt;
  }
  const auto unix_us = parse_time(*time);
  const auto known = std::ranges::find(kStreams, *stream, &std::pair<std::string_view, Stream>::first);
  const auto run_number = parse_number<std::uint32_t>(*run);
  const auto offset_number = parse_number<std::uint64_t>(*offset);
  if (!unix_us || known == kStreams.end() || !run_number || !offset_number) {
    return std::nullopt;
  }
  return Line{.unix_us = *unix_us,
              .stream = known->second,
              .is_whole = *flag == "F",
              .run = *run_number,
              .offset = *offset_number,
              .text = std::string(text)};
}

void LineMaker::add(Stream stream, std::string_view bytes, std::int64_t unix_us, std::vector<Line>& lines) {
  if (stream != stream_ && !pending_.empty()) {
    end_line(false, unix_us, lines);
  }
  stream_ = stream;
  while (!bytes.empty()) {
    const std::size_t room = kMaxLineBytes - pending_.size();
    const std::size_t newline = bytes.substr(0, room).find('\n');
    const bool is_whole = newline != std::string_view::npos;
    const std::size_t taken = is_whole ? newline : std::min(room, bytes.size());
    pending_ += bytes.substr(0, taken);
    offset_ += taken + (is_whole ? 1 : 0);
    bytes.remove_prefix(taken + (is_whole ? 1 : 0));
    if (is_whole || pending_.size() == kMaxLineBytes) {
      end_line(is_whole, unix_us, lines);
    }
  }
}

void LineMaker::finish(std::int64_t unix_us, std::vector<Line>& lines) {
  if (!pending_.empty()) {
    end_line(false, unix_us, lines);
  }
}

void LineMaker::end_line(bool is_whole, std::int64_t unix_us, std::vector<Line>& lines) {
  std::string_view text = pending_;
  if (is_whole && text.ends_with('\r')) {  // a terminal's end of a line
    text.remove_suffix(1);
  }
  lines.push_back({.unix_us = unix_us,
                   .stream = stream_,
                   .is_whole = is_whole,
                   .run = run_,
                   .offset = offset_,
                   .text = common::safe_text(text)});
  pending_.clear();
}

}  // namespace krata::console
