#include <fmt/format.h>

#include <algorithm>

#include "krait/trust/author.h"
#include "krait/trust/describe.h"

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// Entries of pairs, each of which is in two rows. 30,000 rules of some identities each have a tenth of it.
constexpr std::size_t kMaxEntries = 2'000'000;
constexpr std::size_t kMaxIdentities = std::size_t{1} << 20U;

using Row = std::map<std::string, PairRules>;  // by the other identity
using Rows = std::map<std::string, Row>;

// The names of one side of a rule.
std::vector<std::string> names_of(const model::Policy& policy, const model::Subjects& subjects) {
  if (subjects.any) {
    return {std::string(kAnyIdentity)};
  }
  std::vector<std::string> names;
  for (const std::uint32_t index : subjects.identities) {
    names.push_back(policy.identities[index].name);
  }
  return names;
}

PairRule pair_rule(const model::Rule& rule, bool forward) {
  return {.name = rule.name,
          .forward = forward,
          .action = rule.action,
          .selectors = rule.selectors,
          .expires = rule.expires,
          .log = rule.log,
          .reject = rule.reject,
          .outlasts_lease = rule.outlasts_lease};
}

class RowsMaker {
 public:
  explicit RowsMaker(const model::Policy& policy) : policy_(policy) {
    rows_[std::string(kAnyIdentity)];
    for (const model::Identity& identity : policy.identities) {
      tags_[identity.name] = identity.tag;
      rows_[identity.name];
    }
  }

  Result<Rows> make() {
    for (const model::Rule& rule : policy_.rules) {
      KRAIT_CHECK(add(rule));
    }
    for (auto& [name, row] : rows_) {
      for (auto& [other, pair] : row) {
        pair.other = other;
        pair.tag = tag_of(other);
        std::ranges::sort(pair.rules, {},
                          [](const PairRule& rule) { return std::pair(std::string_view(rule.name), !rule.forward); });
      }
    }
    return std::move(rows_);
  }

  [[nodiscard]] std::uint32_t tag_of(const std::string& name) const {
    const auto found = tags_.find(name);
    return found == tags_.end() ? 0 : found->second;
  }

 private:
  Result<void> add(const model::Rule& rule) {
    if (!is_rule_name(rule.name) || rule.name.starts_with(kOwnRules)) {
      return Error(
          ErrorCode::invalid_input,
          fmt::format("the rule \"{}\" cannot be signed: its name has more than {} bytes or begins with \"{}\"",
                      rule.name, kMaxRuleNameBytes, kOwnRules));
    }
    const auto to = names_of(policy_, rule.to);
    for (const std::string& from : names_of(policy_, rule.from)) {
      for (const std::string& target : to) {
        KRAIT_CHECK(add_to(from, target, pair_rule(rule, true)));
        if (from != target) {
          KRAIT_CHECK(add_to(target, from, pair_rule(rule, false)));
        }
      }
    }
    return {};
  }

  Result<void> add_to(const std::string& row, const std::string& other, PairRule rule) {
    auto& rules = rows_[row][other].rules;
    rules.push_back(std::move(rule));
    if (++entries_ > kMaxEntries) {
      return Error(ErrorCode::limit,
                   fmt::format("the rules name more than {} pairs of identities; use \"*\"", kMaxEntries / 2));
    }
    if (rules.size() > kMaxRulesOfPair) {
      return Error(ErrorCode::limit,
                   fmt::format("more than {} rules are about {} and {}", kMaxRulesOfPair, row, other));
    }
    return {};
  }

  const model::Policy& policy_;
  std::map<std::string, std::uint32_t> tags_;
  Rows rows_;
  std::size_t entries_ = 0;
};

Bytes pair_value(const PairRules& pair) { return encode(pair); }

bool allows(const PairRules& pair) {
  return std::ranges::any_of(pair.rules, [](const PairRule& rule) { return rule.action == model::Action::allow; });
}

}  // namespace

Result<PolicyBook> PolicyBook::of(const model::Policy& policy) {
  const Settings settings{.lease_s = policy.lease_s};
  RowsMaker maker(policy);
  KRAIT_TRY(const auto rows, maker.make());
  PolicyBook book;
  book.lease_s_ = settings.lease_s;
  std::vector<std::pair<Key, Bytes>> leaves{{settings_place(), encode(settings)}};
  for (const auto& [name, row] : rows) {
    std::vector<std::pair<Key, Bytes>> pairs;
    for (const auto& [other, pair] : row) {
      pairs.emplace_back(pair_place(other), pair_value(pair));
      if (allows(pair)) {
        book.allowed_.emplace(name, other);
      }
    }
    Tree tree = Tree::of(std::move(pairs));
    leaves.emplace_back(identity_place(name),
                        encode(IdentityItem{.name = name, .tag = maker.tag_of(name), .row = tree.root()}));
    book.rows_.emplace(name, std::move(tree));
  }
  book.tree_ = Tree::of(std::move(leaves));
  return book;
}

bool PolicyBook::may_talk(const std::string& identity, const std::string& other) const {
  const std::string any(kAnyIdentity);
  return allowed_.contains({identity, other}) || allowed_.contains({identity, any}) ||
         allowed_.contains({other, any}) || allowed_.contains({any, any});
}

// The settings, then each identity with the values of its row.
Bytes PolicyBook::save() const {
  Writer writer;
  describe_kind(writer, Kind::policy_book);
  const Bytes* settings = tree_.find(settings_place());
  writer.append(settings != nullptr ? *settings : encode(Settings{}));
  writer.number(rows_.size(), 4);
  for (const auto& [name, row] : rows_) {
    writer.blob(*tree_.find(identity_place(name)));
    writer.number(row.size(), 4);
    row.for_each([&](const Key&, const Bytes& value) { writer.blob(value); });
  }
  return writer.take();
}

Result<PolicyBook> PolicyBook::load(BytesView bytes) {
  Reader reader(bytes, "the book of rules");
  describe_kind(reader, Kind::policy_book);
  Settings settings;
  describe(reader, settings);
  PolicyBook book;
  book.lease_s_ = settings.lease_s;
  std::vector<std::pair<Key, Bytes>> leaves{{settings_place(), encode(settings)}};
  const std::uint64_t rows = reader.number(4);
  reader.require(rows >= 1 && rows <= kMaxIdentities, "too many rows, or none");
  std::string former;
  for (std::uint64_t i = 0; i < rows && reader.good(); ++i) {
    KRAIT_TRY(auto item, parse_identity_item(reader.blob(kMaxItemBytes)));
    reader.require(i == 0 || former < item.name, "rows out of order");
    former = item.name;
    std::vector<std::pair<Key, Bytes>> pairs;
    const std::uint64_t count = reader.number(4);
    for (std::uint64_t k = 0; k < count && reader.good(); ++k) {
      const BytesView value = reader.blob(kMaxItemBytes);
      KRAIT_TRY(const auto pair, parse_pair_rules(value));
      pairs.emplace_back(pair_place(pair.other), Bytes(value.begin(), value.end()));
      if (allows(pair)) {
        book.allowed_.emplace(item.name, pair.other);
      }
    }
    Tree tree = Tree::of(std::move(pairs));
    reader.require(tree.root() == item.row && tree.size() == count, "a row that is not the identity's");
    leaves.emplace_back(identity_place(item.name), encode(item));
    book.rows_.emplace(item.name, std::move(tree));
  }
  KRAIT_CHECK(reader.finish());
  if (!book.rows_.contains(kAnyIdentity)) {
    return Error(ErrorCode::invalid_input, "the book of rules: the row of \"*\" is missing");
  }
  book.tree_ = Tree::of(std::move(leaves));
  return book;
}

}  // namespace krait::trust
