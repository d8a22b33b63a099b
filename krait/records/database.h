// The little of SQL that the store needs, the same over SQLite and PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krait::records {

// A bound parameter or a column: a number, bytes, or nothing (NULL).
struct Value {
  enum class Kind : std::uint8_t { null, number, bytes };
  Kind kind = Kind::null;
  std::int64_t number = 0;
  std::string bytes{};

  Value() = default;
  Value(std::int64_t value) : kind(Kind::number), number(value) {}  // NOLINT(google-explicit-constructor)
  static Value of(std::uint64_t value) { return {static_cast<std::int64_t>(value)}; }
  static Value of(std::string_view value) {
    Value made;
    made.kind = Kind::bytes;
    made.bytes = value;
    return made;
  }
};
using Row = std::vector<Value>;

// One connection with a database. Blocks. Parameters are $1, $2 ... in the text; {bytes} stands for the type of bytes.
class Database {
 public:
  virtual ~Database() = default;
  // Calls `visit` for each row of the result. Fails with unavailable where the database has gone (the next call
  // connects anew), with limit where its disk is full.
  virtual common::Result<void> run(const std::string& sql, const std::vector<Value>& parameters,
                                   const std::function<void(Row&)>& visit) = 0;
  common::Result<void> run(const std::string& sql, const std::vector<Value>& parameters = {}) {
    return run(sql, parameters, [](Row&) {});
  }
  // Runs `work` inside one serializable transaction, durable when it returns; again and again as long as the database
  // says that others were in the way.
  virtual common::Result<void> transact(const std::function<common::Result<void>()>& work) = 0;
  // The last one failed where nobody can say whether it was committed: the database went while it answered.
  [[nodiscard]] virtual bool is_in_doubt() const { return false; }

  // Another one after each connect: of what was told before it nobody has heard.
  [[nodiscard]] virtual std::uint64_t connection() const { return 0; }
  // Readable when another coordinator may have committed; -1: ask once in a while. Closed with its connection.
  [[nodiscard]] virtual int notice_fd() const { return -1; }
  // Whether one has, as far as has come there; to be asked after each run() too, which may have taken that in.
  virtual common::Result<bool> take_notices() { return false; }
  // In a transaction: tells the others once it is committed.
  virtual common::Result<void> notify() { return {}; }
  // A copy that is consistent, into a new file; unsupported where the database has its own tools.
  virtual common::Result<void> copy_to(const std::string& path) = 0;
  [[nodiscard]] virtual std::string_view bytes_type() const = 0;
  // Whether others may commit meanwhile.
  [[nodiscard]] virtual bool is_shared() const = 0;
};

// Opens or makes the file; `must_exist` refuses to make it. One process at a time: unavailable when another has it.
common::Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, bool must_exist);
// `where`: as libpq has it, "postgresql://..." or "host=... dbname=...".
common::Result<std::unique_ptr<Database>> open_postgresql(const std::string& where);

}  // namespace krait::records
