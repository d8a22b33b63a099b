#include "krait/records/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace krait::records {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// What each version adds to the one before: the first makes version 1 out of nothing.
const std::array<std::vector<std::string>, kSchema> kMigrations{{
    {"CREATE TABLE krait_number (name VARCHAR(32) PRIMARY KEY, value BIGINT NOT NULL)",
     // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): long statements go on in the next line
     "CREATE TABLE krait_record (kind BIGINT NOT NULL, key {bytes} NOT NULL, revision BIGINT NOT NULL, value {bytes}, "
     "PRIMARY KEY (kind, key))",
     "CREATE INDEX krait_record_revision ON krait_record (revision)",
     "CREATE TABLE krait_audit (number BIGINT PRIMARY KEY, at_s BIGINT NOT NULL, who {bytes} NOT NULL, "
     "what {bytes} NOT NULL, revision BIGINT NOT NULL, hash {bytes} NOT NULL)",
     "INSERT INTO krait_number (name, value) VALUES ('schema', 1), ('revision', 0), ('audit', 0)"},
}};

std::string with_types(std::string sql, const Database& database) {
  constexpr std::string_view kPlace = "{bytes}";
  for (std::size_t at = sql.find(kPlace); at != std::string::npos; at = sql.find(kPlace, at)) {
    sql.replace(at, kPlace.size(), database.bytes_type());
  }
  return sql;
}

// Nothing: there are no tables of ours.
Result<std::optional<std::int64_t>> schema_of(Database& database) {
  const char* find = database.is_shared() ? "SELECT 1::BIGINT FROM pg_tables WHERE tablename = 'krait_number' AND "
                                            "schemaname = ANY (current_schemas(false))"
                                          : "SELECT 1 FROM sqlite_master WHERE name = 'krait_number'";
  bool found = false;
  KRAIT_CHECK(database.run(find, {}, [&](Row&) { found = true; }));
  std::optional<std::int64_t> version;
  if (found) {
    KRAIT_CHECK(database.run("SELECT value FROM krait_number WHERE name = 'schema'", {},
                             [&](Row& row) { version = row[0].number; }));
  }
  return version;
}

Result<void> migrate_from(Database& database, std::int64_t version) {
  return database.transact([&]() -> Result<void> {
    for (auto next = static_cast<std::size_t>(version); next < kMigrations.size(); ++next) {
      for (const std::string& sql : kMigrations[next]) {
        KRAIT_CHECK(database.run(with_types(sql, database)));
      }
    }
    return database.run("UPDATE krait_number SET value = $1 WHERE name = 'schema'", {Value(kSchema)});
  });
}

Entry entry_of(Row& row) {
  Entry entry{.number = static_cast<std::uint64_t>(row[0].number),
              .at_s = row[1].number,
              .who = std::move(row[2].bytes),
              .what = std::move(row[3].bytes),
              .revision = static_cast<std::uint64_t>(row[4].number),
              .hash = {}};
  if (row[5].bytes.size() == entry.hash.size()) {
    std::copy(row[5].bytes.begin(), row[5].bytes.end(), entry.hash.begin());
  }
  return entry;
}

constexpr const char* kEntryColumns = "number, at_s, who, what, revision, hash";

std::string_view view_of(const crypto::Hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

}  // namespace

crypto::Hash hash_of_entry(const crypto::Hash& former, const Entry& entry) {
  // The lengths keep apart what could be cut in two ways.
  std::string text(view_of(former));
  text += fmt::format("{}\n{}\n{}\n{}\n{}\n", entry.number, entry.at_s, entry.revision, entry.who.size(),
                      entry.what.size());
  return crypto::hash_of("krait-audit", text + entry.who + entry.what);
}

Result<Store> Store::open(std::unique_ptr<Database> database) {
  KRAIT_TRY(const auto version, schema_of(*database));
  if (!version) {
    return Error(ErrorCode::not_found, "there is no network in this database; make one: krait-coordinator init");
  }
  if (*version != kSchema) {
    return Error(
        ErrorCode::invalid_input,
        *version < kSchema
            ? fmt::format("the store has version {}, this program works with {}; back it up, then: "
                          "krait-coordinator migrate",
                          *version, kSchema)
            : fmt::format("the store has version {}, of a newer krait-coordinator; this one knows {}; upgrade it",
                          *version, kSchema));
  }
  return Store(std::move(database));
}

Result<Store> Store::create(std::unique_ptr<Database> database) {
  KRAIT_TRY(const auto version, schema_of(*database));
  if (version) {
    return Error(ErrorCode::invalid_input, "there is a network in this database already");
  }
  KRAIT_CHECK(migrate_from(*database, 0), "make the tables");
  return Store(std::move(database));
}

Result<std::int64_t> Store::migrate(Database& database) {
  KRAIT_TRY(const auto version, schema_of(database));
  if (!version) {
    return Error(ErrorCode::not_found, "there is no network in this database");
  }
  if (*version > kSchema) {
    return Error(ErrorCode::invalid_input, "the store is of a newer krait-coordinator; there is no way back");
  }
  KRAIT_CHECK(migrate_from(database, *version), "migrate the store");
  return *version;
}

Result<std::uint64_t> Store::number(std::string_view name) {
  std::optional<std::uint64_t> value;
  // The name is one of ours.
  KRAIT_CHECK(database_->run(fmt::format("SELECT value FROM krait_number WHERE name = '{}'", name), {},
                             [&](Row& row) { value = static_cast<std::uint64_t>(row[0].number); }));
  if (!value) {
    return Error(ErrorCode::system, fmt::format("the store has lost its number '{}'", name));
  }
  return *value;
}

Result<std::uint64_t> Store::revision() { return number("revision"); }

Result<void> Store::since(std::uint64_t revision, const std::function<void(Record&)>& visit) {
  const std::string sql = revision == 0 ? "SELECT kind, key, value, revision FROM krait_record WHERE revision > $1 AND "
                                          "value IS NOT NULL ORDER BY revision, kind, key"
                                        : "SELECT kind, key, value, revision FROM krait_record WHERE revision > $1 "
                                          "ORDER BY revision, kind, key";
  return database_->run(sql, {Value::of(revision)}, [&](Row& row) {
    Record record{.kind = static_cast<std::uint32_t>(row[0].number),
                  .key = std::move(row[1].bytes),
                  .value = {},
                  .revision = static_cast<std::uint64_t>(row[3].number)};
    if (row[2].kind != Value::Kind::null) {
      record.value = std::move(row[2].bytes);
    }
    visit(record);
  });
}

Result<std::optional<std::string>> Store::value(std::uint32_t kind, const std::string& key) {
  std::optional<std::string> value;
  KRAIT_CHECK(database_->run("SELECT value FROM krait_record WHERE kind = $1 AND key = $2 AND value IS NOT NULL",
                             {Value(std::int64_t{kind}), Value::of(key)},
                             [&](Row& row) { value = std::move(row[0].bytes); }));
  return value;
}

Result<void> Store::put(const Record& record, std::uint64_t revision) {
  return database_->run(
      "INSERT INTO krait_record (kind, key, value, revision) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) DO UPDATE "
      "SET value = excluded.value, revision = excluded.revision",
      {Value(std::int64_t{record.kind}), Value::of(record.key), record.value ? Value::of(*record.value) : Value(),
       Value::of(revision)});
}

Result<void> Store::append(Entry entry) {
  KRAIT_TRY(const auto last, number("audit"));
  crypto::Hash former{};
  KRAIT_CHECK(database_->run(fmt::format("SELECT {} FROM krait_audit WHERE number = $1", kEntryColumns),
                             {Value::of(last)}, [&](Row& row) { former = entry_of(row).hash; }));
  entry.number = last + 1;
  entry.hash = hash_of_entry(former, entry);
  KRAIT_CHECK(database_->run(fmt::format("INSERT INTO krait_audit ({}) VALUES ($1, $2, $3, $4, $5, $6)", kEntryColumns),
                             {Value::of(entry.number), Value(entry.at_s), Value::of(entry.who), Value::of(entry.what),
                              Value::of(entry.revision), Value::of(view_of(entry.hash))}));
  return database_->run("UPDATE krait_number SET value = $1 WHERE name = 'audit'", {Value::of(entry.number)});
}

// Whether the next revision is this change. Another coordinator's is another one by what it holds, or else the same.
Result<bool> Store::was_made(const Change& change) {
  bool is_same = false;
  KRAIT_CHECK(database_->run(
      fmt::format("SELECT {} FROM krait_audit WHERE revision = $1 ORDER BY number LIMIT 1", kEntryColumns),
      {Value::of(change.base + 1)}, [&](Row& row) {
        const Entry entry = entry_of(row);
        is_same = entry.who == change.who && entry.what == change.what && entry.at_s == change.at_s;
      }));
  std::map<std::pair<std::uint32_t, std::string>, Record> now;
  KRAIT_CHECK(since(change.base, [&](Record& record) {
    const auto key = std::pair(record.kind, record.key);
    now.insert_or_assign(key, std::move(record));
  }));
  return is_same && std::ranges::all_of(change.records, [&](const Record& record) {
           const auto found = now.find({record.kind, record.key});  // a later revision may have changed it again
           return found != now.end() &&
                  (found->second.revision > change.base + 1 || found->second.value == record.value);
         });
}

Result<std::optional<std::uint64_t>> Store::commit(const Change& change) {
  bool overtaken = false;
  const std::uint64_t next = change.base + 1;
  auto done = database_->transact([&]() -> Result<void> {
    KRAIT_TRY(const auto now, revision());
    overtaken = now != change.base;
    if (overtaken) {
      return {};
    }
    for (const Record& record : change.records) {
      KRAIT_CHECK(put(record, next));
    }
    KRAIT_CHECK(database_->run("UPDATE krait_number SET value = $1 WHERE name = 'revision'", {Value::of(next)}));
    KRAIT_CHECK(append({.at_s = change.at_s, .who = change.who, .what = change.what, .revision = next}));
    return database_->notify();
  });
  if (!done && database_->is_in_doubt()) {
    const auto made = was_made(change);
    if (made && *made) {
      return std::optional(next);
    }
    // Not there yet: a server may go on with what was asked by who has gone.
    return Error(ErrorCode::unavailable,
                 fmt::format("{}; it was committing, so the change may have been made: look, before you try again",
                             done.error().text()));
  }
  if (!done) {
    return common::passed_on(done, "commit a change");
  }
  return overtaken ? std::optional<std::uint64_t>() : next;
}

Result<void> Store::note(const std::string& who, const std::string& what, std::int64_t at_s) {
  return database_->transact([&]() -> Result<void> {
    KRAIT_TRY(const auto now, revision());
    return append({.at_s = at_s, .who = who, .what = what, .revision = now});
  });
}

Result<std::vector<Entry>> Store::audit(std::uint64_t most) {
  std::vector<Entry> entries;
  KRAIT_TRY(const auto last, number("audit"));
  KRAIT_CHECK(database_->run(fmt::format("SELECT {} FROM krait_audit WHERE number > $1 ORDER BY number", kEntryColumns),
                             {Value::of(last > most ? last - most : 0)},
                             [&](Row& row) { entries.push_back(entry_of(row)); }));
  return entries;
}

Result<std::uint64_t> Store::verify_audit() {
  std::uint64_t seen = 0;
  std::optional<std::uint64_t> broken;
  crypto::Hash former{};
  KRAIT_CHECK(
      database_->run(fmt::format("SELECT {} FROM krait_audit ORDER BY number", kEntryColumns), {}, [&](Row& row) {
        const Entry entry = entry_of(row);
        ++seen;
        if (!broken && (entry.number != seen || entry.hash != hash_of_entry(former, entry))) {
          broken = seen;
        }
        former = entry.hash;
      }));
  KRAIT_TRY(const auto last, number("audit"));
  if (!broken && seen != last) {
    broken = seen + 1;
  }
  if (broken) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("the audit was changed: its chain breaks at line {} of {}", *broken, last));
  }
  return seen;
}

}  // namespace krait::records
