#include "tests/differential/random_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "krait/abi/selector.h"
#include "tests/model/naive.h"

namespace krait::differential {
namespace {

// Never one that a policy may not name: those that an IPv6 packet may not carry are for the packets to try.
common::Ip random_ip(Random& random, common::Family family) {
  common::Ip ip;
  ip.family = family;
  const std::size_t bytes = family == common::Family::v4 ? 4 : 16;
  for (std::size_t i = 0; i < bytes; ++i) {
    ip.bytes[i] = static_cast<std::uint8_t>(random.bits());
  }
  ip.bytes[0] = family == common::Family::v4 ? 10 : 0xfd;
  return ip;
}

void flip_bit(common::Ip& ip, std::uint32_t bit) {
  ip.bytes[bit / 8] = static_cast<std::uint8_t>(ip.bytes[bit / 8] ^ (0x80U >> bit % 8));
}

std::vector<common::Ip> relatives(Random& random, common::Family family) {
  std::vector<common::Ip> list{random_ip(random, family)};
  const std::uint32_t bits = list.front().bits();
  while (list.size() < 8) {
    common::Ip ip = random.pick(list);
    flip_bit(ip, random.between(8, bits - 1));
    list.push_back(ip);
  }
  return list;
}

// How many identities and rules: mostly few, now and then so many that tables span words and pages.
std::uint32_t random_count(Random& random, std::uint32_t few, std::uint32_t some, std::uint32_t many) {
  if (random.percent(3)) {
    return random.between(some, many);
  }
  return random.percent(25) ? random.between(few, some) : random.between(1, few);
}

model::SelectorRange random_range(Random& random) {
  static const std::vector<std::uint32_t> kStarts = {KRAIT_SELECTOR_TCP,  KRAIT_SELECTOR_UDP,    KRAIT_SELECTOR_SCTP,
                                                     KRAIT_SELECTOR_ICMP, KRAIT_SELECTOR_ICMPV6, KRAIT_SELECTOR_PROTO,
                                                     KRAIT_SELECTORS};
  if (random.percent(8)) {
    return {0, KRAIT_SELECTORS - 1};
  }
  const std::uint32_t space = random.below(kStarts.size() - 1);
  if (random.percent(15)) {
    return {kStarts[space], kStarts[space + 1] - 1};
  }
  std::uint32_t first = interesting_selector(random);
  std::uint32_t last = random.percent(50) ? first : interesting_selector(random);
  if (last < first) {
    std::swap(first, last);
  }
  return {first, last};
}

// Ascending, disjoint, not adjacent: what the model promises.
std::vector<model::SelectorRange> tidy(std::vector<model::SelectorRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<model::SelectorRange> tidied;
  for (const model::SelectorRange& range : ranges) {
    if (!tidied.empty() && range.first <= tidied.back().last + 1) {
      tidied.back().last = std::max(tidied.back().last, range.last);
    } else {
      tidied.push_back(range);
    }
  }
  return tidied;
}

model::Subjects random_subjects(Random& random, std::size_t identities) {
  model::Subjects subjects;
  if (random.percent(25)) {
    subjects.any = true;
    return subjects;
  }
  std::set<std::uint32_t> chosen;
  const std::uint32_t count = random.between(1, static_cast<std::uint32_t>(std::min<std::size_t>(identities, 4)));
  while (chosen.size() < count) {
    chosen.insert(random.below(identities));
  }
  subjects.identities.assign(chosen.begin(), chosen.end());
  return subjects;
}

// Around the length of a story's pauses.
std::optional<model::Expiry> random_expiry(Random& random) {
  if (random.percent(70)) {
    return std::nullopt;
  }
  const std::int64_t seconds = random.percent(50) ? random.between(1, 40) : random.between(1, 1000);
  if (random.percent(50)) {
    return model::Expiry{model::Expiry::Kind::after, seconds};
  }
  return model::Expiry{model::Expiry::Kind::at, naive::Evaluator::kFirstUnixS + seconds - 20};
}

model::Rule random_rule(Random& random, std::size_t identities) {
  model::Rule rule;
  rule.name = fmt::format("rule {:x}", random.bits());
  rule.action = random.percent(20) ? model::Action::deny : model::Action::allow;
  rule.from = random_subjects(random, identities);
  rule.to = random_subjects(random, identities);
  const std::uint32_t ranges = random.between(1, 3);
  for (std::uint32_t i = 0; i < ranges; ++i) {
    rule.selectors.push_back(random_range(random));
  }
  rule.selectors = tidy(rule.selectors);
  rule.expires = random_expiry(random);
  rule.log = random.percent(10);
  rule.reject = random.percent(15);
  return rule;
}

std::uint32_t random_tag(Random& random, const model::Policy& policy) {
  for (;;) {
    const std::uint32_t tag = random.percent(50) ? random.between(1, 5000) : static_cast<std::uint32_t>(random.bits());
    const bool taken = std::any_of(policy.identities.begin(), policy.identities.end(),
                                   [&](const model::Identity& identity) { return identity.tag == tag; });
    if (tag != 0 && !taken) {
      return tag;
    }
  }
}

}  // namespace

common::Prefix random_prefix(Random& random, const AddressPool& pool) {
  const common::Family family = random.percent(60) ? common::Family::v4 : common::Family::v6;
  const common::Ip ip = random.pick(family == common::Family::v4 ? pool.v4 : pool.v6);
  if (random.percent(40)) {
    return common::Prefix::host(ip);
  }
  return common::Prefix{ip, static_cast<std::uint8_t>(random.between(0, ip.bits()))}.masked();
}

namespace {

bool is_own(const compile::Binding& binding) { return binding.host == 0 && !binding.routed; }

// A host has one identity, whatever its addresses are.
std::uint32_t identity_of(Random& random, const Revision& revision, const compile::Binding& binding) {
  const auto own = std::find_if(revision.bindings.begin(), revision.bindings.end(), is_own);
  return is_own(binding) && own != revision.bindings.end() ? own->identity
                                                           : random.below(revision.policy.identities.size());
}

// This host's or that of one of three peers. Networks are routed; a single address may be as well.
void place(Random& random, const Revision& revision, compile::Binding& binding) {
  binding.host = random.percent(40) ? 0 : random.between(1, 3);
  binding.routed = binding.prefix.length != binding.prefix.ip.bits() || random.percent(50);
  binding.identity = identity_of(random, revision, binding);
}

void add_binding(Revision& revision, const compile::Binding& binding) {
  const bool taken = std::any_of(revision.bindings.begin(), revision.bindings.end(),
                                 [&](const compile::Binding& other) { return other.prefix == binding.prefix; });
  if (!taken) {
    revision.bindings.push_back(binding);
  }
}

void add_binding(Random& random, const AddressPool& pool, Revision& revision) {
  compile::Binding binding;
  binding.prefix = random_prefix(random, pool);
  place(random, revision, binding);
  add_binding(revision, binding);
}

void change_binding(Random& random, Revision& revision) {
  const std::size_t at = random.below(revision.bindings.size());
  if (at != 0) {
    return place(random, revision, revision.bindings[at]);
  }
  const std::uint32_t identity = random.below(revision.policy.identities.size());
  for (compile::Binding& binding : revision.bindings) {
    binding.identity = is_own(binding) ? identity : binding.identity;
  }
}

void change_once(Random& random, const AddressPool& pool, Revision& revision) {
  std::vector<model::Rule>& rules = revision.policy.rules;
  const std::size_t identities = revision.policy.identities.size();
  const std::uint32_t at = random.below(rules.size() + 1);
  const bool exists = at < rules.size();
  switch (random.below(6)) {
    case 0:
      rules.insert(rules.begin() + at, random_rule(random, identities));
      break;
    case 1:
      if (exists) {
        rules.erase(rules.begin() + at);
      }
      break;
    case 2:
      if (exists) {
        rules[at].action = rules[at].action == model::Action::allow ? model::Action::deny : model::Action::allow;
      }
      break;
    case 3:
      if (exists) {
        rules[at] = random_rule(random, identities);
      }
      break;
    case 4:
      add_binding(random, pool, revision);
      break;
    default:
      change_binding(random, revision);
      break;
  }
}

}  // namespace

AddressPool::AddressPool(Random& random)
    : v4(relatives(random, common::Family::v4)), v6(relatives(random, common::Family::v6)) {}

common::Ip AddressPool::near(Random& random, common::Family family) const {
  common::Ip ip = random.pick(family == common::Family::v4 ? v4 : v6);
  if (random.percent(20)) {
    flip_bit(ip, random.below(ip.bits()));
  }
  return ip;
}

std::uint16_t interesting_port(Random& random) {
  static const std::vector<std::uint16_t> kPorts = {0,    1,    2,    21,    22,    23,    52,    53,    54,
                                                    79,   80,   81,   442,   443,   444,   7999,  8000,  8001,
                                                    8099, 8100, 8101, 32767, 32768, 50000, 50001, 65534, 65535};
  return random.percent(95) ? random.pick(kPorts) : static_cast<std::uint16_t>(random.bits());
}

std::uint32_t interesting_selector(Random& random) {
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return KRAIT_SELECTOR_TCP + interesting_port(random);
    case 3:
    case 4:
      return KRAIT_SELECTOR_UDP + interesting_port(random);
    case 5:
      return KRAIT_SELECTOR_SCTP + interesting_port(random);
    case 6: {
      static const std::vector<std::uint32_t> kTypes = {0,  1,   2,   3,   4,   5,   8,   11,  12,  13,
                                                        14, 127, 128, 129, 132, 133, 138, 139, 140, 255};
      return (random.percent(50) ? KRAIT_SELECTOR_ICMP : KRAIT_SELECTOR_ICMPV6) + random.pick(kTypes);
    }
    default: {
      static const std::vector<std::uint32_t> kProtocols = {0, 1, 2, 46, 47, 48, 50, 51, 58, 59, 89, 253, 255};
      return KRAIT_SELECTOR_PROTO + random.pick(kProtocols);
    }
  }
}

Revision random_revision(Random& random, const AddressPool& pool) {
  Revision revision;
  const std::uint32_t identities = random_count(random, 4, 20, 300);
  for (std::uint32_t i = 0; i < identities; ++i) {
    revision.policy.identities.push_back({fmt::format("identity{}", i), random_tag(random, revision.policy), {}});
  }
  const common::Prefix own = common::Prefix::host(random.pick(random.percent(60) ? pool.v4 : pool.v6));
  add_binding(revision, {.prefix = own, .identity = random.below(identities), .host = 0, .routed = false});
  const std::uint32_t bindings = random_count(random, 10, 30, 60);
  for (std::uint32_t i = 0; i < bindings; ++i) {
    add_binding(random, pool, revision);
  }
  const std::uint32_t rules = random.percent(3) ? 0 : random_count(random, 8, 40, 400);
  for (std::uint32_t i = 0; i < rules; ++i) {
    revision.policy.rules.push_back(random_rule(random, identities));
  }
  return revision;
}

Revision changed(Random& random, const AddressPool& pool, const Revision& revision) {
  Revision next = revision;
  const std::uint32_t changes = random.between(1, 3);
  for (std::uint32_t i = 0; i < changes; ++i) {
    change_once(random, pool, next);
  }
  return next;
}

}  // namespace krait::differential
