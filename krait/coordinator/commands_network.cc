// krait-coordinator network, status
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "common/ip.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct NetworkFlags : AdminFlags {
  std::optional<std::string> addresses;
  std::optional<std::string> approval;
  std::optional<std::uint32_t> keepalive_s;
};

std::string listed(const Json& list) {
  std::string text;
  for (const Json& entry : list) {
    text += (text.empty() ? "" : ", ") + (entry.is_string() ? entry.get<std::string>() : "");
  }
  return text;
}

Result<void> show(const NetworkFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "settings"}}));
  const Json& settings = common::object_at(answer, "settings");
  output.report(
      fmt::format("{}: number {}\n  prefixes: {}\n  addresses of coordinators: {}\n  key of coordinators: {}\n  "
                  "approval: {}\n  keepalive behind NAT: {} s",
                  common::text_at(settings, "name"), common::text_at(answer, "id"),
                  listed(common::list_at(settings, "prefixes")), listed(common::list_at(settings, "addresses")),
                  common::text_at(answer, "server_key"), settings.value("approval", false) ? "on" : "off",
                  common::number_at(settings, "keepalive_s")),
      answer);
  return {};
}

Result<void> set(const NetworkFlags& flags, Output& output) {
  KRAIT_TRY(const auto now, ask(flags, {{"request", "settings"}}));
  Json settings = common::object_at(now, "settings");
  if (flags.addresses) {
    settings["addresses"] = Json::array();
    for (std::size_t at = 0; at <= flags.addresses->size();) {
      const std::size_t end = std::min(flags.addresses->find(',', at), flags.addresses->size());
      const std::string address = flags.addresses->substr(at, end - at);
      if (!common::Endpoint::parse(address)) {
        return Error(ErrorCode::invalid_input,
                     fmt::format("\"{}\" is no address; write 192.0.2.10:7170, several with commas", address));
      }
      settings["addresses"].push_back(address);
      at = end + 1;
    }
  }
  if (flags.approval) {
    if (*flags.approval != "on" && *flags.approval != "off") {
      return Error(ErrorCode::invalid_input, "--approval is on or off");
    }
    settings["approval"] = *flags.approval == "on";
  }
  if (flags.keepalive_s) {
    settings["keepalive_s"] = *flags.keepalive_s;
  }
  if (!flags.addresses && !flags.approval && !flags.keepalive_s) {
    return Error(ErrorCode::invalid_input, "say what to set: --address, --approval or --keepalive");
  }
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "settings_set"}, {"settings", settings}}));
  output.report(fmt::format("revision {}", common::number_at(answer, "revision")), answer);
  return {};
}

Result<void> status(const NetworkFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "status"}}));
  output.report(fmt::format("{}: revision {}, {} hosts, {} online, policy {}", common::text_at(answer, "network"),
                            common::number_at(answer, "revision"), common::number_at(answer, "hosts"),
                            common::number_at(answer, "online"), common::number_at(answer, "policy")),
                answer);
  return {};
}

void add_sign_anew(Shell& shell, Command group) {
  auto flags = std::make_shared<NetworkFlags>();
  auto above = std::make_shared<std::optional<std::uint32_t>>();
  Command command = shell.command(
      group, "sign-anew", "After a restore: sign what the backup holds as the newest",
      "Hosts refuse what is older than what they have seen, until an administrator says with this that it is what "
      "holds.\n"
      "What was changed since the backup is lost with it. Where hosts have seen more than this machine, host list says "
      "which\n"
      "revision; give it with --above.\n"
      "Example:  krait-coordinator network sign-anew");
  command.option("--above", *above, "A revision that some host has seen");
  add_reach_flags(command, *flags);
  shell.on(command, [flags, above](Output& output) -> Result<void> {
    KRAIT_TRY(const auto answer, sign_anew(*flags, above->value_or(0)));
    output.report(fmt::format("what the coordinator holds is signed as revision {}",
                              common::number_at(answer, "signed_revision")),
                  answer);
    return {};
  });
}

}  // namespace

// Each command has flags of its own: what the environment says for another one's would take their place.
void add_network_commands(Shell& shell) {
  auto status_flags = std::make_shared<NetworkFlags>();
  Command ask_status = shell.command("status", "Say how the network is", "Example:  sudo krait-coordinator status");
  add_reach_flags(ask_status, *status_flags);
  shell.on(ask_status, [status_flags](Output& output) { return status(*status_flags, output); });
  const Command group = shell.group("network", "The network's settings");
  auto show_flags = std::make_shared<NetworkFlags>();
  Command ask_settings =
      shell.command(group, "show", "Show the settings", "Example:  sudo krait-coordinator network show");
  add_reach_flags(ask_settings, *show_flags);
  shell.on(ask_settings, [show_flags](Output& output) { return show(*show_flags, output); });
  auto flags = std::make_shared<NetworkFlags>();
  Command change =
      shell.command(group, "set", "Change the settings",
                    "What is not named stays.\n"
                    "Example:  sudo krait-coordinator network set --address 192.0.2.10:7170,192.0.2.11:7170");
  change.option("--address", flags->addresses, "Where hosts reach coordinators, several with commas");
  change.option("--approval", flags->approval, "Whether hosts that join wait for host approve: on or off");
  change.option("--keepalive", flags->keepalive_s,
                "Seconds between packets of hosts behind NAT, at most 3600; 0 for none");
  add_reach_flags(change, *flags);
  shell.on(change, [flags](Output& output) { return set(*flags, output); });
  add_sign_anew(shell, group);
}

}  // namespace krait::coordinator
