// Events of the data path as JSON and as text. The kernel's numbers may be anything. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/clock.h"
#include "krait/abi/maps.h"
#include "krait/control/protocol.h"

namespace krait::inspect {

using control::Json;

// The words for the numbers in events, from the agent's answer to `rules`.
class EventNames {
 public:
  explicit EventNames(const Json& rules);

  // Null for none, "tag:N" for one that the agent does not know.
  [[nodiscard]] Json identity(std::uint32_t tag) const;
  // Adds the rule's name and place; nulls when no rule decided, or one that is gone.
  void add_rule(std::uint32_t number_plus_1, Json& json) const;

 private:
  struct Rule {
    std::string name;
    std::uint64_t line = 0;
  };
  std::string file_;
  std::map<std::uint64_t, std::string> identities_;
  std::map<std::uint64_t, Rule> rules_;
};

// As `krait events -o json` prints it (docs/cli.md).
Json event_json(const krait_event& event, const EventNames& names, const common::Moment& now);
// One line, of what event_json() made.
std::string event_text(const Json& json);

}  // namespace krait::inspect
