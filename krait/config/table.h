// Reads a table by a list of the keys it may have.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "krait/config/document.h"
#include "krait/config/findings.h"

namespace krait::config {

enum class Shape : std::uint8_t {
  text,
  integer,
  truth,
  texts,          // a list of strings, not empty
  text_or_texts,  // the same, or one string in place of a list of one
  table,
  tables,  // [[name]] or a list of inline tables, not empty
};

struct Key {
  std::string_view name;
  Shape shape = Shape::text;
  bool required = true;
  std::string_view example;  // a right line, for the hint: name = "web"
};

struct Text {
  std::string_view text;  // of the document
  model::Position at;
};

// Checks the whole table when it is made: unknown and missing keys, values of the wrong kind and empty lists become
// findings. Afterwards hands out what is right. `table` (kind table) must outlive it.
class Table {
 public:
  // `what` names the table in messages: [host].
  Table(const Value& table, std::string_view what, std::span<const Key> keys, Findings& findings);

  [[nodiscard]] model::Position at() const { return at_; }
  // The value, or nullptr when the key is absent or its value was a finding.
  [[nodiscard]] const Value* find(std::string_view key) const;
  // Whether the key is there and true.
  [[nodiscard]] bool truth(std::string_view key) const;
  // The string, or one without text when there is none (at is then the table's).
  [[nodiscard]] Text text(std::string_view key) const;
  [[nodiscard]] std::vector<Text> texts(std::string_view key) const;
  // The elements of a list of tables; those of another kind were findings and are left out, as in texts().
  [[nodiscard]] std::vector<const Value*> tables(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

 private:
  struct Slot {
    std::string_view key;
    const Value* value = nullptr;
  };
  model::Position at_;
  std::vector<Slot> slots_;
};

}  // namespace krait::config
