// Reads a compiled snapshot the way the BPF program does, in user space: for policy tests and for explaining without
// root.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/result.h"
#include "krait/model/policy.h"

namespace krait::compile {

struct Judgement {
  model::Action action = model::Action::deny;
  std::optional<std::uint32_t> rule;  // index into Policy::rules; none: denied by default
};

// `from` and `to` are indexes into Policy::identities, `selector` is < KRAIT_SELECTORS; `image` is a Snapshot's.
Judgement evaluate(std::span<const std::byte> image, std::uint32_t from, std::uint32_t to, std::uint32_t selector);

// Runs the policy's own [[test]]s on the image. Fails with a diagnostic for each test that does not hold.
common::Result<void> run_policy_tests(std::span<const std::byte> image, const model::Policy& policy);

}  // namespace krait::compile
