#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "krait/cli/command.h"
#include "krait/cli/explain.h"
#include "krait/config/load.h"
#include "krait/config/ports.h"
#include "krait/plan/plan.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Result<void> check(const std::string& file, Output& output) {
  auto checked = plan::check_policy(file);
  if (!checked) {
    return checked.error();
  }
  const model::Policy& policy = checked->policy;
  output.warn(checked->warnings);
  output.report(fmt::format("ok: {}\n  identities: {}, rules: {}, tests passed: {}", file, policy.identities.size(),
                            policy.rules.size(), policy.tests.size()),
                {{"version", control::kProtocolVersion},
                 {"policy", file},
                 {"identities", policy.identities.size()},
                 {"rules", policy.rules.size()},
                 {"tests", policy.tests.size()},
                 {"warnings", control::findings_json(checked->warnings)}});
  return {};
}

struct Flags {
  std::string policy = "/etc/krait/policy.toml";
  std::string from;
  std::string to;
  std::string protocol;
  std::optional<std::uint32_t> port;
  std::optional<std::string> type;
};

Result<std::uint32_t> identity_of(const model::Policy& policy, const std::string& name) {
  const auto index = policy.find_identity(name);
  if (index < 0) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} has no identity \"{}\"; name one of its [[identity]] tables", policy.file, name));
  }
  return static_cast<std::uint32_t>(index);
}

Json json_of(const model::Policy& policy, const Explanation& explanation) {
  const model::Rule* rule = explanation.rule ? &policy.rules[*explanation.rule] : nullptr;
  Json json{{"verdict", explanation.allowed ? "allow" : "deny"}};
  json["rule"] = rule != nullptr ? Json(rule->name) : Json();
  json["file"] = policy.file;
  json["line"] = rule != nullptr ? Json(rule->at.line) : Json();
  json["method"] = explanation.by_program ? "bpf" : "model";
  json["note"] = explanation.note.empty() ? Json() : Json(explanation.note);
  return json;
}

std::string text_of(const Flags& flags, const model::Policy& policy, std::uint32_t selector,
                    const Explanation& explanation) {
  std::string why = fmt::format("by no rule ({})", policy.file);
  if (explanation.rule) {
    const model::Rule& rule = policy.rules[*explanation.rule];
    why = fmt::format("by rule \"{}\" ({}:{})", rule.name, policy.file, rule.at.line);
  }
  std::string text = fmt::format("{}  {} -> {} {}  {}, judged by {}", explanation.allowed ? "allow" : "deny",
                                 flags.from, flags.to, config::selector_text({selector, selector}), why,
                                 explanation.by_program ? "the BPF program" : "the compiled policy");
  if (!explanation.note.empty()) {
    text += "\n  note: " + explanation.note;
  }
  return text;
}

Result<void> explain_command(const Flags& flags, Output& output) {
  std::optional<std::string_view> type;
  if (flags.type) {
    type = *flags.type;
  }
  auto selector = config::selector_of(flags.protocol, flags.port, type);
  if (!selector) {
    return selector.error();
  }
  auto policy = config::load_policy(flags.policy);
  if (!policy) {
    return policy.error();
  }
  auto from = identity_of(*policy, flags.from);
  auto to = identity_of(*policy, flags.to);
  if (!from || !to) {
    return !from ? from.error() : to.error();
  }
  auto explanation = explain(*policy, *from, *to, *selector);
  if (!explanation) {
    return explanation.error();
  }
  output.report(text_of(flags, *policy, *selector, *explanation), json_of(*policy, *explanation));
  return {};
}

void add_explain(Shell& shell, Command group) {
  auto flags = std::make_shared<Flags>();
  Command command = shell.command(
      group, "explain", "Say what a policy decides, and by which rule",
      "With root the answer is the BPF program's own, on a packet of that kind; without, the compiled policy's.\n"
      "Example:  krait policy explain --policy policy.toml --from web --to db --proto tcp --port 5432\n"
      "          krait policy explain --policy policy.toml --from web --to db --proto icmp --type echo-request");
  command.option("--policy", flags->policy, "The policy");
  command.option("--from", flags->from, "The identity that opens", {.required = true});
  command.option("--to", flags->to, "The identity that it opens to", {.required = true});
  command.option("--proto", flags->protocol, "tcp, udp, sctp, icmp, icmpv6, gre, esp or a protocol's number",
                 {.required = true});
  command.option("--port", flags->port, "The destination port, for tcp, udp and sctp");
  command.option("--type", flags->type, "The type, for icmp and icmpv6: a name or a number");
  shell.on(command, [flags](Output& output) { return explain_command(*flags, output); });
}

}  // namespace

void add_policy(Shell& shell) {
  Command group = shell.group("policy", "Check a policy, or explain what it decides");
  auto file = std::make_shared<std::string>();
  Command command = shell.command(group, "check", "Check a policy on its own",
                                  "Reads and compiles it and runs its tests. Needs no root.\n"
                                  "Example:  krait policy check policy.toml");
  command.option("FILE", *file, "The policy", {.required = true});
  shell.on(command, [file](Output& output) { return check(*file, output); });
  add_explain(shell, group);
}

}  // namespace krait::cli
