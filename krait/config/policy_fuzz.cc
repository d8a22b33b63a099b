// Fuzz target: any bytes as policy.toml.
#include <algorithm>
#include <cstdint>
#include <set>

#include "krait/abi/selector.h"
#include "krait/config/expiry.h"
#include "krait/config/fuzz_checks.h"
#include "krait/config/load.h"
#include "krait/config/ports.h"

namespace krait::config {

namespace {

void require_selectors(const std::vector<model::SelectorRange>& ranges) {
  require(!ranges.empty(), "selectors are there");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    require(ranges[i].first <= ranges[i].last && ranges[i].last < KRAIT_SELECTORS, "a range is a range");
    require(i == 0 || ranges[i - 1].last + 1 < ranges[i].first, "ranges ascend and do not touch");
    require(!selector_text(ranges[i]).empty(), "a range has a text");
  }
}

void require_subjects(const model::Subjects& subjects, std::size_t identities) {
  const auto& list = subjects.identities;
  require(subjects.any == list.empty(), "any or named");
  require(std::ranges::is_sorted(list, std::less_equal<>()), "indexes ascend");
  require(list.empty() || list.back() < identities, "indexes are identities");
}

void require_policy(const model::Policy& policy) {
  std::set<std::uint32_t> tags{0};
  for (const model::Identity& identity : policy.identities) {
    require(tags.insert(identity.tag).second, "tags differ and are not 0");
  }
  for (const model::Rule& rule : policy.rules) {
    require_subjects(rule.from, policy.identities.size());
    require_subjects(rule.to, policy.identities.size());
    require_selectors(rule.selectors);
    require(!rule.expires || (rule.expires->seconds >= 0 && rule.expires->seconds <= kMaxExpirySeconds),
            "an expiry lies in its range");
  }
  for (const model::PolicyTest& test : policy.tests) {
    require(std::max(test.from, test.to) < policy.identities.size(), "a test names identities");
    require_selectors(test.selectors);
  }
}

}  // namespace

}  // namespace krait::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = krait::config::parse_policy({reinterpret_cast<const char*>(data), size}, "p.toml");
  if (policy) {
    krait::config::require_policy(*policy);
  } else {
    krait::config::require_findings(policy.error());
  }
  return 0;
}
