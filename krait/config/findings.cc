#include "krait/config/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace krait::config {

namespace {

constexpr std::size_t kMaxQuotedBytes = 64;
constexpr std::size_t kMaxComparedBytes = 64;
constexpr std::size_t kMaxCompared = 4096;  // a file may have a million long names, and twenty findings

// Levenshtein distance with neighbouring letters exchanged counting as one; stops at `most` + 1. O(|a| * |b|).
std::size_t distance(std::string_view a, std::string_view b, std::size_t most) {
  using Row = std::array<std::size_t, kMaxComparedBytes + 1>;
  Row before_last{};
  Row last{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > most) {
      return most + 1;
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

void Findings::add(model::Position at, std::string message, std::string hint) {
  if (settled(at)) {
    return;
  }
  const auto place = [](const common::Diagnostic& d) { return std::tuple(d.line, d.column); };
  const auto after = std::ranges::upper_bound(found_, std::tuple(at.line, at.column), {}, place);
  found_.insert(after, {file_, at.line, at.column, std::move(message), std::move(hint)});
  if (found_.size() > kMaxFindings) {
    found_.pop_back();
  }
}

bool Findings::settled(model::Position at) const {
  return found_.size() == kMaxFindings &&
         std::tuple(at.line, at.column) >= std::tuple(found_.back().line, found_.back().column);
}

common::Error Findings::take() && {
  if (found_.size() == kMaxFindings) {
    std::string& hint = found_.back().hint;
    hint += fmt::format("{}at most {} are shown, so check again then", hint.empty() ? "" : "; ", kMaxFindings);
  }
  return common::Error::from_diagnostics(std::move(found_));
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // C1 controls are 0xc2 0x80..0x9f in UTF-8; some terminals obey them.
    const bool c1 = byte >= 0x80 && byte < 0xa0 && !result.empty() && result.back() == '\xc2';
    if (c1) {
      result.pop_back();
    }
    if (byte < 0x20 || byte == 0x7f || c1) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kMaxQuotedBytes) {
    return fmt::format("\"{}\"", printable(text));
  }
  std::size_t cut = kMaxQuotedBytes;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0U) == 0x80U) {  // not inside a UTF-8 sequence
    --cut;
  }
  return fmt::format("\"{}...\"", printable(text.substr(0, cut)));
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates) {
  if (text.empty() || text.size() > kMaxComparedBytes) {
    return {};
  }
  std::string_view best;
  std::size_t most = std::max<std::size_t>(1, text.size() / 3);
  for (const std::string_view candidate : candidates.first(std::min(candidates.size(), kMaxCompared))) {
    const std::size_t gap =
        candidate.size() > text.size() ? candidate.size() - text.size() : text.size() - candidate.size();
    if (candidate.empty() || candidate.size() > kMaxComparedBytes || gap > most) {
      continue;
    }
    const std::size_t d = distance(text, candidate, most);
    if (d > most || (!best.empty() && d == most)) {
      continue;
    }
    best = candidate;
    most = d;
    if (d == 0) {
      break;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
  const std::string_view near = nearest(text, candidates);
  return near.empty() ? std::string() : fmt::format("did you mean {}?", in_quotes(near));
}

}  // namespace krait::config
