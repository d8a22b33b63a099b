#include "krait/config/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace krait::config {

namespace {

// The number of bytes of the well-formed UTF-8 sequence at the front (Unicode 15, table 3-7), or 0.
std::size_t sequence_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const unsigned lead = byte(0);
  if (lead >= 0xc2 && lead <= 0xdf) {
    return within(1, 0x80, 0xbf) ? 2 : 0;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

// Follows the text only as closely as it takes to tell brackets, dots and commas from strings and comments.
// What the values of a file take at most while both trees are there: measured, with texts of some 30 bytes.
constexpr std::size_t kEntryBytes = 255;    // a key and its value
constexpr std::size_t kElementBytes = 155;  // one more in a list
constexpr std::size_t kBracketBytes = 100;  // a list or table; the header of a list of tables has two

class Guard {
 public:
  Guard(std::string_view text, const Memory& memory) : text_(text), memory_(memory), bytes_(2 * text.size()) {}

  std::optional<Refusal> run() {
    while (next_ < text_.size() && !refusal_) {
      step();
    }
    if (!open_.empty()) {
      refuse_open_bracket();
    }
    return std::move(refusal_);
  }

 private:
  void refuse_here(std::string message, std::string hint) { refuse_at(here_, std::move(message), std::move(hint)); }
  void refuse_at(model::Position at, std::string message, std::string hint) {
    if (!refusal_) {
      refusal_ = Refusal{at, {std::move(message), std::move(hint)}};
    }
  }

  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return next_ + ahead < text_.size() ? text_[next_ + ahead] : '\0';
  }

  // Takes one character. False at the end and at bytes that are no text.
  bool take() {
    if (next_ >= text_.size() || refusal_) {
      return false;
    }
    const auto byte = static_cast<unsigned char>(text_[next_]);
    std::size_t bytes = 1;
    if (byte >= 0x80) {
      bytes = sequence_bytes(text_.substr(next_));
      if (bytes == 0) {
        refuse_here(fmt::format("byte 0x{:02x} is not UTF-8", byte), "save the file as UTF-8");
        return false;
      }
    } else if ((byte < 0x20 && byte != '\t' && byte != '\n' && (byte != '\r' || peek(1) != '\n')) || byte == 0x7f) {
      refuse_here(fmt::format("control character 0x{:02x}", byte), "remove it");
      return false;
    }
    next_ += bytes;
    if (byte == '\n') {
      ++here_.line;
      here_.column = 1;
    } else {
      ++here_.column;
    }
    return true;
  }

  void step() {
    const char c = peek();
    if (c == '#') {
      while (peek() != '\n' && take()) {
      }
      return;
    }
    if (c == '"' || c == '\'') {
      skip_string(c);
      line_is_empty_ = false;
      return;
    }
    const model::Position at = here_;
    count(c);
    if (!take()) {
      return;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {  // TOML 1.0 has such in strings and comments only
      refuse_at(at, "a character that is not ASCII stands outside of quotes", "put it in quotes or remove it");
    }
    if (c == '\n') {
      line_is_empty_ = true;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      line_is_empty_ = false;
    }
  }

  // Says where an open string begins: the parser would say where it noticed.
  void skip_string(char quote) {
    const model::Position begin = here_;
    const bool multi_line = peek(1) == quote && peek(2) == quote;
    const std::size_t quotes = multi_line ? 3 : 1;
    for (std::size_t i = 0; i < quotes; ++i) {
      take();
    }
    while (!refusal_ && next_ < text_.size() && (multi_line || peek() != '\n')) {
      if (peek() == '\\' && quote == '"') {
        take();
        if (multi_line || peek() != '\n') {
          take();
        }
      } else if (peek() == quote && (!multi_line || (peek(1) == quote && peek(2) == quote))) {
        close_string(quote, multi_line);
        return;
      } else {
        take();
      }
    }
    refuse_at(begin, multi_line ? "this string is not closed" : "this string is not closed on its line",
              fmt::format("close it with {}", std::string(quotes, quote)));
  }

  void close_string(char quote, bool multi_line) {
    take();
    if (!multi_line) {
      return;
    }
    // Up to two quotes may stand before the closing three (TOML 1.0, "String").
    for (std::size_t more = 0; more < 4 && peek() == quote; ++more) {
      take();
    }
  }

  void count(char c) {
    switch (c) {
      case '.':
        if (++dots_ >= kMaxDepth) {
          refuse_here(fmt::format("a key of more than {} parts", kMaxDepth), "no key of this file has a dot");
        }
        break;
      case '=':
        // A key cannot stand in a list or header: these were meant to end before.
        if (!open_.empty() && open_.back().bracket == '[') {
          refuse_open_bracket();
        }
        count_key();
        // A long key is there twice. In a list of tables the column says nothing.
        count_bytes(kEntryBytes + (open_.empty() ? 2 * std::size_t{here_.column} : 0));
        break;
      case ',':
        dots_ = 0;
        count_bytes(kElementBytes);
        break;
      case '[':
      case '{':
        open(c);
        break;
      case ']':
      case '}':
        count_key();
        if (!open_.empty()) {
          open_.pop_back();
        }
        break;
      case '\n':
        dots_ = 0;
        break;
      default:
        break;
    }
  }

  // Whether the dots before this place belonged to a key or a number does not matter: both are bounded.
  void count_key() {
    key_dots_ += dots_;
    if (key_dots_ > kMaxDots) {
      refuse_here(fmt::format("more than {} dotted keys", kMaxDots), "write them as tables");
    }
    dots_ = 0;
  }

  void count_bytes(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > memory_.max_bytes) {
      refuse_here(
          fmt::format("reading this file takes more than the limit of {} MiB of memory", memory_.max_bytes >> 20U),
          memory_.hint);
    }
  }

  void open(char c) {
    if (c == '[' && line_is_empty_ && open_.empty()) {
      note_header();
    }
    open_.push_back({c, here_});
    if (open_.size() > kMaxDepth) {
      refuse_at(open_.front().at, fmt::format("more than {} brackets open inside this one", kMaxDepth - 1),
                "close it where its list or table ends");
    }
    dots_ = 0;
    count_bytes(kBracketBytes);
  }

  void refuse_open_bracket() {
    const char closing = open_.back().bracket == '[' ? ']' : '}';
    refuse_at(open_.back().at, fmt::format("this {} is not closed", open_.back().bracket),
              fmt::format("close it with {}", closing));
  }

  // A quoted name counts every time: it could hide a bracket.
  void note_header() {
    const std::string_view header =
        text_.substr(next_, std::min(text_.find_first_of("]\n", next_), text_.size()) - next_);
    if (header.find_first_of("\"'") != std::string_view::npos) {
      ++quoted_headers_;
    } else {
      headers_.insert(header);
    }
    if (headers_.size() + quoted_headers_ > kMaxHeaders) {
      refuse_here(fmt::format("more than {} different tables", kMaxHeaders), "this file has a handful of table names");
    }
  }

  std::string_view text_;
  const Memory& memory_;
  std::size_t bytes_;
  std::size_t next_ = 0;
  model::Position here_{1, 1};
  bool line_is_empty_ = true;
  struct Bracket {
    char bracket;
    model::Position at;
  };
  std::vector<Bracket> open_;
  std::uint32_t dots_ = 0;
  std::size_t key_dots_ = 0;
  std::set<std::string_view> headers_;
  std::size_t quoted_headers_ = 0;
  std::optional<Refusal> refusal_;
};

}  // namespace

std::optional<Refusal> refuse(std::string_view text, const Memory& memory) { return Guard(text, memory).run(); }

}  // namespace krait::config
