#include "krait/fleet/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "krait/config/ports.h"

namespace krait::fleet {

namespace {

using Ranges = std::vector<model::SelectorRange>;

Ranges joined(Ranges ranges) {
  std::ranges::sort(ranges);
  Ranges all;
  for (const model::SelectorRange& range : ranges) {
    if (!all.empty() && range.first <= all.back().last + 1) {
      all.back().last = std::max(all.back().last, range.last);
    } else {
      all.push_back(range);
    }
  }
  return all;
}

// What is in `ranges` and not in `without`; both are joined.
Ranges less(const Ranges& ranges, const Ranges& without) {
  Ranges rest;
  for (model::SelectorRange range : ranges) {
    bool some = true;
    for (const model::SelectorRange& hole : without) {
      if (hole.last < range.first || hole.first > range.last) {
        continue;
      }
      if (hole.first > range.first) {
        rest.push_back({range.first, hole.first - 1});
      }
      if (hole.last >= range.last) {
        some = false;
        break;
      }
      range.first = hole.last + 1;
    }
    if (some) {
      rest.push_back(range);
    }
  }
  return rest;
}

using Names = std::vector<std::string>;  // of one side; empty: any

Names names_of(const model::Policy& policy, const model::Subjects& subjects) {
  Names names;
  for (const std::uint32_t index : subjects.identities) {
    names.push_back(policy.identities[index].name);
  }
  return names;
}

// A rule by what it says, wherever it stands and whatever it is called.
struct Says {
  model::Action action;
  bool any_from;
  Names from;
  bool any_to;
  Names to;
  Ranges selectors;
  auto operator<=>(const Says&) const = default;
};

std::vector<Says> rules_of(const model::Policy& policy) {
  std::vector<Says> rules;
  rules.reserve(policy.rules.size());
  for (const model::Rule& rule : policy.rules) {
    rules.push_back({rule.action, rule.from.any, names_of(policy, rule.from), rule.to.any, names_of(policy, rule.to),
                     rule.selectors});
  }
  std::ranges::sort(rules);
  return rules;
}

std::set<std::string> identities_of(const model::Policy& policy) {
  std::set<std::string> names;
  for (const model::Identity& identity : policy.identities) {
    names.insert(identity.name);
  }
  return names;
}

// What a policy lets one identity open to another.
class Evaluator {
 public:
  Evaluator(const std::vector<Says>& rules, std::set<std::string> identities) : identities_(std::move(identities)) {
    for (const Says& rule : rules) {
      if (rule.any_from) {
        of_any_.push_back(&rule);
      }
      for (const std::string& name : rule.from) {
        of_identity_[name].push_back(&rule);
      }
    }
  }

  [[nodiscard]] Ranges allowed(const std::string& from, const std::string& to) const {
    if (!identities_.contains(from) || !identities_.contains(to)) {
      return {};
    }
    Ranges allow;
    Ranges deny;
    const auto look = [&](const Says& rule) {
      if (rule.any_to || std::ranges::binary_search(sorted(rule.to), to)) {
        auto& ranges = rule.action == model::Action::allow ? allow : deny;
        ranges.insert(ranges.end(), rule.selectors.begin(), rule.selectors.end());
      }
    };
    std::ranges::for_each(of_any_, [&](const Says* rule) { look(*rule); });
    if (const auto found = of_identity_.find(from); found != of_identity_.end()) {
      std::ranges::for_each(found->second, [&](const Says* rule) { look(*rule); });
    }
    return less(joined(std::move(allow)), joined(std::move(deny)));
  }

 private:
  static Names sorted(Names names) {
    std::ranges::sort(names);
    return names;
  }

  std::set<std::string> identities_;
  std::vector<const Says*> of_any_;
  std::map<std::string, std::vector<const Says*>> of_identity_;
};

std::string hosts_text(const Names& hosts) {
  constexpr std::size_t kShown = 4;
  if (hosts.empty()) {
    return "no host yet";
  }
  const auto shown = std::span(hosts).first(std::min(hosts.size(), kShown));
  return hosts.size() > kShown ? fmt::format("{} and {} more", fmt::join(shown, ", "), hosts.size() - kShown)
                               : fmt::format("{}", fmt::join(shown, ", "));
}

void add_lines(std::string& text, std::string_view sign, const std::vector<Access>& accesses, const HostsOf& hosts_of) {
  for (const Access& access : accesses) {
    text += fmt::format("{} {} ({}) to {} ({}): {}\n", sign, access.from, hosts_text(hosts_of(access.from)), access.to,
                        hosts_text(hosts_of(access.to)), ports_text(access.selectors));
  }
}

// In the largest unit that says it exactly, as policy files have it.
std::string lease_text(std::uint32_t seconds) {
  if (seconds == 0) {
    return "none";
  }
  constexpr std::array<std::pair<std::uint32_t, char>, 3> kUnits{{{86'400, 'd'}, {3600, 'h'}, {60, 'm'}}};
  for (const auto& [factor, unit] : kUnits) {
    if (seconds % factor == 0) {
      return fmt::format("{}{}", seconds / factor, unit);
    }
  }
  return fmt::format("{}s", seconds);
}

}  // namespace

Difference difference(const model::Policy& before, const model::Policy& after) {
  const std::vector<Says> old_rules = rules_of(before);
  const std::vector<Says> new_rules = rules_of(after);
  const std::set<std::string> old_names = identities_of(before);
  const std::set<std::string> new_names = identities_of(after);
  Difference result{.gained = {},
                    .lost = {},
                    .new_identities = {},
                    .gone_identities = {},
                    .lease_before_s = before.lease_s,
                    .lease_after_s = after.lease_s,
                    .preshared_keys_before = before.preshared_keys,
                    .preshared_keys_after = after.preshared_keys};
  std::ranges::set_difference(new_names, old_names, std::back_inserter(result.new_identities));
  std::ranges::set_difference(old_names, new_names, std::back_inserter(result.gone_identities));
  std::set<std::string> all = old_names;
  all.insert(new_names.begin(), new_names.end());

  // Pairs that a changed rule names, or one of whose identities came or went.
  std::vector<Says> changed;
  std::ranges::set_symmetric_difference(old_rules, new_rules, std::back_inserter(changed));
  std::set<std::pair<std::string, std::string>> pairs;
  const Names everybody(all.begin(), all.end());
  for (const Says& rule : changed) {
    for (const std::string& from : rule.any_from ? everybody : rule.from) {
      for (const std::string& to : rule.any_to ? everybody : rule.to) {
        pairs.emplace(from, to);
      }
    }
  }
  for (const auto* names : {&result.new_identities, &result.gone_identities}) {
    for (const std::string& name : *names) {
      for (const std::string& other : everybody) {
        pairs.emplace(name, other);
        pairs.emplace(other, name);
      }
    }
  }

  const Evaluator old_policy(old_rules, old_names);
  const Evaluator new_policy(new_rules, new_names);
  for (const auto& [from, to] : pairs) {
    const Ranges was = old_policy.allowed(from, to);
    const Ranges is = new_policy.allowed(from, to);
    if (was == is) {
      continue;
    }
    if (result.gained.size() + result.lost.size() >= kMaxShownPairs) {
      ++result.not_shown;
      continue;
    }
    if (Ranges more = less(is, was); !more.empty()) {
      result.gained.push_back({from, to, std::move(more)});
    }
    if (Ranges fewer = less(was, is); !fewer.empty()) {
      result.lost.push_back({from, to, std::move(fewer)});
    }
  }
  return result;
}

std::string ports_text(const std::vector<model::SelectorRange>& selectors) {
  std::vector<std::string> texts;
  std::ranges::transform(selectors, std::back_inserter(texts), config::selector_text);
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string difference_text(const Difference& difference, const HostsOf& hosts_of) {
  std::string text;
  add_lines(text, "+", difference.gained, hosts_of);
  add_lines(text, "-", difference.lost, hosts_of);
  for (const std::string& name : difference.new_identities) {
    text += fmt::format("+ identity {}\n", name);
  }
  for (const std::string& name : difference.gone_identities) {
    text += fmt::format("- identity {} ({})\n", name, hosts_text(hosts_of(name)));
  }
  if (difference.lease_before_s != difference.lease_after_s) {
    text += fmt::format("  lease: {}, before {}\n", lease_text(difference.lease_after_s),
                        lease_text(difference.lease_before_s));
  }
  if (difference.preshared_keys_before != difference.preshared_keys_after) {
    text += difference.preshared_keys_after ? "  preshared keys between pairs of hosts: on, before off\n"
                                            : "  preshared keys between pairs of hosts: off, before on\n";
  }
  if (difference.not_shown != 0) {
    text += fmt::format("  and {} more pairs of identities\n", difference.not_shown);
  }
  if (text.empty()) {
    return "nobody gains or loses anything";
  }
  text.pop_back();
  return text;
}

}  // namespace krait::fleet
