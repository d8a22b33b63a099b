// Random policies, small enough to disagree about and nasty enough to find something: nested prefixes, ranges that
// touch, rules that overlap.
#pragma once

#include <vector>

#include "krait/compile/compile.h"
#include "krait/model/policy.h"
#include "tests/differential/random.h"

namespace krait::differential {

struct Revision {
  model::Policy policy;
  std::vector<compile::Binding> bindings;  // with an own address of this host among them
};

// Addresses that share many bits, so that prefixes nest.
struct AddressPool {
  std::vector<common::Ip> v4;
  std::vector<common::Ip> v6;

  explicit AddressPool(Random& random);
  // One of them or a near relative.
  common::Ip near(Random& random, common::Family family) const;
};

common::Prefix random_prefix(Random& random, const AddressPool& pool);

// Where verdicts may change, and where packets should go: selectors and their neighbours.
std::uint32_t interesting_selector(Random& random);
std::uint16_t interesting_port(Random& random);

Revision random_revision(Random& random, const AddressPool& pool);
// The same with one or two small changes.
Revision changed(Random& random, const AddressPool& pool, const Revision& revision);

}  // namespace krait::differential
