// Reads a compiled snapshot the way the BPF program does, in user space: for policy tests and for explaining without
// root.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "krait/compile/compile.h"
#include "krait/model/policy.h"

namespace krait::compile {

struct Judgement {
  model::Action action = model::Action::deny;
  std::optional<std::uint32_t> rule;  // index into Policy::rules; none: denied by default
  bool expired = false;               // denied, since that rule has expired
};

// Who asks for what: indexes into Policy::identities, and a selector < KRAIT_SELECTORS.
struct Question {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t selector = 0;
};

// The answer at a moment of CLOCK_BOOTTIME.
Judgement evaluate(const Snapshot& snapshot, const Question& question, std::uint64_t boot_ns = 0);

// Runs the policy's own [[test]]s. Fails with a diagnostic for each test that does not hold, the
// first 20 of them.
common::Result<void> run_policy_tests(const Snapshot& snapshot, const model::Policy& policy, std::uint64_t boot_ns = 0);

}  // namespace krait::compile
