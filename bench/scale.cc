#include "bench/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "krait/abi/selector.h"

namespace krait::bench {
namespace {

constexpr std::uint32_t kMaxIdentities = 1000;
constexpr std::uint32_t kMaxHosts = 65536;

}  // namespace

common::Ip host(std::uint32_t number, common::Family family) {
  common::Ip ip;
  ip.family = family;
  const std::size_t last = family == common::Family::v4 ? 3 : 15;
  ip.bytes[0] = family == common::Family::v4 ? 10 : 0xfd;
  ip.bytes[last - 2] = static_cast<std::uint8_t>(number >> 16U);
  ip.bytes[last - 1] = static_cast<std::uint8_t>(number >> 8U);
  ip.bytes[last] = static_cast<std::uint8_t>(number);
  return ip;
}

Size usual_size(std::uint32_t rules) {
  return {
      .rules = rules, .hosts = std::clamp(rules, 2U, kMaxHosts), .identities = std::clamp(rules, 2U, kMaxIdentities)};
}

Scale make_scale(std::uint32_t rules) { return make_scale(usual_size(rules)); }

Scale make_scale(const Size& size) {
  Scale scale;
  const std::uint32_t identities = size.identities;
  for (std::uint32_t i = 0; i < identities; ++i) {
    scale.policy.identities.push_back({fmt::format("identity{}", i), i + 1, {}});
  }
  for (std::uint32_t i = 0; i < size.hosts; ++i) {
    for (const common::Family family : {common::Family::v4, common::Family::v6}) {
      scale.bindings.push_back({common::Prefix::host(host(i, family)), i % identities, i == 1 ? 0 : i + 1});
    }
  }
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < size.rules; ++i) {
    model::Rule rule;
    rule.name = fmt::format("rule {}", i);
    rule.action = model::Action::allow;
    rule.from.identities = {i == 0 ? 0 : static_cast<std::uint32_t>(random() % identities)};
    rule.to.identities = {i == 0 ? 1 : static_cast<std::uint32_t>(random() % identities)};
    const std::uint32_t port =
        i == 0 ? kServicePort : kFirstRulePort + static_cast<std::uint32_t>(random() % kRulePorts);
    rule.selectors = {{KRAIT_SELECTOR_TCP + port, KRAIT_SELECTOR_TCP + port}};
    scale.policy.rules.push_back(std::move(rule));
  }
  return scale;
}

}  // namespace krait::bench
