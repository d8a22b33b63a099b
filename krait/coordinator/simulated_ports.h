// For tests: what a coordinator's service stands on, without disks, sockets and time of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krait/coordinator/service.h"
#include "krait/fleet/test_author.h"

namespace krait::coordinator {

struct SimulatedClock final : Clock {
  [[nodiscard]] std::int64_t unix_s() const override { return fleet::kNow; }
  [[nodiscard]] std::int64_t steady_us() const override { return now_us; }
  std::int64_t now_us = 0;
};

// What outlives a coordinator.
struct MemoryLedger final : Ledger {
  common::Result<std::optional<std::uint64_t>> commit(const Commit& commit) override {
    if (commit.base != log.size()) {
      return std::optional<std::uint64_t>();
    }
    if (fails > 0) {
      --fails;
      return common::Error(common::ErrorCode::limit, "the disk is full");
    }
    log.push_back(commit.rows);
    return std::optional(static_cast<std::uint64_t>(log.size()));
  }
  // As a store does: of a row only the last value is left.
  common::Result<std::uint64_t> read_since(std::uint64_t revision, std::vector<fleet::Row>& rows) override {
    std::map<std::pair<fleet::Kind, std::string>, std::pair<std::uint64_t, fleet::Row>> last;
    for (std::uint64_t i = 0; i < log.size(); ++i) {
      for (const fleet::Row& row : log[i]) {
        last[{row.kind, row.key}] = {i + 1, row};
      }
    }
    std::multimap<std::uint64_t, fleet::Row> sorted;
    for (const auto& [key, entry] : last) {
      if (entry.first > revision && (revision != 0 || entry.second.value)) {
        sorted.insert(entry);
      }
    }
    for (auto& [number, row] : sorted) {
      rows.push_back(std::move(row));
    }
    return static_cast<std::uint64_t>(log.size());
  }
  std::vector<std::vector<fleet::Row>> log;
  int fails = 0;
};

// One connection: two queues of messages, each of which keeps its order.
struct Wire final : Peer {
  void send(const wire::Message& message) override { to_host.push_back(wire::encode(message)); }
  void send(const wire::Frame& frame) override {
    to_host.push_back(frame->substr(4));
    frames.push_back(frame);
  }
  void finish() override { finishing = true; }
  [[nodiscard]] bool idle() const override { return to_host.empty(); }
  std::deque<std::string> to_host;
  std::vector<wire::Frame> frames;  // that others may have been sent too
  std::deque<std::string> to_coordinator;
  bool finishing = false;
  SessionId session = 0;
};

}  // namespace krait::coordinator
