#include "krait/enforce/datapath_options.h"

#include <cstdint>

#include "krait/abi/snapshot.h"

namespace krait::enforce {

datapath::Options datapath_options(const std::string& interface) {
  datapath::Options options;
  options.interface = interface;
  return options;
}

datapath::Options datapath_options(const std::string& interface, const plan::Plan& plan, bool is_managed) {
  datapath::Options options = datapath_options(interface);
  options.only_guards = !is_managed;
  options.snapshot_pages = plan::pages_of(plan.snapshot);
  options.rules = static_cast<std::uint32_t>(plan.policy.rules.size());
  const model::Limits& limits = plan.mesh.limits;
  constexpr std::uint32_t kPagesAMib = (1U << 20U) / KRAIT_PAGE_BYTES;
  options.max_snapshot_pages = limits.snapshot_mib * kPagesAMib;
  options.tables = {.flows = limits.flows, .pairs = limits.pairs, .fragments = limits.fragments};
  return options;
}

}  // namespace krait::enforce
