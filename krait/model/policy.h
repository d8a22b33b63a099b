// A policy as plain values: who may open what to whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "krait/abi/selector.h"

namespace krait::model {

enum class Action : std::uint8_t { allow, deny };

// Where something stands in its file; both count from 1.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// Inclusive, in the numbering of krait/abi/selector.h; first <= last < KRAIT_SELECTORS.
struct SelectorRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  auto operator<=>(const SelectorRange&) const = default;
};

struct Identity {
  std::string name;
  std::uint32_t tag = 0;  // 1..4294967295; pinned in the file or derived from the name (krait/model/tags.h)
  Position at;
};

// One side of a rule: any identity, or these (indexes into Policy::identities, ascending, no duplicates).
struct Subjects {
  bool any = false;
  std::vector<std::uint32_t> identities;
};

// When a rule stops to apply.
struct Expiry {
  enum class Kind : std::uint8_t {
    at,    // a moment: seconds since 1970-01-01T00:00:00Z
    after  // a duration: seconds since the policy was loaded
  };
  Kind kind = Kind::at;
  std::int64_t seconds = 0;  // 0..253402300799, the end of the year 9999

  bool operator==(const Expiry&) const = default;
};

struct Rule {
  std::string name;
  Action action = Action::deny;
  Subjects from;
  Subjects to;
  std::vector<SelectorRange> selectors;  // ascending, disjoint, not adjacent, not empty
  std::optional<Expiry> expires{};
  bool log = false;     // sampled events of what it decides
  bool reject = false;  // a local application learns at once that its packet was denied by it, or by its expiry
  // Where this host has a lease from its coordinator: an end besides, in Unix time as Expiry::Kind::at.
  std::optional<std::int64_t> lease_ends_s{};
  bool outlasts_lease = false;  // holds too while no coordinator has confirmed the policy for the lease's length
  Position at;                  // of its [[rule]]
};

struct PolicyTest {
  std::uint32_t from = 0;  // indexes into Policy::identities
  std::uint32_t to = 0;
  std::string port;  // as written, for messages
  std::vector<SelectorRange> selectors;
  Action expect = Action::deny;
  Position at;  // of its [[test]]
};

struct Policy {
  std::string file;       // as the user named it, for messages
  common::Digest digest;  // of the file's text
  std::vector<Identity> identities;
  std::vector<Rule> rules;  // in the order of the file
  std::vector<PolicyTest> tests;
  // On hosts that have joined a network: how long rules hold without the coordinator's confirming them; 0: for good.
  std::uint32_t lease_s = 0;
  bool preshared_keys = false;  // likewise: whether each pair of hosts has one

  // The index of the identity, or -1.
  [[nodiscard]] std::int64_t find_identity(std::string_view name) const;
};

}  // namespace krait::model
