// Asks the data path itself what it would do with one packet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"
#include "krait/model/policy.h"

namespace krait::inspect {

struct Explanation {
  bool allowed = false;
  std::optional<std::uint32_t> rule;  // index into Policy::rules; none: no rule decides
  bool by_program = false;            // the BPF program's verdict, else the compiled policy's
  std::string note;                   // what else must be said; may be empty
};

// `from` and `to` are indexes into Policy::identities; `selector` is < KRAIT_SELECTORS. Runs the BPF program on a
// packet of that kind where this process may, and fails (system) when it contradicts the compiled policy.
common::Result<Explanation> explain(const model::Policy& policy, std::uint32_t from, std::uint32_t to,
                                    std::uint32_t selector);

}  // namespace krait::inspect
