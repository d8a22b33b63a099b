// What is wrong with one file: collected, so that one run shows everything there is to fix.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krait/model/policy.h"

namespace krait::config {

inline constexpr std::size_t kMaxFindings = 20;  // of a file; the first by position

// What is wrong and what to write instead (may be empty), without a place.
struct Fault {
  std::string message;
  std::string hint;
};

inline std::unexpected<Fault> fault(std::string message, std::string hint) {
  return std::unexpected(Fault{std::move(message), std::move(hint)});
}

class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  void add(model::Position at, std::string message, std::string hint = {});
  void add(model::Position at, Fault fault) { add(at, std::move(fault.message), std::move(fault.hint)); }

  // Whether a finding at `at` or behind it could no longer be among the reported ones: a reader that walks a file from
  // top to bottom may stop there, which bounds the time that a file full of faults takes.
  [[nodiscard]] bool settled(model::Position at) const;
  [[nodiscard]] bool empty() const { return found_.empty(); }
  // There is at least one. The last of as many as are reported says that there may be more.
  [[nodiscard]] common::Error take() &&;

 private:
  std::string file_;
  std::vector<common::Diagnostic> found_;  // ascending by position, at most kMaxFindings
};

// The text with control characters as \x1b, so that a hostile file cannot speak to the terminal through a message.
std::string printable(std::string_view text);
// The same in quotes, cut after 64 bytes.
std::string in_quotes(std::string_view text);

// The candidate that `text` was probably meant to be (at most a third of it mistyped), or empty. Of very many
// candidates only the first are looked at.
std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates);
// 'did you mean "candidate"?', or empty.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace krait::config
