#include "krata/state/statement.h"

#include <sqlite3.h>

namespace krata::state {

using common::Error;
using common::ErrorCode;
using common::Result;

Error error_of(sqlite3* database) { return {ErrorCode::system, std::string("SQLite: ") + ::sqlite3_errmsg(database)}; }

Result<void> execute(sqlite3* database, const char* text) {
  return ::sqlite3_exec(database, text, nullptr, nullptr, nullptr) == SQLITE_OK ? Result<void>() : error_of(database);
}

Result<Statement> Statement::prepare(sqlite3* database, const char* text) {
  sqlite3_stmt* statement = nullptr;
  if (::sqlite3_prepare_v2(database, text, -1, &statement, nullptr) != SQLITE_OK) {
    return error_of(database);
  }
  return Statement(database, statement);
}

Statement::~Statement() { ::sqlite3_finalize(statement_); }

void Statement::bind(int parameter, std::int64_t value) { ::sqlite3_bind_int64(statement_, parameter, value); }

void Statement::bind(int parameter, const std::string& text) {
  ::sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

Result<bool> Statement::step() {
  switch (::sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return error_of(database_);
  }
}

void Statement::reset() { ::sqlite3_reset(statement_); }

bool Statement::is_null(int column) const { return ::sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::int64_t Statement::number(int column) const { return ::sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  const unsigned char* bytes = ::sqlite3_column_text(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(reinterpret_cast<const char*>(bytes),
                                        static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column)));
}

}  // namespace krata::state
