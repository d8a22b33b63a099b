// Kratad's desired state in SQLite: the zones that somebody wants, and how far each is. Whatever has been written is
// there after a SIGKILL or a crash of the host.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/model/zone.h"

struct sqlite3;

namespace krata::state {

// One process has the file at a time; one thread. Each call is one transaction and blocks on the disk. Errors: system,
// with SQLite's own words (a full disk among them).
class State {
 public:
  // Makes the file (0600) where there is none and brings an older one to this program's shape. Fails with unsupported
  // where a newer program wrote it, with invalid_input where it is damaged or something else, and with unavailable
  // where another process has it.
  static common::Result<std::unique_ptr<State>> open(const std::string& path);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  [[nodiscard]] common::Result<std::vector<model::ZoneRecord>> zones() const;  // by age
  // invalid_input: a zone has this name.
  common::Result<void> add(const model::ZoneRecord& record);
  // Of a zone that was added; its id and name stay. not_found.
  common::Result<void> save(const model::ZoneRecord& record);
  common::Result<void> remove(const model::ZoneId& id);  // also when there is none

 private:
  explicit State(sqlite3* database) : database_(database) {}
  common::Result<void> prepare(const std::string& path);
  common::Result<void> migrate();

  sqlite3* database_;
};

// The shape that this program writes (PRAGMA user_version).
inline constexpr int kShape = 2;

}  // namespace krata::state
