#include <fmt/format.h>

#include <memory>
#include <string>

#include "common/answer.h"
#include "krait/cli/command.h"
#include "krait/plan/plan.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> check(const std::string& file, Output& output) {
  KRAIT_TRY(auto checked, plan::check_policy(file));
  const model::Policy& policy = checked.policy;
  output.warn(checked.warnings);
  output.report(fmt::format("ok: {}\n  identities: {}, rules: {}, tests passed: {}", file, policy.identities.size(),
                            policy.rules.size(), policy.tests.size()),
                {{"version", control::kProtocolVersion},
                 {"policy", file},
                 {"identities", policy.identities.size()},
                 {"rules", policy.rules.size()},
                 {"tests", policy.tests.size()},
                 {"warnings", common::findings_json(checked.warnings)}});
  return {};
}

void add_explain(Shell& shell, Command group, const Inspections& inspections) {
  auto flags = std::make_shared<ExplainFlags>();
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
  shell.on(command, [flags, &inspections](Output& output) { return inspections.explain(*flags, output); });
}

}  // namespace

Command add_policy(Shell& shell, const Inspections& inspections) {
  Command group = shell.group("policy", "Check a policy, explain what it decides, or give it to a network");
  auto file = std::make_shared<std::string>();
  Command command = shell.command(group, "check", "Check a policy on its own",
                                  "Reads and compiles it and runs its tests. Needs no root.\n"
                                  "Example:  krait policy check policy.toml");
  command.option("FILE", *file, "The policy", {.required = true});
  shell.on(command, [file](Output& output) { return check(*file, output); });
  add_explain(shell, group, inspections);
  return group;
}

}  // namespace krait::cli
