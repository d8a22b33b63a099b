#include "krata/state/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <tuple>

#include "common/answer.h"
#include "common/fd.h"
#include "krata/model/zone_json.h"
#include "krata/state/statement.h"

namespace krata::state {

using common::Error;
using common::ErrorCode;
using common::Result;
using model::End;
using model::ZoneRecord;

namespace {

// Each brings a file from the shape of its index to the next one.
constexpr std::array<const char*, kShape> kMigrations{R"(
  CREATE TABLE zones (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT UNIQUE NOT NULL,
    spec TEXT NOT NULL,
    goal INTEGER NOT NULL,
    created_s INTEGER NOT NULL,
    root TEXT NOT NULL,
    run INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    domain INTEGER,
    started_s INTEGER NOT NULL,
    ended_s INTEGER NOT NULL,
    heard_end TEXT,
    end TEXT
  ) STRICT)",
                                                      R"(
  ALTER TABLE zones ADD COLUMN is_to_start INTEGER NOT NULL DEFAULT 0)"};

constexpr const char* kColumns =
    "id, name, spec, goal, created_s, root, run, failures, domain, started_s, ended_s, heard_end, end, is_to_start";

Error damaged(std::string_view what) {
  return {ErrorCode::invalid_input,
          fmt::format("the state holds {}; restore the file from a backup, or move it away to begin anew", what)};
}

Result<std::optional<End>> end_of(const std::optional<std::string>& text) {
  if (!text) {
    return std::optional<End>();
  }
  const auto json = common::parse_json_object(*text);
  if (!json) {
    return damaged("an end that is none");
  }
  KRAIT_TRY(auto end, model::end_from_json(*json));
  return std::optional<End>(std::move(end));
}

std::optional<std::string> text_of(const std::optional<End>& end) {
  return end ? std::optional(model::end_json(*end).dump(-1, ' ', true, common::Json::error_handler_t::replace))
             : std::nullopt;
}

Result<ZoneRecord> record_of(const Statement& row) {
  ZoneRecord record;
  const auto id = model::ZoneId::parse(row.text(0));
  const auto spec = common::parse_json_object(row.text(2));
  if (!id || !spec) {
    return damaged("a zone that is none");
  }
  record.id = *id;
  KRAIT_TRY(record.spec, model::spec_from_json(*spec), "a zone in the state");
  const std::int64_t goal = row.number(3);
  if (goal < 0 || goal > static_cast<std::int64_t>(model::Goal::forget)) {
    return damaged("a goal that is none");
  }
  record.goal = static_cast<model::Goal>(goal);
  record.created_s = row.number(4);
  record.root = row.text(5);
  record.run = static_cast<std::uint32_t>(row.number(6));
  record.failures = static_cast<std::uint32_t>(row.number(7));
  if (!row.is_null(8)) {
    record.domain = static_cast<std::uint32_t>(row.number(8));
  }
  record.started_s = row.number(9);
  record.ended_s = row.number(10);
  KRAIT_TRY(record.heard_end, end_of(row.optional_text(11)));
  KRAIT_TRY(record.end, end_of(row.optional_text(12)));
  record.is_to_start = row.number(13) != 0;
  return record;
}

void bind_record(Statement& statement, const ZoneRecord& record) {
  statement.bind(1, record.id.text());
  statement.bind(2, record.spec.name);
  statement.bind(3, model::spec_json(record.spec).dump(-1, ' ', true, common::Json::error_handler_t::replace));
  statement.bind(4, static_cast<std::int64_t>(record.goal));
  statement.bind(5, record.created_s);
  statement.bind(6, record.root);
  statement.bind(7, std::int64_t{record.run});
  statement.bind(8, std::int64_t{record.failures});
  if (record.domain) {
    statement.bind(9, std::int64_t{*record.domain});
  }
  statement.bind(10, record.started_s);
  statement.bind(11, record.ended_s);
  if (const auto text = text_of(record.heard_end)) {
    statement.bind(12, *text);
  }
  if (const auto text = text_of(record.end)) {
    statement.bind(13, *text);
  }
  statement.bind(14, std::int64_t{record.is_to_start});
}

// SQLite would make the file with the process's umask.
Result<void> make_file(const std::string& path) {
  const common::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) {
    return Error::from_errno(errno, "open " + path);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<State>> State::open(const std::string& path) {
  KRAIT_CHECK(make_file(path));
  sqlite3* database = nullptr;
  const int opened = ::sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<State> state(new State(database));
  if (opened != SQLITE_OK) {
    return Error(ErrorCode::system, fmt::format("open {}: {}", path, ::sqlite3_errstr(opened)));
  }
  KRAIT_CHECK(state->prepare(path), "open " + path);
  return state;
}

State::~State() { ::sqlite3_close(database_); }

Result<void> State::prepare(const std::string& path) {
  // One process alone: no index of the write-ahead log that others would share, and no rights on it.
  if (!execute(database_, "PRAGMA locking_mode = EXCLUSIVE") || !execute(database_, "PRAGMA journal_mode = WAL")) {
    const int code = ::sqlite3_errcode(database_);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      return Error(ErrorCode::unavailable, "another process has " + path + "; end it first");
    }
    return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? damaged("no database") : error_of(database_);
  }
  KRAIT_CHECK(execute(database_, "PRAGMA synchronous = FULL"));
  return migrate();
}

Result<void> State::migrate() {
  KRAIT_TRY(auto asked, Statement::prepare(database_, "PRAGMA user_version"));
  KRAIT_TRY(const bool has_row, asked.step());
  const std::int64_t shape = has_row ? asked.number(0) : 0;
  asked.reset();
  if (shape < 0 || shape > kShape) {
    return Error(
        ErrorCode::unsupported,
        fmt::format("the state has the shape {}, of a newer kratad; this one knows {} at most", shape, kShape));
  }
  for (auto from = static_cast<std::size_t>(shape); from < kMigrations.size(); ++from) {
    const std::string text =
        fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version = {}; COMMIT", kMigrations.at(from), from + 1);
    if (auto done = execute(database_, text.c_str()); !done) {
      std::ignore = execute(database_, "ROLLBACK");
      return passed_on(done, "bring the state to this program's shape");
    }
  }
  return {};
}

Result<std::vector<ZoneRecord>> State::zones() const {
  const std::string text = fmt::format("SELECT {} FROM zones ORDER BY created_s, id", kColumns);
  KRAIT_TRY(auto statement, Statement::prepare(database_, text.c_str()), "read the zones");
  std::vector<ZoneRecord> records;
  for (;;) {
    KRAIT_TRY(const bool has_row, statement.step(), "read the zones");
    if (!has_row) {
      return records;
    }
    KRAIT_TRY(auto record, record_of(statement));
    records.push_back(std::move(record));
  }
}

Result<void> State::add(const ZoneRecord& record) {
  const std::string text =
      fmt::format("INSERT INTO zones ({}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)", kColumns);
  KRAIT_TRY(auto statement, Statement::prepare(database_, text.c_str()), "write the zone down");
  bind_record(statement, record);
  if (auto done = statement.step(); !done) {
    return ::sqlite3_extended_errcode(database_) == SQLITE_CONSTRAINT_UNIQUE
               ? Error(ErrorCode::invalid_input,
                       fmt::format("a zone is called {} already; give another name, or destroy that one",
                                   record.spec.name))
               : passed_on(done, "write the zone down");
  }
  return {};
}

Result<void> State::save(const ZoneRecord& record) {
  KRAIT_TRY(
      auto statement,
      Statement::prepare(database_,
                         "UPDATE zones SET spec = ?3, goal = ?4, created_s = ?5, root = ?6, run = ?7, failures = ?8, "
                         "domain = ?9, started_s = ?10, ended_s = ?11, heard_end = ?12, end = ?13, "
                         "is_to_start = ?14 "
                         "WHERE id = ?1 AND name = ?2"),
      "write the zone down");
  bind_record(statement, record);
  KRAIT_TRY([[maybe_unused]] const bool has_row, statement.step(), "write the zone down");
  if (::sqlite3_changes(database_) != 1) {
    return Error(ErrorCode::not_found,
                 fmt::format("the state has no zone {} called {}", record.id.text(), record.spec.name));
  }
  return {};
}

Result<void> State::remove(const model::ZoneId& id) {
  KRAIT_TRY(auto statement, Statement::prepare(database_, "DELETE FROM zones WHERE id = ?1"), "forget the zone");
  statement.bind(1, id.text());
  KRAIT_TRY([[maybe_unused]] const bool has_row, statement.step(), "forget the zone");
  return {};
}

}  // namespace krata::state
