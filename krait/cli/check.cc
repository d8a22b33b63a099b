#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "common/answer.h"
#include "krait/cli/command.h"
#include "krait/cli/inspections.h"
#include "krait/plan/joined.h"
#include "krait/plan/plan.h"

namespace krait::cli {

using common::Result;

namespace {

// As the agent and krait-link have it.
std::string joined_file() {
  const char* file = std::getenv("KRAIT_JOINED");
  return file == nullptr || *file == '\0' ? plan::kJoinedFile : file;
}

// A host that has joined a network goes by what it keeps, whatever lies beside it; a file that is named is looked at.
Result<void> check(const std::string& config, const Inspections& inspections, Output& output) {
  if (config == kDefaultConfig && ::access(joined_file().c_str(), F_OK) == 0) {
    return inspections.check_joined(joined_file(), output);
  }
  KRAIT_TRY(const auto plan, plan::make_plan(config));
  report_checked(plan, output);
  return {};
}

}  // namespace

void report_checked(const plan::Plan& plan, Output& output) {
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
}

void add_check(Shell& shell, const Inspections& inspections) {
  auto config = std::make_shared<std::string>(kDefaultConfig);
  Command command =
      shell.command("check", "Check krait.toml and its policy",
                    "Reads and compiles both and runs the policy's tests. Changes nothing, needs no root.\n"
                    "On a host that has joined a network: verifies and compiles the state that it keeps, as root.\n"
                    "Example:  krait check /etc/krait/krait.toml");
  command.option("KRAIT.TOML", *config, "The host's configuration", {.env = "KRAIT_CONFIG"});
  shell.on(command, [config, &inspections](Output& output) { return check(*config, inspections, output); });
}

}  // namespace krait::cli
