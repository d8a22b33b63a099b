#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/json.h"
#include "krait/cli/command.h"
#include "krait/cli/spawn.h"
#include "krait/control/client.h"
#include "krait/plan/plan.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Flags {
  std::string config = kDefaultConfig;
  std::string socket = control::kDefaultSocket;
};

Result<std::string> absolute(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> full(::realpath(path.c_str(), nullptr), &std::free);
  if (!full) {
    return Error::from_errno(errno, "find " + path);
  }
  return std::string(full.get());
}

// The agent works in another directory: what it is given must not depend on ours.
Result<Spawn> spawn_of(const Flags& flags) {
  KRAIT_TRY(auto config, absolute(flags.config));
  auto agent = find_agent();
  if (!agent) {
    return agent.error();
  }
  Spawn spawn{.agent = *agent, .config = config, .socket = flags.socket, .log = {}};
  if (!spawn.socket.starts_with('/')) {
    KRAIT_TRY(auto here, absolute("."));
    spawn.socket = here + "/" + spawn.socket;
  }
  spawn.log = spawn.socket.substr(0, spawn.socket.rfind('/')) + "/agent.log";
  return spawn;
}

Result<void> report(const std::string& socket, bool was_up, Output& output) {
  KRAIT_TRY(auto status, control::ask(socket, control::Request::status));
  Json json{{"version", control::kProtocolVersion}, {"already_up", was_up}};
  for (const char* key : {"interface", "attachment", "revision", "rules", "identities"}) {
    json[key] = status.value(key, Json());
  }
  json["peers"] = common::list_at(status, "peers").size();
  output.report(
      fmt::format("{}: {}, {} attachment, policy revision {} ({} rules), {} peers", was_up ? "already up" : "up",
                  common::text_at(status, "interface", "?"), common::text_at(status, "attachment", "no"),
                  json["revision"].dump(), json["rules"].dump(), json["peers"].dump()),
      json);
  return {};
}

Result<void> up(const Flags& flags, Output& output) {
  if (control::ask(flags.socket, control::Request::status)) {
    return report(flags.socket, true, output);
  }
  if (::geteuid() != 0) {
    return Error(ErrorCode::permission, "only root may do this; run it with sudo");
  }
  // The agent checks too; here the findings keep their places in the files.
  KRAIT_TRY(auto plan, plan::make_plan(flags.config));
  output.warn(plan.warnings);
  KRAIT_TRY(auto spawn, spawn_of(flags));
  KRAIT_CHECK(spawn_agent(spawn));
  return report(spawn.socket, false, output);
}

}  // namespace

void add_up(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  Command command = shell.command(
      "up", "Start krait-agent in the background",
      "Returns when the interface is set up and the policy is in force. The agent's log is beside its socket\n"
      "(/run/krait/agent.log).\n"
      "Example:  sudo krait up --config /etc/krait/krait.toml");
  add_config_flag(command, flags->config);
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags](Output& output) { return up(*flags, output); });
}

}  // namespace krait::cli
