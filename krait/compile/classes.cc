#include "krait/compile/classes.h"

#include <algorithm>
#include <unordered_map>

namespace krait::compile {

namespace {

using RuleList = std::vector<std::uint32_t>;

struct RuleListHash {
  std::size_t operator()(const RuleList& list) const {
    std::size_t hash = list.size();
    for (const std::uint32_t rule : list) {
      hash = (hash ^ rule) * 0x9e3779b97f4a7c15ULL;
      hash ^= hash >> 32U;
    }
    return hash;
  }
};

// Numbers the distinct lists in the order of their first appearance. Class 0 is "in no rule".
std::uint32_t number(const std::vector<RuleList>& lists, std::vector<std::uint32_t>& class_of) {
  std::unordered_map<RuleList, std::uint32_t, RuleListHash> known;
  known.emplace(RuleList{}, 0);
  for (const RuleList& list : lists) {
    const auto [entry, is_new] = known.emplace(list, static_cast<std::uint32_t>(known.size()));
    class_of.push_back(entry->second);
  }
  return static_cast<std::uint32_t>(known.size());
}

std::uint32_t classify_side(const model::Policy& policy, model::Subjects model::Rule::* side,
                            std::vector<std::uint32_t>& class_of) {
  std::vector<RuleList> rules_of(policy.identities.size());
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    for (const std::uint32_t identity : (policy.rules[i].*side).identities) {
      rules_of[identity].push_back(i);
    }
  }
  return number(rules_of, class_of);
}

std::vector<std::uint32_t> classes_of(const model::Subjects& subjects, const std::vector<std::uint32_t>& class_of) {
  std::vector<std::uint32_t> classes;
  classes.reserve(subjects.identities.size());
  for (const std::uint32_t identity : subjects.identities) {
    classes.push_back(class_of[identity]);
  }
  std::ranges::sort(classes);
  const auto repeated = std::ranges::unique(classes);
  classes.erase(repeated.begin(), repeated.end());
  return classes;
}

// Splits the selectors wherever a rule's range begins or ends; what lies in no range is class 0.
void classify_ports(const model::Policy& policy, Classes& classes) {
  std::vector<std::int32_t> opened(KRAIT_SELECTORS + 1);
  std::vector<bool> bound(KRAIT_SELECTORS + 1);
  for (const model::Rule& rule : policy.rules) {
    for (const model::SelectorRange& range : rule.selectors) {
      ++opened[range.first];
      --opened[range.last + 1];
      bound[range.first] = true;
      bound[range.last + 1] = true;
    }
  }
  classes.port_of_selector.resize(KRAIT_SELECTORS);
  std::int64_t open = 0;
  for (std::uint32_t selector = 0; selector < KRAIT_SELECTORS; ++selector) {
    open += opened[selector];
    if (open > 0 && bound[selector]) {
      ++classes.ports;
    }
    classes.port_of_selector[selector] = open > 0 ? classes.ports - 1 : 0;
  }
}

}  // namespace

Classes classify(const model::Policy& policy) {
  Classes classes;
  classes.sources = classify_side(policy, &model::Rule::from, classes.source_of_identity);
  classes.destinations = classify_side(policy, &model::Rule::to, classes.destination_of_identity);
  classify_ports(policy, classes);
  classes.rules.reserve(policy.rules.size());
  for (const model::Rule& rule : policy.rules) {
    ClassedRule& classed = classes.rules.emplace_back();
    classed.from = classes_of(rule.from, classes.source_of_identity);
    classed.to = classes_of(rule.to, classes.destination_of_identity);
    for (const model::SelectorRange& range : rule.selectors) {
      classed.port_bounds.push_back(classes.port_of_selector[range.first]);
      classed.port_bounds.push_back(classes.port_of_selector[range.last] + 1);
    }
  }
  return classes;
}

}  // namespace krait::compile
