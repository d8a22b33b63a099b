#include <fmt/format.h>

#include <algorithm>
#include <tuple>

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

// All that is signed of it.
bool are_same(const model::Rule& a, const model::Rule& b) {
  const auto signed_of = [](const model::Rule& rule) {
    return std::tie(rule.name, rule.action, rule.from.any, rule.from.identities, rule.to.any, rule.to.identities,
                    rule.selectors, rule.expires, rule.log, rule.reject, rule.outlasts_lease);
  };
  return signed_of(a) == signed_of(b);
}

bool are_same(const model::Identity& a, const model::Identity& b) { return a.name == b.name && a.tag == b.tag; }

bool allows(const PairRules& pair) {
  return std::ranges::any_of(pair.rules, [](const PairRule& rule) { return rule.action == model::Action::allow; });
}

// The former tree with what differs put into it, so that both share the rest; made anew where most differs.
Tree following(const Tree& former, std::vector<std::pair<Key, Bytes>> leaves) {
  std::ranges::sort(leaves, {}, &std::pair<Key, Bytes>::first);
  std::vector<Key> gone;
  former.for_each([&](const Key& key, const Bytes&) {
    if (!std::ranges::binary_search(leaves, key, {}, &std::pair<Key, Bytes>::first)) {
      gone.push_back(key);
    }
  });
  const auto differs = [&](const std::pair<Key, Bytes>& leaf) {
    const Bytes* known = former.find(leaf.first);
    return known == nullptr || *known != leaf.second;
  };
  const auto others = static_cast<std::size_t>(std::ranges::count_if(leaves, differs));
  if (4 * (others + gone.size()) > leaves.size()) {
    return Tree::of(std::move(leaves));
  }
  Tree tree = former;
  for (const Key& key : gone) {
    tree.erase(key);
  }
  for (auto& leaf : leaves) {
    if (differs(leaf)) {
      tree.put(leaf.first, std::move(leaf.second));
    }
  }
  return tree;
}

}  // namespace

// Identities go by their index in the policy; behind the last one "*" has its own.
class BookMaker {
 public:
  BookMaker(const model::Policy& policy, const PolicyBook::Former* former)
      : policy_(policy), former_(former), any_(static_cast<std::uint32_t>(policy.identities.size())) {}

  Result<PolicyBook> make() {
    const Settings settings{.lease_s = policy_.lease_s, .preshared_keys = policy_.preshared_keys};
    KRAIT_CHECK(check());
    find_rows();
    collect();
    PolicyBook book = former_ == nullptr ? PolicyBook() : former_->book;
    if (former_ != nullptr && !follows_) {
      drop_gone_rows(book);
    }
    book.settings_ = settings;
    places_.resize(any_ + std::size_t{1});
    for (std::uint32_t row = 0; row <= any_; ++row) {
      if (is_made_[row]) {
        KRAIT_CHECK(make_row(row, book));
      }
    }
    if (former_ == nullptr) {
      leaves_.emplace_back(settings_place(), encode(settings));
      book.tree_ = Tree::of(std::move(leaves_));
      return book;
    }
    book.tree_.put(settings_place(), encode(settings));
    for (auto& [key, value] : leaves_) {
      book.tree_.put(key, std::move(value));
    }
    return book;
  }

 private:
  struct Item {  // a rule in a row
    std::uint32_t row;
    std::uint32_t other;
    std::uint32_t rule;
    bool forward;
  };

  [[nodiscard]] std::string name_of(std::uint32_t identity) const {
    return identity == any_ ? std::string(kAnyIdentity) : policy_.identities[identity].name;
  }
  [[nodiscard]] std::uint32_t tag_of(std::uint32_t identity) const {
    return identity == any_ ? 0 : policy_.identities[identity].tag;
  }
  [[nodiscard]] std::span<const std::uint32_t> side_of(const model::Subjects& subjects) const {
    return subjects.any ? std::span<const std::uint32_t>(&any_, 1)
                        : std::span<const std::uint32_t>(subjects.identities);
  }

  Result<void> check() const {
    std::size_t entries = 0;
    for (const model::Rule& rule : policy_.rules) {
      if (!is_rule_name(rule.name) || rule.name.starts_with(kOwnRules)) {
        return Error(
            ErrorCode::invalid_input,
            fmt::format("the rule \"{}\" cannot be signed: its name has more than {} bytes or begins with \"{}\"",
                        rule.name, kMaxRuleNameBytes, kOwnRules));
      }
      entries += 2 * side_of(rule.from).size() * side_of(rule.to).size();
      if (entries > kMaxEntries) {
        return Error(ErrorCode::limit,
                     fmt::format("the rules name more than {} pairs of identities; use \"*\"", kMaxEntries / 2));
      }
    }
    return {};
  }

  // Rows that differ from the former book's: of what the rules name that are not the same.
  void find_rows() {
    follows_ = former_ != nullptr && std::ranges::equal(policy_.identities, former_->policy.identities,
                                                        [](const auto& a, const auto& b) { return are_same(a, b); });
    is_made_.assign(any_ + std::size_t{1}, !follows_);
    if (!follows_) {
      return;
    }
    const auto& now = policy_.rules;
    const auto& then = former_->policy.rules;
    const auto same = [](const model::Rule& a, const model::Rule& b) { return are_same(a, b); };
    const auto [first, first_then] = std::ranges::mismatch(now, then, same);
    const auto [last, last_then] = std::mismatch(now.rbegin(), std::make_reverse_iterator(first), then.rbegin(),
                                                 std::make_reverse_iterator(first_then), same);
    const auto mark = [&](auto from, auto to) {
      for (; from != to; ++from) {
        for (const model::Subjects* side : {&from->from, &from->to}) {
          for (const std::uint32_t identity : side_of(*side)) {
            is_made_[identity] = true;
          }
        }
      }
    };
    mark(first, last.base());
    mark(first_then, last_then.base());
  }

  void collect() {
    for (std::uint32_t number = 0; number < policy_.rules.size(); ++number) {
      const model::Rule& rule = policy_.rules[number];
      for (const std::uint32_t from : side_of(rule.from)) {
        for (const std::uint32_t to : side_of(rule.to)) {
          if (is_made_[from]) {
            items_.push_back({from, to, number, true});
          }
          if (is_made_[to] && from != to) {
            items_.push_back({to, from, number, false});
          }
        }
      }
    }
    std::ranges::sort(items_, [&](const Item& a, const Item& b) {
      if (std::tie(a.row, a.other) != std::tie(b.row, b.other)) {
        return std::tie(a.row, a.other) < std::tie(b.row, b.other);
      }
      return a.rule != b.rule ? policy_.rules[a.rule].name < policy_.rules[b.rule].name : a.forward && !b.forward;
    });
  }

  void drop_gone_rows(PolicyBook& book) const {
    std::set<std::string_view> names{kAnyIdentity};
    for (const model::Identity& identity : policy_.identities) {
      names.insert(identity.name);
    }
    for (auto row = book.rows_.begin(); row != book.rows_.end();) {
      if (names.contains(row->first)) {
        ++row;
        continue;
      }
      book.tree_.erase(identity_place(row->first));
      book.allowed_.erase(row->first);
      row = book.rows_.erase(row);
    }
  }

  const Key& place_of(std::uint32_t identity) {
    auto& place = places_[identity];
    if (!place) {
      place = pair_place(name_of(identity));
    }
    return *place;
  }

  // Takes the row's items off the list.
  Result<void> make_row(std::uint32_t row, PolicyBook& book) {
    std::vector<std::pair<Key, Bytes>> pairs;
    PolicyBook::Names allowed;
    while (next_ < items_.size() && items_[next_].row == row) {
      const std::uint32_t other = items_[next_].other;
      PairRules pair{.other = name_of(other), .tag = tag_of(other), .rules = {}};
      for (; next_ < items_.size() && items_[next_].row == row && items_[next_].other == other; ++next_) {
        pair.rules.push_back(pair_rule(policy_.rules[items_[next_].rule], items_[next_].forward));
      }
      if (pair.rules.size() > kMaxRulesOfPair) {
        return Error(ErrorCode::limit,
                     fmt::format("more than {} rules are about {} and {}", kMaxRulesOfPair, name_of(row), pair.other));
      }
      pairs.emplace_back(place_of(other), encode(pair));
      if (allows(pair)) {
        allowed.push_back(pair.other);
      }
    }
    const std::string name = name_of(row);
    const auto known = book.rows_.find(name);
    Tree tree = known == book.rows_.end() ? Tree::of(std::move(pairs)) : following(known->second, std::move(pairs));
    if (known == book.rows_.end() || known->second.root() != tree.root() || !follows_) {
      const IdentityItem item{.name = name, .tag = tag_of(row), .row = tree.root()};
      leaves_.emplace_back(identity_place(name), encode(item));
      book.enter(item, std::move(tree), std::move(allowed));
    }
    return {};
  }

  const model::Policy& policy_;
  const PolicyBook::Former* former_;
  const std::uint32_t any_;
  bool follows_ = false;  // the identities are the former ones
  std::vector<bool> is_made_;
  std::vector<Item> items_;
  std::size_t next_ = 0;
  std::vector<std::optional<Key>> places_;
  std::vector<std::pair<Key, Bytes>> leaves_;  // of identities
};

Result<PolicyBook> PolicyBook::of(const model::Policy& policy, const Former* former) {
  return BookMaker(policy, former).make();
}

void PolicyBook::enter(const IdentityItem& item, Tree row, Names allowed) {
  std::ranges::sort(allowed);
  rows_.insert_or_assign(item.name, std::move(row));
  allowed_.insert_or_assign(item.name, std::make_shared<const Names>(std::move(allowed)));
}

const PolicyBook::Names& PolicyBook::allowed_of(std::string_view identity) const {
  static const Names kNobody;
  const auto found = allowed_.find(identity);
  return found == allowed_.end() ? kNobody : *found->second;
}

bool PolicyBook::may_talk(const std::string& identity, const std::string& other) const {
  const std::string any(kAnyIdentity);
  const Names& own = allowed_of(identity);
  const Names& of_any = allowed_of(any);
  return std::ranges::binary_search(own, other) || std::ranges::binary_search(own, any) ||
         std::ranges::binary_search(of_any, other) || std::ranges::binary_search(of_any, any);
}

std::set<std::string> PolicyBook::talks_with(const std::string& identity) const {
  const std::string any(kAnyIdentity);
  const Names& own = allowed_of(identity);
  const Names& of_any = allowed_of(any);
  std::set<std::string> names;
  if (std::ranges::binary_search(own, any) || std::ranges::binary_search(of_any, any)) {
    std::ranges::transform(rows_, std::inserter(names, names.end()), [](const auto& row) { return row.first; });
  } else {
    names.insert(own.begin(), own.end());
    names.insert(of_any.begin(), of_any.end());
  }
  names.erase(any);
  return names;
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
  book.settings_ = settings;
  std::vector<std::pair<Key, Bytes>> leaves{{settings_place(), encode(settings)}};
  const std::uint64_t rows = reader.number(4);
  reader.require(rows >= 1 && rows <= kMaxIdentities, "too many rows, or none");
  std::string former;
  for (std::uint64_t i = 0; i < rows && reader.good(); ++i) {
    KRAIT_TRY(auto item, parse_identity_item(reader.blob(kMaxItemBytes)));
    reader.require(i == 0 || former < item.name, "rows out of order");
    former = item.name;
    std::vector<std::pair<Key, Bytes>> pairs;
    Names allowed;
    const std::uint64_t count = reader.number(4);
    for (std::uint64_t k = 0; k < count && reader.good(); ++k) {
      const BytesView value = reader.blob(kMaxItemBytes);
      KRAIT_TRY(const auto pair, parse_pair_rules(value));
      pairs.emplace_back(pair_place(pair.other), Bytes(value.begin(), value.end()));
      if (allows(pair)) {
        allowed.push_back(pair.other);
      }
    }
    Tree tree = Tree::of(std::move(pairs));
    reader.require(tree.root() == item.row && tree.size() == count, "a row that is not the identity's");
    leaves.emplace_back(identity_place(item.name), encode(item));
    book.enter(item, std::move(tree), std::move(allowed));
  }
  KRAIT_CHECK(reader.finish());
  if (!book.rows_.contains(kAnyIdentity)) {
    return Error(ErrorCode::invalid_input, "the book of rules: the row of \"*\" is missing");
  }
  book.tree_ = Tree::of(std::move(leaves));
  return book;
}

}  // namespace krait::trust
