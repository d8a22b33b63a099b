// What the rules tell apart: identities that stand in the same rules, and ports that the same rules cover, share a
// class.
#pragma once

#include <cstdint>
#include <vector>

#include "krait/model/policy.h"

namespace krait::compile {

// A rule in terms of classes.
struct ClassedRule {
  std::vector<std::uint32_t> from;         // source classes, ascending; empty: any
  std::vector<std::uint32_t> to;           // destination classes, ascending; empty: any
  std::vector<std::uint32_t> port_bounds;  // pairs: first class, class behind the last
};

struct Classes {
  std::vector<std::uint32_t> source_of_identity;
  std::vector<std::uint32_t> destination_of_identity;
  std::uint32_t sources = 1;
  std::uint32_t destinations = 1;
  std::vector<std::uint32_t> port_of_selector;  // KRAIT_SELECTORS of them
  std::uint32_t ports = 1;                      // class 0: named by no rule
  std::vector<ClassedRule> rules;               // like Policy::rules
};

Classes classify(const model::Policy& policy);

}  // namespace krait::compile
