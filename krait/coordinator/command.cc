#include "krait/coordinator/command.h"

#include <fmt/format.h>

#include <charconv>

#include "common/calendar.h"
#include "krait/control/version.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::int64_t kYearS = 366LL * 24 * 3600;

}  // namespace

void add_reach_flags(Command command, AdminFlags& flags) {
  command.option("--key", flags.key, "The administrator's key; ~/.config/krait/admin.key", {.env = "KRAIT_ADMIN_KEY"});
  command.option("--coordinator", flags.coordinator, "The coordinator's address, in place of the profile's",
                 {.env = "KRAIT_COORDINATOR"});
  command.option("--profile", flags.profile, "What admin connect has written; ~/.config/krait/coordinator.json",
                 {.env = "KRAIT_COORDINATOR_PROFILE"});
  command.option("--socket", flags.socket,
                 fmt::format("The socket on the coordinator's machine; without a profile {}", kDefaultSocket),
                 {.env = "KRAIT_COORDINATOR_SOCKET"});
}

void add_wait_flags(Command command, AdminFlags& flags) {
  command.flag("--wait", flags.wait, "Return when every host that is online enforces it");
  command.option("--timeout", flags.timeout, "How long to wait");
}

void add_state_flags(Command command, ServerOptions& options) {
  command.option("--state", options.state, "The folder of the coordinator's key and network",
                 {.env = "KRAIT_COORDINATOR_STATE"});
  command.option("--database", options.database,
                 "PostgreSQL in place of a file there, as libpq has it: host=... dbname=...",
                 {.env = "KRAIT_COORDINATOR_DATABASE"});
}

Result<std::int64_t> duration_s(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86'400 : 0;
  if (failed != std::errc() || factor == 0 || number < 1 || number > kYearS / factor) {
    return Error(ErrorCode::invalid_input, fmt::format("\"{}\" is no duration; write 90s, 15m, 8h or 7d", text));
  }
  return number * factor;
}

std::string time_text(std::uint64_t unix_s) { return common::utc_text(unix_s, "%Y-%m-%d %H:%M:%SZ"); }

std::string spread_text(const Json& answer, Output& output) {
  const Json& spread = common::object_at(answer, "spread");
  if (spread.empty()) {
    return "";
  }
  const std::uint64_t concerned = common::number_at(spread, "concerned");
  const Json& failing = common::list_at(spread, "failing");
  std::string text =
      concerned == 0
          ? "no host that is online is concerned"
          : fmt::format("{} of {} hosts that are online and concerned enforce it, the last one after {:.1f} ms",
                        common::number_at(spread, "enforcing"), concerned, spread.value("last_ms", 0.0));
  for (const Json& host : failing) {
    text += fmt::format("\n  {} does not: {}", common::text_at(host, "host"), common::text_at(host, "why"));
  }
  const Json& silent = common::list_at(spread, "silent");
  text += silent_text(silent);
  if (!failing.empty() || !silent.empty()) {
    output.found_problems();
  }
  return text;
}

common::cli::About about() {
  return {.name = "krait-coordinator",
          .version = control::kVersion,
          .description =
              "krait-coordinator: hosts join with one token, and one policy reaches all of them.\n"
              "What hosts enforce is signed by administrators: the coordinator hands it on, and can add nothing.",
          .footer =
              "Example:  sudo krait-coordinator init --name example --prefix 10.90.0.0/16 --address 192.0.2.10:7170\n"
              "          sudo krait-coordinator policy apply --wait policy.toml && "
              "sudo krait-coordinator token create --identity web\n"
              "Every command takes -o json. Exit codes: 0 ok, 1 wrong use, or hosts that do not enforce what was "
              "asked for,\n"
              "2 failure at run time."};
}

void add_commands(Shell& shell) {
  add_serve_commands(shell);
  add_token_commands(shell);
  add_host_commands(shell);
  add_policy_commands(shell);
  add_network_commands(shell);
  add_audit_commands(shell);
  add_admin_commands(shell);
}

int run(int argc, const char* const* argv) { return common::cli::run(argc, argv, about(), add_commands); }

}  // namespace krait::coordinator
