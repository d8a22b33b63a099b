#include <fmt/format.h>

#include <memory>
#include <string>

#include "common/answer.h"
#include "krait/cli/command.h"
#include "krait/plan/plan.h"

namespace krait::cli {

using common::Result;

namespace {

Result<void> check(const std::string& config, Output& output) {
  KRAIT_TRY(auto plan, plan::make_plan(config));
  const model::Mesh& mesh = plan.mesh;
  const model::Policy& policy = plan.policy;
  Json json{{"version", control::kProtocolVersion}, {"config", mesh.file}, {"policy", policy.file}};
  json["host"] = mesh.host.name;
  json["identity"] = mesh.host.identity.name;
  json["interface"] = mesh.host.interface;
  json["peers"] = mesh.peers.size();
  json["prefixes"] = plan.bindings.size();
  json["identities"] = policy.identities.size();
  json["rules"] = policy.rules.size();
  json["tests"] = policy.tests.size();
  json["snapshot_bytes"] = plan.snapshot.image.size();
  json["warnings"] = common::findings_json(plan.warnings);
  output.warn(plan.warnings);
  output.report(fmt::format("ok: {} and {}\n"
                            "  host {} ({}) on {}, peers: {}, addresses and prefixes: {}\n"
                            "  identities: {}, rules: {}, tests passed: {}",
                            mesh.file, policy.file, mesh.host.name, mesh.host.identity.name, mesh.host.interface,
                            mesh.peers.size(), plan.bindings.size(), policy.identities.size(), policy.rules.size(),
                            policy.tests.size()),
                json);
  return {};
}

}  // namespace

void add_check(Shell& shell) {
  auto config = std::make_shared<std::string>(kDefaultConfig);
  Command command =
      shell.command("check", "Check krait.toml and its policy",
                    "Reads and compiles both and runs the policy's tests. Changes nothing, needs no root.\n"
                    "Example:  krait check /etc/krait/krait.toml");
  command.option("KRAIT.TOML", *config, "The host's configuration", {.env = "KRAIT_CONFIG"});
  shell.on(command, [config](Output& output) { return check(*config, output); });
}

}  // namespace krait::cli
