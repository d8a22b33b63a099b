// A TOML document as plain values with their places. The only user of the TOML library stands behind it (document.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "krait/config/guard.h"
#include "krait/model/policy.h"

namespace krait::config {

struct Entry;
struct Value;

using Items = std::vector<Value>;
using Entries = std::vector<Entry>;

// Numbers with a fraction, dates and times have no use: their kind is all that is kept. When a rule ends is a string.
enum class Kind : std::uint8_t { text, integer, fraction, truth, time, list, table };

struct Value {
  Kind kind = Kind::table;
  model::Position at;  // of the value; of its header for [table] and [[table]]
  std::variant<std::monostate, bool, std::string, std::int64_t, Items, Entries> content;

  [[nodiscard]] bool truth() const { return std::get<bool>(content); }
  [[nodiscard]] const std::string& text() const { return std::get<std::string>(content); }
  [[nodiscard]] std::int64_t integer() const { return std::get<std::int64_t>(content); }
  [[nodiscard]] const Items& items() const { return std::get<Items>(content); }
  [[nodiscard]] const Entries& entries() const { return std::get<Entries>(content); }
};

struct Entry {
  std::string key;
  model::Position at;  // of the key
  Value value;
};

// The root table. Any bytes give a document or a diagnostic in time and memory bounded by their number; lists and
// tables nest at most as deep as guard.h allows.
common::Result<Value> parse_document(std::string_view text, const std::string& file, const Memory& memory);

}  // namespace krait::config
