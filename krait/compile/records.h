// The numbers that rules keep from snapshot to snapshot, and what has to be remembered of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "krait/abi/snapshot.h"
#include "krait/model/policy.h"

namespace krait::compile {

struct Records {
  std::vector<krait_rule_record> records;  // by number
  std::vector<std::uint32_t> of_rule;      // numbers, like Policy::rules
};

// Rules of the same name keep their number; new ones take numbers that `former` does not use, the lowest first. A rule
// with a duration keeps the moment of its first load as long as nothing of it changes.
Records number_rules(const model::Policy& policy, const common::Moment& now, std::span<const krait_rule_record> former);

// krait_rule_record::name_hash of a rule's name.
std::uint64_t rule_name_hash(std::string_view name);

// When each rule stops on CLOCK_BOOTTIME; kNever for rules that do not. A moment that has passed is 0.
inline constexpr std::uint64_t kNever = ~0ULL;
std::vector<std::uint64_t> deadlines(const model::Policy& policy, const common::Moment& now, const Records& records);

}  // namespace krait::compile
