// The store as the service sees it.
#pragma once

#include <utility>

#include "krait/coordinator/ports.h"
#include "krait/records/store.h"

namespace krait::coordinator {

class StoreLedger final : public Ledger {
 public:
  explicit StoreLedger(records::Store& store) : store_(store) {}

  common::Result<std::optional<std::uint64_t>> commit(const Commit& commit) override {
    records::Change change{.base = commit.base, .who = commit.who, .what = commit.what, .at_s = commit.at_s};
    for (const fleet::Row& row : commit.rows) {
      change.records.push_back({static_cast<std::uint32_t>(row.kind), row.key, row.value, 0});
    }
    return store_.commit(change);
  }

  common::Result<std::uint64_t> read_since(std::uint64_t revision, std::vector<fleet::Row>& rows) override {
    std::uint64_t newest = 0;
    KRAIT_TRY(const auto now, store_.revision());
    KRAIT_CHECK(store_.since(revision, [&](records::Record& record) {
      newest = std::max(newest, record.revision);
      rows.push_back({static_cast<fleet::Kind>(record.kind), std::move(record.key), std::move(record.value)});
    }));
    return std::max(now, newest);
  }

 private:
  records::Store& store_;
};

}  // namespace krait::coordinator
