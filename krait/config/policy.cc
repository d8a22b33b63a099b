// policy.toml
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>
#include <unordered_set>

#include "krait/config/expiry.h"
#include "krait/config/guard.h"
#include "krait/config/load.h"
#include "krait/config/names.h"
#include "krait/config/ports.h"
#include "krait/config/table.h"
#include "krait/model/tags.h"

namespace krait::config {

namespace {

constexpr auto kPolicyKeys = std::to_array<Key>({
    {"identity", Shape::tables, true, "[[identity]]"},
    {"rule", Shape::tables, false, "[[rule]]"},
    {"test", Shape::tables, false, "[[test]]"},
    {"lease", Shape::text, false, R"(lease = "7d")"},
    {"preshared_keys", Shape::truth, false, "preshared_keys = true"},
});
constexpr auto kRulesAlone = std::to_array<Key>({
    {"rule", Shape::tables, false, "[[rule]]"},
});
constexpr auto kIdentityKeys = std::to_array<Key>({
    {"name", Shape::text, true, R"(name = "web")"},
    {"tag", Shape::integer, false, "tag = 10"},
});
constexpr auto kRuleKeys = std::to_array<Key>({
    {"name", Shape::text, true, R"(name = "web to db")"},
    {"action", Shape::text, true, R"(action = "allow")"},
    {"from", Shape::text_or_texts, true, R"(from = ["web"])"},
    {"to", Shape::text_or_texts, true, R"(to = ["db"])"},
    {"ports", Shape::text_or_texts, true, R"(ports = ["tcp/5432"])"},
    {"expires", Shape::text, false, R"(expires = "2026-12-01T00:00:00Z" or expires = "8h")"},
    {"log", Shape::truth, false, "log = true"},
    {"reject", Shape::truth, false, "reject = true"},
    {"outlasts_lease", Shape::truth, false, "outlasts_lease = true"},
});
constexpr auto kTestKeys = std::to_array<Key>({
    {"from", Shape::text, true, R"(from = "web")"},
    {"to", Shape::text, true, R"(to = "db")"},
    {"port", Shape::text, true, R"(port = "tcp/5432")"},
    {"expect", Shape::text, true, R"(expect = "allow")"},
});

class PolicyReader {
 public:
  explicit PolicyReader(const std::string& file) : findings_(file) { policy_.file = file; }

  common::Result<model::Policy> read(const Value& root) {
    const Table table(root, "the policy", kPolicyKeys, findings_);
    if (table.has("lease")) {
      read_lease(table.text("lease"));
    }
    policy_.preshared_keys = table.truth("preshared_keys");
    if (table.has("identity")) {
      read_identities(table.tables("identity"));
    }
    for (const Value* rule : table.tables("rule")) {
      if (findings_.settled(rule->at)) {
        break;
      }
      read_rule(*rule);
    }
    for (const Value* test : table.tables("test")) {
      if (findings_.settled(test->at)) {
        break;
      }
      read_test(*test);
    }
    if (!findings_.empty()) {
      return std::move(findings_).take();
    }
    model::assign_tags(policy_.identities);
    return std::move(policy_);
  }

  // Of a text that has nothing but rules, between these identities. Nothing: some fault.
  std::optional<std::vector<model::Rule>> read_rules(const Value& root,
                                                     const std::vector<model::Identity>& identities) {
    for (const model::Identity& identity : identities) {
      identities_.try_emplace(identity.name, Known{static_cast<std::uint32_t>(identities_.size()), identity.at.line});
    }
    identities_known_ = true;
    const Table table(root, "the rules", kRulesAlone, findings_);
    for (const Value* rule : table.tables("rule")) {
      read_rule(*rule);
    }
    return findings_.empty() ? std::optional(std::move(policy_.rules)) : std::nullopt;
  }

 private:
  // Also identities with a fault are known afterwards, so that one fault is not reported at every rule.
  void read_identities(const std::vector<const Value*>& identities) {
    std::map<std::uint32_t, std::uint32_t> line_of_tag;
    for (const Value* value : identities) {
      const Table table(*value, "[[identity]]", kIdentityKeys, findings_);
      const Text name = table.text("name");
      model::Identity identity{std::string(name.text), 0, value->at};
      if (table.has("name")) {
        check_identity_name(name);
      }
      if (const Value* tag = table.find("tag")) {
        identity.tag = read_tag(*tag, line_of_tag);
      }
      policy_.identities.push_back(std::move(identity));
    }
    identities_known_ = true;
  }

  void check_identity_name(const Text& name) {
    if (auto fault = check_name(name.text)) {
      findings_.add(name.at, std::move(*fault));
    }
    const auto index = static_cast<std::uint32_t>(policy_.identities.size());
    const auto [first, fresh] = identities_.try_emplace(name.text, Known{index, name.at.line});
    if (!fresh) {
      findings_.add(name.at,
                    fmt::format("duplicate identity {}, first in line {}", in_quotes(name.text), first->second.line),
                    "rename or remove one of them");
    }
  }

  std::uint32_t read_tag(const Value& tag, std::map<std::uint32_t, std::uint32_t>& line_of_tag) {
    if (tag.integer() < 1 || tag.integer() > std::numeric_limits<std::uint32_t>::max()) {
      findings_.add(tag.at, fmt::format("bad tag {}", tag.integer()), "write a number from 1 to 4294967295");
      return 0;
    }
    const auto number = static_cast<std::uint32_t>(tag.integer());
    const auto [first, fresh] = line_of_tag.try_emplace(number, tag.at.line);
    if (!fresh) {
      findings_.add(tag.at, fmt::format("duplicate tag {}, first in line {}", number, first->second),
                    "give each identity a tag of its own or leave it out");
    }
    return number;
  }

  void read_rule(const Value& value) {
    const Table table(value, "[[rule]]", kRuleKeys, findings_);
    model::Rule rule;
    rule.at = value.at;
    const Text name = table.text("name");
    rule.name = name.text;
    if (table.has("name")) {
      check_unique_rule_name(name);
    }
    rule.action = read_action(table, "action");
    rule.from = read_subjects(table.texts("from"));
    rule.to = read_subjects(table.texts("to"));
    rule.selectors = read_ports(table.texts("ports"));
    rule.expires = read_expires(table);
    rule.log = table.truth("log");
    rule.reject = table.truth("reject");
    rule.outlasts_lease = table.truth("outlasts_lease");
    policy_.rules.push_back(std::move(rule));
  }

  void check_unique_rule_name(const Text& name) {
    if (auto fault = check_rule_name(name.text)) {
      findings_.add(name.at, std::move(*fault));
    }
    const auto [first, fresh] = line_of_rule_.try_emplace(name.text, name.at.line);
    if (!fresh) {
      findings_.add(name.at,
                    fmt::format("duplicate rule name {}, first in line {}", in_quotes(name.text), first->second),
                    "rename one of them");
    }
  }

  model::Action read_action(const Table& table, std::string_view key) {
    const Text action = table.text(key);
    if (table.has(key) && action.text != "allow" && action.text != "deny") {
      findings_.add(action.at, fmt::format("bad {} {}", key, in_quotes(action.text)), R"(write "allow" or "deny")");
    }
    return action.text == "allow" ? model::Action::allow : model::Action::deny;
  }

  model::Subjects read_subjects(const std::vector<Text>& names) {
    model::Subjects subjects;
    std::map<std::string_view, std::uint32_t> line_of;
    for (const Text& name : names) {
      if (findings_.settled(name.at)) {
        break;
      }
      const auto [first, fresh] = line_of.try_emplace(name.text, name.at.line);
      if (!fresh) {
        findings_.add(name.at, fmt::format("{} stands twice in the list", in_quotes(name.text)),
                      "remove one of the two");
      } else if (name.text == "*" && names.size() > 1) {
        findings_.add(name.at, "\"*\" is any identity and stands alone", "remove \"*\" or the other names");
      } else if (name.text == "*") {
        subjects.any = true;
      } else if (const auto index = find_identity(name)) {
        subjects.identities.push_back(*index);
      }
    }
    std::ranges::sort(subjects.identities);
    return subjects;
  }

  std::optional<std::uint32_t> find_identity(const Text& name) {
    const auto known = identities_.find(name.text);
    if (known != identities_.end()) {
      return known->second.index;
    }
    if (identities_known_ && !findings_.settled(name.at)) {
      findings_.add(name.at, fmt::format("unknown identity {}", in_quotes(name.text)), identity_hint(name.text));
    }
    return std::nullopt;
  }

  std::string identity_hint(std::string_view name) {
    std::string hint = did_you_mean(name, identity_names());
    if (!hint.empty()) {
      return hint;
    }
    if (name == "any" || name == "all") {
      return "write \"*\" for every identity";
    }
    auto fault = check_name(name);
    return fault ? std::move(fault->hint) : fmt::format("add [[identity]] name = {}", in_quotes(name));
  }

  const std::vector<std::string_view>& identity_names() {
    if (identity_names_.empty()) {
      identity_names_.assign(policy_.identities.size(), {});
      std::ranges::transform(policy_.identities, identity_names_.begin(), &model::Identity::name);
    }
    return identity_names_;
  }

  std::vector<model::SelectorRange> read_ports(const std::vector<Text>& ports) {
    std::vector<model::SelectorRange> all;
    for (const Text& port : ports) {
      if (findings_.settled(port.at)) {
        break;
      }
      if (port.text == "any" && ports.size() > 1) {
        findings_.add(port.at, "\"any\" covers everything and stands alone", "remove \"any\" or the other ports");
      }
      const auto ranges = read_one_port(port);
      all.insert(all.end(), ranges.begin(), ranges.end());
    }
    return normalized(std::move(all));
  }

  std::vector<model::SelectorRange> read_one_port(const Text& port) {
    auto ranges = read_port(port.text);
    if (!ranges) {
      findings_.add(port.at, std::move(ranges.error()));
      return {};
    }
    return std::move(*ranges);
  }

  void read_lease(const Text& text) {
    const auto lease = read_expiry(text.text);
    if (!lease) {
      findings_.add(text.at, lease.error());
    } else if (lease->kind != model::Expiry::Kind::after) {
      findings_.add(text.at, "a lease is a duration", R"(write lease = "7d")");
    } else {
      policy_.lease_s = static_cast<std::uint32_t>(lease->seconds);
    }
  }

  std::optional<model::Expiry> read_expires(const Table& table) {
    if (!table.has("expires")) {
      return std::nullopt;
    }
    const Text text = table.text("expires");
    auto expiry = read_expiry(text.text);
    if (!expiry) {
      findings_.add(text.at, std::move(expiry.error()));
      return std::nullopt;
    }
    return *expiry;
  }

  void read_test(const Value& value) {
    const Table table(value, "[[test]]", kTestKeys, findings_);
    model::PolicyTest test;
    test.at = value.at;
    test.from = read_subject(table, "from");
    test.to = read_subject(table, "to");
    const Text port = table.text("port");
    test.port = port.text;
    if (table.has("port")) {
      test.selectors = normalized(read_one_port(port));
    }
    test.expect = read_action(table, "expect");
    policy_.tests.push_back(std::move(test));
  }

  std::uint32_t read_subject(const Table& table, std::string_view key) {
    const Text name = table.text(key);
    if (!table.has(key)) {
      return 0;
    }
    if (name.text == "*") {
      findings_.add(name.at, "a test asks about one identity, not \"*\"", "write the name of an identity");
      return 0;
    }
    return find_identity(name).value_or(0);
  }

  struct Known {
    std::uint32_t index;
    std::uint32_t line;
  };

  Findings findings_;
  model::Policy policy_;
  std::map<std::string_view, Known> identities_;  // keys live in the document, as do the next one's
  std::map<std::string_view, std::uint32_t> line_of_rule_;
  std::vector<std::string_view> identity_names_;
  bool identities_known_ = false;
};

// What differs between two texts, in whole rules.
struct Splice {
  std::size_t first = 0;        // of the former rules
  std::size_t count = 0;        // of them, that have gone
  std::string_view text;        // of those in their place
  std::uint32_t line = 0;       // of the first one
  std::int64_t more_lines = 0;  // from there on
};

std::int64_t lines_in(std::string_view text) { return std::ranges::count(text, '\n'); }

// The offset of the line that is `lines` before the one in which `from` lies.
std::size_t back(std::string_view text, std::size_t from, std::int64_t lines) {
  std::size_t end = from;
  for (;; --lines) {
    const std::size_t found = end == 0 ? std::string_view::npos : text.rfind('\n', end - 1);
    if (found == std::string_view::npos || lines == 0) {
      return found == std::string_view::npos ? 0 : found + 1;
    }
    end = found;
  }
}

// The offset of the line that is `lines` behind the one in which `from` lies.
std::size_t ahead(std::string_view text, std::size_t from, std::int64_t lines) {
  for (; lines > 0 && from < text.size(); --lines) {
    from = std::min(text.find('\n', from), text.size() - 1) + 1;
  }
  return from;
}

// The line of the first of the tables, which ascend by line, that begins at this one or later.
std::int64_t next_line(const auto& tables, std::int64_t from) {
  const auto line_of = [](const auto& table) { return std::int64_t{table.at.line}; };
  const auto found = std::ranges::lower_bound(tables, from, {}, line_of);
  return found == tables.end() ? std::numeric_limits<std::int64_t>::max() : line_of(*found);
}

// What differs, and the lines of the former text in which it begins and ends; the last one is there up to `last`.
struct Differing {
  std::size_t first = 0;
  std::size_t last = 0;
  std::int64_t first_line = 0;
  std::int64_t last_line = 0;
  bool is_line_whole = false;  // nothing of the last one differs
};

Differing differing(std::string_view then, std::string_view text) {
  Differing found;
  found.first = static_cast<std::size_t>(std::ranges::mismatch(then, text).in1 - then.begin());
  const auto most = static_cast<std::ptrdiff_t>(std::min(then.size(), text.size()) - found.first);
  const auto same = std::mismatch(then.rbegin(), then.rbegin() + most, text.rbegin()).first - then.rbegin();
  found.last = then.size() - static_cast<std::size_t>(same);
  found.first_line = 1 + lines_in(then.substr(0, found.first));
  found.last_line = found.first_line + lines_in(then.substr(found.first, found.last - found.first));
  found.is_line_whole = found.last > 0 && then[found.last - 1] == '\n';
  return found;
}

// From the header of the rule before the first difference to the header behind the last one. Where a header stood in
// the former text the parser has been at a line's beginning, outside of everything; it gets there again where the text
// before is the same. Nothing: the difference is not within rules.
std::optional<Splice> splice_of(const FormerPolicy& former, std::string_view text) {
  const std::string_view then = former.text;
  const model::Policy& policy = former.policy;
  const Differing found = differing(then, text);
  const auto line_of = [](const model::Rule& rule) { return std::int64_t{rule.at.line}; };
  const auto behind = std::ranges::lower_bound(policy.rules, found.first_line, {}, line_of);
  if (behind == policy.rules.begin()) {
    return std::nullopt;
  }
  const auto begin = std::prev(behind);
  const std::size_t begin_at = back(then, found.first, found.first_line - line_of(*begin));

  const std::int64_t from = found.last_line + (found.is_line_whole ? 0 : 1);
  const std::int64_t end_line =
      std::min({next_line(policy.rules, from), next_line(policy.identities, from), next_line(policy.tests, from)});
  if (next_line(policy.identities, line_of(*begin)) < end_line || next_line(policy.tests, line_of(*begin)) < end_line) {
    return std::nullopt;
  }
  const bool is_last = end_line == std::numeric_limits<std::int64_t>::max();
  const std::size_t end_at = is_last ? then.size() : ahead(then, found.last, end_line - found.last_line);
  const std::string_view between = text.substr(begin_at, text.size() - (then.size() - end_at) - begin_at);
  constexpr std::string_view kHeader = "[[rule]]";
  if (!then.substr(begin_at).starts_with(kHeader) || !between.starts_with(kHeader) ||
      (!is_last && (!then.substr(end_at).starts_with("[[") || !between.ends_with('\n')))) {
    return std::nullopt;
  }
  const auto end = std::ranges::lower_bound(behind, policy.rules.end(), end_line, {}, line_of);
  return Splice{.first = static_cast<std::size_t>(begin - policy.rules.begin()),
                .count = static_cast<std::size_t>(end - begin),
                .text = between,
                .line = begin->at.line,
                .more_lines = lines_in(between) - lines_in(then.substr(begin_at, end_at - begin_at))};
}

// Whether two of the rules, or one of them and one that stays, have the same name.
bool is_any_name_twice(const std::vector<model::Rule>& rules, const model::Policy& former, const Splice& splice) {
  std::unordered_set<std::string_view> names;
  for (const model::Rule& rule : rules) {
    names.insert(rule.name);
  }
  if (names.size() != rules.size()) {
    return true;
  }
  for (std::size_t i = 0; i < former.rules.size(); ++i) {
    i = i == splice.first ? i + splice.count : i;
    if (i < former.rules.size() && names.contains(former.rules[i].name)) {
      return true;
    }
  }
  return false;
}

model::Policy spliced(const model::Policy& former, const Splice& splice, std::vector<model::Rule> rules) {
  model::Policy policy = former;
  policy.digest = {};
  for (model::Rule& rule : rules) {
    rule.at.line += splice.line - 1;
  }
  const auto first = policy.rules.begin() + static_cast<std::ptrdiff_t>(splice.first);
  const auto behind = policy.rules.erase(first, first + static_cast<std::ptrdiff_t>(splice.count));
  const auto shift = [&](auto& table) {
    if (table.at.line > splice.line) {
      table.at.line = static_cast<std::uint32_t>(table.at.line + splice.more_lines);
    }
  };
  std::for_each(behind, policy.rules.end(), shift);
  std::ranges::for_each(policy.identities, shift);
  std::ranges::for_each(policy.tests, shift);
  policy.rules.insert(behind, std::move_iterator(rules.begin()), std::move_iterator(rules.end()));
  return policy;
}

Memory memory_for(std::uint32_t max_rules) {
  const std::size_t parts = std::max<std::size_t>(1, max_rules / model::Limits{}.rules);
  return {parts * kPolicyMemoryBytes, "split the policy, or raise rules in [limits] of krait.toml, see docs/limits.md"};
}

}  // namespace

// Whatever is not as it should be is said by parse_policy(), at its place in the whole text.
common::Result<model::Policy> parse_policy_after(const FormerPolicy& former, std::string_view text,
                                                 const std::string& file) {
  const Memory memory = memory_for(model::Limits{}.rules);
  const auto splice = splice_of(former, text);
  if (!splice || refuse(text, memory)) {
    return parse_policy(text, file);
  }
  const auto root = parse_document(splice->text, file, memory);
  auto rules = root ? PolicyReader(file).read_rules(*root, former.policy.identities) : std::nullopt;
  if (!rules || is_any_name_twice(*rules, former.policy, *splice)) {
    return parse_policy(text, file);
  }
  model::Policy policy = spliced(former.policy, *splice, *std::move(rules));
  policy.file = file;
  return policy;
}

common::Result<model::Policy> parse_policy(std::string_view text, const std::string& file, std::uint32_t max_rules) {
  common::Result<Value> root = parse_document(text, file, memory_for(max_rules));
  if (!root) {
    return std::move(root.error());
  }
  return PolicyReader(file).read(*root);
}

}  // namespace krait::config
