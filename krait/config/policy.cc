// policy.toml
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>

#include "krait/config/expiry.h"
#include "krait/config/load.h"
#include "krait/config/names.h"
#include "krait/config/ports.h"
#include "krait/config/table.h"
#include "krait/model/tags.h"

namespace krait::config {

namespace {

constexpr auto kRootKeys = std::to_array<Key>({
    {"identity", Shape::tables, true, "[[identity]]"},
    {"rule", Shape::tables, false, "[[rule]]"},
    {"test", Shape::tables, false, "[[test]]"},
    {"lease", Shape::text, false, R"(lease = "7d")"},
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
    const Table table(root, "the policy", kRootKeys, findings_);
    if (table.has("lease")) {
      read_lease(table.text("lease"));
    }
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

}  // namespace

common::Result<model::Policy> parse_policy(std::string_view text, const std::string& file, std::uint32_t max_rules) {
  const std::size_t parts = std::max<std::size_t>(1, max_rules / model::Limits{}.rules);
  const Memory memory{parts * kPolicyMemoryBytes,
                      "split the policy, or raise rules in [limits] of krait.toml, see docs/limits.md"};
  common::Result<Value> root = parse_document(text, file, memory);
  if (!root) {
    return std::move(root.error());
  }
  return PolicyReader(file).read(*root);
}

}  // namespace krait::config
