// Where a coordinator keeps its network: records that carry the revision which last changed them, and the audit. One
// model for both databases; nothing here knows what a record means.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/crypto/hash.h"
#include "krait/records/database.h"

namespace krait::records {

inline constexpr std::int64_t kSchema = 1;  // the tables' version that this program has

struct Record {
  std::uint32_t kind = 0;
  std::string key{};
  std::optional<std::string> value{};  // nothing: removed
  std::uint64_t revision = 0;          // that changed it last
  bool operator==(const Record&) const = default;
};

// One change of the network.
struct Change {
  std::uint64_t base = 0;  // the revision that it was made from
  std::string who{};
  std::string what{};
  std::int64_t at_s = 0;
  std::vector<Record> records{};  // their revision is not read
};

// A line of the audit. Its hash covers the former one's, so that none can be changed, left out or put in unseen.
struct Entry {
  std::uint64_t number = 0;  // 1, 2, 3 ... without a gap
  std::int64_t at_s = 0;
  std::string who{};
  std::string what{};
  std::uint64_t revision = 0;
  crypto::Hash hash{};
};

crypto::Hash hash_of_entry(const crypto::Hash& former, const Entry& entry);

// Blocks on its database. Not thread-safe.
class Store {
 public:
  // Fails with invalid_input where the tables are older (krait-coordinator migrate) or newer than this program.
  static common::Result<Store> open(std::unique_ptr<Database> database);
  // Makes the tables; fails where there are some.
  static common::Result<Store> create(std::unique_ptr<Database> database);
  // Brings the tables to kSchema, in one transaction. Gives the version that they had.
  static common::Result<std::int64_t> migrate(Database& database);

  common::Result<std::uint64_t> revision();
  // Every record that a later revision changed, by revision; of revision 0, all that are there.
  common::Result<void> since(std::uint64_t revision, const std::function<void(Record&)>& visit);
  // What one record holds now; nothing: it was removed, or never was.
  common::Result<std::optional<std::string>> value(std::uint32_t kind, const std::string& key);
  // Makes the next revision of it, all or nothing, durable when it returns; with a line of the audit. Nothing: another
  // one than `base` is in force meanwhile, and nothing was written. Where the database went while it committed it is
  // asked once more what became of that.
  common::Result<std::optional<std::uint64_t>> commit(const Change& change);
  // A line of the audit alone.
  common::Result<void> note(const std::string& who, const std::string& what, std::int64_t at_s);

  // The last `most` lines, the oldest first.
  common::Result<std::vector<Entry>> audit(std::uint64_t most);
  // The number of lines; fails with invalid_input, saying at which line the chain breaks.
  common::Result<std::uint64_t> verify_audit();

  [[nodiscard]] Database& database() { return *database_; }

 private:
  explicit Store(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  common::Result<std::uint64_t> number(std::string_view name);
  common::Result<void> put(const Record& record, std::uint64_t revision);
  common::Result<bool> was_made(const Change& change);
  common::Result<void> append(Entry entry);

  std::unique_ptr<Database> database_;
};

}  // namespace krait::records
