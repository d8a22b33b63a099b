// Fuzz target: any bytes as what a pinned snapshot map holds, read for the numbers of the rules in force.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "krait/compile/records.h"
#include "krait/datapath/snapshot_map.h"
#include "tests/require.h"

namespace krait {

namespace {

constexpr std::uint64_t kBootNs = 5;

// Names that a corpus can know: some of them, it says, are in force already.
model::Policy policy_of(std::size_t rules) {
  model::Policy policy;
  policy.rules.resize(rules);
  for (std::size_t i = 0; i < rules; ++i) {
    policy.rules[i].name = "rule" + std::to_string(i);
    if (i % 2 == 1) {
      policy.rules[i].expires = {.kind = model::Expiry::Kind::after, .seconds = static_cast<std::int64_t>(i)};
    }
  }
  return policy;
}

void check_numbers(std::span<const krait_rule_record> former) {
  const auto policy = policy_of(6);
  const auto records = compile::number_rules(policy, {.unix_ns = 1, .boot_ns = kBootNs}, former);
  auto numbers = records.of_rule;
  require(numbers.size() == policy.rules.size(), "every rule has a number");
  std::ranges::sort(numbers);
  require(std::ranges::adjacent_find(numbers) == numbers.end(), "no two rules have the same");
  require(numbers.back() < records.records.size(), "every number has its record");
  require(records.records.size() <= former.size() + policy.rules.size(), "numbers do not run away");
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    const krait_rule_record& record = records.records[records.of_rule[i]];
    require(record.name_hash == compile::rule_name_hash(policy.rules[i].name), "a record is its rule's");
  }
}

}  // namespace

}  // namespace krait

// A header, then the number of pages in a buffer, then the buffer's records from its first byte on.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace krait;
  krait_snapshot_header header{};
  if (size <= sizeof header) {
    return 0;
  }
  std::memcpy(&header, data, sizeof header);
  const std::uint32_t pages = data[sizeof header];
  const auto place = datapath::find_records(header, pages);
  if (place) {
    require(place->offset_bytes + place->records * sizeof(krait_rule_record) <= std::size_t{pages} * KRAIT_PAGE_BYTES,
            "the records lie in the buffer");
  }
  const std::span<const std::uint8_t> rest(data + sizeof header + 1, size - sizeof header - 1);
  std::vector<krait_rule_record> former(rest.size() / sizeof(krait_rule_record));
  if (!former.empty()) {
    std::memcpy(former.data(), rest.data(), former.size() * sizeof(krait_rule_record));
  }
  check_numbers(former);
  return 0;
}
