// One statement of SQLite.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace krata::state {

// What the last call on it failed with.
common::Error error_of(sqlite3* database);
// Statements without parameters and without answers that matter.
common::Result<void> execute(sqlite3* database, const char* text);

// Move-only. The database outlives it. Parameters count from 1, columns from 0.
class Statement {
 public:
  static common::Result<Statement> prepare(sqlite3* database, const char* text);
  Statement(Statement&& other) noexcept
      : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  void bind(int parameter, std::int64_t value);  // what is not bound is NULL
  void bind(int parameter, const std::string& text);

  // True: there is a row.
  common::Result<bool> step();
  void reset();

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::optional<std::string> optional_text(int column) const {
    return is_null(column) ? std::nullopt : std::optional(text(column));
  }

 private:
  Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}

  sqlite3* database_;
  sqlite3_stmt* statement_;
};

}  // namespace krata::state
