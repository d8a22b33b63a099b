#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "common/event/lock_file.h"
#include "krait/records/database.h"

namespace krait::records {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct SqliteCloser {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, SqliteCloser>;

class Sqlite final : public Database {
 public:
  Sqlite(std::unique_ptr<sqlite3, SqliteCloser> database, common::LockFile lock)
      : lock_(std::move(lock)), database_(std::move(database)) {}

  Result<void> run(const std::string& sql, const std::vector<Value>& parameters,
                   const std::function<void(Row&)>& visit) override {
    KRAIT_TRY(sqlite3_stmt* const statement, prepared(sql));
    const struct Reset {
      sqlite3_stmt* statement;
      ~Reset() {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
      }
    } reset{statement};
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      KRAIT_CHECK(bind(statement, fmt::format("${}", i + 1), parameters[i]));
    }
    for (;;) {
      const int result = sqlite3_step(statement);
      if (result == SQLITE_DONE) {
        return {};
      }
      if (result != SQLITE_ROW) {
        return failure();
      }
      Row row = row_of(statement);
      visit(row);
    }
  }

  Result<void> transact(const std::function<Result<void>()>& work) override {
    KRAIT_CHECK(Database::run("BEGIN IMMEDIATE"));
    auto done = work();
    if (done) {
      done = Database::run("COMMIT");
    }
    if (!done && sqlite3_get_autocommit(database_.get()) == 0) {
      std::ignore = Database::run("ROLLBACK");
    }
    return done;
  }

  Result<void> copy_to(const std::string& path) override {
    if (::access(path.c_str(), F_OK) == 0) {
      return Error(ErrorCode::invalid_input, path + " exists already; name a new file");
    }
    std::string quoted;
    for (const char c : path) {
      quoted += c == '\'' ? "''" : std::string(1, c);
    }
    return Database::run(fmt::format("VACUUM INTO '{}'", quoted));
  }

  [[nodiscard]] std::string_view bytes_type() const override { return "BLOB"; }
  [[nodiscard]] bool is_shared() const override { return false; }

  [[nodiscard]] Error failure() const {
    const int code = sqlite3_errcode(database_.get());
    const ErrorCode kind = code == SQLITE_FULL     ? ErrorCode::limit
                           : code == SQLITE_NOTADB ? ErrorCode::invalid_input
                                                   : ErrorCode::system;
    return {kind, fmt::format("the store: {}", sqlite3_errmsg(database_.get()))};
  }

 private:
  Result<sqlite3_stmt*> prepared(const std::string& sql) {
    Statement& statement = statements_[sql];
    if (!statement) {
      sqlite3_stmt* made = nullptr;
      if (sqlite3_prepare_v3(database_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr) !=
          SQLITE_OK) {
        const Error error = failure();
        statements_.erase(sql);
        return error;
      }
      statement.reset(made);
    }
    return statement.get();
  }

  // What is bound outlives the statement's run: no copy is made.
  Result<void> bind(sqlite3_stmt* statement, const std::string& name, const Value& value) const {
    const int index = sqlite3_bind_parameter_index(statement, name.c_str());
    int result = SQLITE_OK;
    switch (value.kind) {
      case Value::Kind::null:
        result = sqlite3_bind_null(statement, index);
        break;
      case Value::Kind::number:
        result = sqlite3_bind_int64(statement, index, value.number);
        break;
      case Value::Kind::bytes:
        result = sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
        break;
    }
    return result == SQLITE_OK ? Result<void>() : failure();
  }

  static Row row_of(sqlite3_stmt* statement) {
    Row row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
          row.emplace_back();
          break;
        case SQLITE_INTEGER:
          row.emplace_back(sqlite3_column_int64(statement, i));
          break;
        default: {
          const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, i));
          row.push_back(Value::of(std::string_view(bytes == nullptr ? "" : bytes,
                                                   static_cast<std::size_t>(sqlite3_column_bytes(statement, i)))));
        }
      }
    }
    return row;
  }

  common::LockFile lock_;
  std::unique_ptr<sqlite3, SqliteCloser> database_;
  std::map<std::string, Statement> statements_;
};

// WAL: readers and the writer do not wait for each other; FULL: what is committed is on the disk
// (sqlite.org/pragma.html).
constexpr const char* kSettings =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;";

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, bool must_exist) {
  if (must_exist && ::access(path.c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found,
                 fmt::format("there is no network in {}; make one: krait-coordinator init", path));
  }
  KRAIT_TRY(auto lock,
            common::LockFile::take(path + ".lock", fmt::format("another process has {} open; end it first", path)));
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<sqlite3, SqliteCloser> owned(opened);
  if (result != SQLITE_OK) {
    return Error(ErrorCode::system, fmt::format("open {}: {}", path, sqlite3_errstr(result)));
  }
  auto database = std::make_unique<Sqlite>(std::move(owned), std::move(lock));
  if (sqlite3_exec(opened, kSettings, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return database->failure().code() == ErrorCode::invalid_input
               ? Error(ErrorCode::invalid_input, path + " is no database of SQLite")
               : std::move(database->failure()).with_context("open " + path);
  }
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace krait::records
