// What the coordinator's service stands on: a store, connections, clocks. Tests stand in for them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/fleet/network.h"
#include "krait/wire/connection.h"
#include "krait/wire/message.h"

namespace krait::coordinator {

struct Commit {
  std::uint64_t base = 0;
  const std::string& who;
  const std::string& what;
  std::int64_t at_s = 0;
  const std::vector<fleet::Row>& rows;
};

class Ledger {
 public:
  virtual ~Ledger() = default;
  // The next revision, once it is durable; nothing: another one than `base` is in force meanwhile.
  virtual common::Result<std::optional<std::uint64_t>> commit(const Commit& commit) = 0;
  // Adds what later revisions than this one changed, and gives the newest; an older one than this where the store has
  // gone back.
  virtual common::Result<std::uint64_t> read_since(std::uint64_t revision, std::vector<fleet::Row>& rows) = 0;
};

// The other end of a connection.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void send(const wire::Message& message) = 0;
  virtual void send(const wire::Frame& frame) = 0;  // one of which others may have the same
  virtual void finish() = 0;                        // ends once everything has left
  [[nodiscard]] virtual bool idle() const = 0;      // everything has left
};

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t unix_s() const = 0;
  [[nodiscard]] virtual std::int64_t steady_us() const = 0;
};

}  // namespace krait::coordinator
