// What `krait` becomes for join and leave.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/answer.h"
#include "common/file.h"
#include "common/ip.h"
#include "common/process.h"
#include "common/program.h"
#include "krait/cli/command.h"
#include "krait/config/load.h"
#include "krait/join/join.h"
#include "krait/plan/joined.h"

namespace {

using common::Error;
using common::ErrorCode;
using common::Result;
using krait::cli::Json;
using krait::cli::Output;

// As krait-agent and krait-link have them.
std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

krait::join::JoinOptions places() {
  krait::join::JoinOptions options;
  options.files.folder = from_environment("KRAIT_LINK_STATE", krait::link::kDefaultState);
  options.joined_file = from_environment("KRAIT_JOINED", krait::plan::kJoinedFile);
  options.private_key_file = common::directory_of(common::directory_of(options.joined_file)) + "/host.key";
  return options;
}

// Services are a service manager's, where there is one.
bool has_systemd() { return ::access("/run/systemd/system", F_OK) == 0; }

// `hint`: what to do when it fails.
Result<void> must_run(const std::vector<std::string>& words, std::string_view hint) {
  KRAIT_TRY(const int code, common::run_program(words));
  return code == 0 ? Result<void>()
                   : Error(ErrorCode::system, fmt::format("{} failed; {}", fmt::join(words, " "), hint));
}

Result<void> systemctl(std::vector<std::string> words) {
  words.insert(words.begin(), "systemctl");
  return must_run(words, "see journalctl -u krait-agent -u krait-link");
}

std::string machine_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const std::string all(name.data());
  return all.substr(0, all.find('.'));
}

// What the host is by its own file, so that its peers know it again. A file that no agent would take says nothing.
void take_over(krait::join::JoinOptions& options) {
  const auto mesh = krait::config::load_mesh(from_environment("KRAIT_CONFIG", krait::cli::kDefaultConfig));
  if (!mesh) {
    return;
  }
  options.name = mesh->host.name;
  options.interface = mesh->host.interface;
  options.listen_port = mesh->host.listen_port;
  if (!mesh->host.private_key_file.empty()) {
    options.private_key_file = mesh->host.private_key_file;
  }
  for (const auto& address : mesh->host.addresses) {
    options.addresses.push_back(address.ip.text());
  }
}

Result<std::uint16_t> port_of(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc() || end != text.data() + text.size() || port == 0) {
    return Error(ErrorCode::invalid_input, "--listen-port is 1 to 65535");
  }
  return port;
}

Result<krait::join::JoinOptions> options_of(const krait::cli::JoinFlags& flags) {
  krait::join::JoinOptions options = places();
  options.name = machine_name();
  take_over(options);
  options.token = flags.token;
  options.endpoints = flags.endpoints;
  options.behind_nat = flags.behind_nat;
  if (!flags.name.empty()) {
    options.name = flags.name;
  }
  if (!flags.interface.empty()) {
    options.interface = flags.interface;
  }
  if (!flags.listen_port.empty()) {
    KRAIT_TRY(options.listen_port, port_of(flags.listen_port));
  }
  for (const std::string& endpoint : options.endpoints) {
    if (!common::Endpoint::parse(endpoint)) {
      return Error(ErrorCode::invalid_input,
                   fmt::format("--endpoint {} is no address with a port; write 192.0.2.1:51820 or "
                               "[2001:db8::1]:51820",
                               endpoint));
    }
  }
  return options;
}

Result<void> join(const krait::cli::JoinFlags& flags, Output& output) {
  KRAIT_TRY(const auto options, options_of(flags));
  KRAIT_TRY(const auto joined, krait::join::join(options));
  const Json json{{"version", common::kAnswerVersion},
                  {"name", joined.name},
                  {"identity", joined.identity},
                  {"addresses", joined.addresses},
                  {"waits_for_approval", joined.waits_for_approval}};
  if (joined.waits_for_approval) {
    output.report(fmt::format("{} waits until an administrator approves it; then run the same once more", joined.name),
                  json);
    return {};
  }
  if (!flags.no_start && has_systemd()) {
    KRAIT_CHECK(systemctl({"enable", "--quiet", "krait-agent", "krait-link"}));
    KRAIT_CHECK(systemctl({"restart", "krait-agent", "krait-link"}));
  }
  output.report(fmt::format("joined as {}: {}, {}", joined.name, joined.identity, fmt::join(joined.addresses, ", ")),
                json);
  return {};
}

Result<void> leave(const krait::cli::LeaveFlags& flags, Output& output) {
  KRAIT_CHECK(krait::link::load_membership(places().files));  // else a host that goes by files would be taken down
  if (!flags.no_stop && has_systemd()) {
    KRAIT_CHECK(systemctl({"disable", "--quiet", "--now", "krait-link"}));
    KRAIT_CHECK(systemctl({"disable", "--quiet", "krait-agent"}));
    KRAIT_CHECK(must_run({"krait", "down"}, "mend that, or leave with --no-stop: what is in force stays then"));
  }
  KRAIT_TRY(const auto left, krait::join::leave(places()));
  output.report(left.told ? "left the network"
                          : fmt::format("left the network; its coordinator does not know ({}), have it told: "
                                        "krait-coordinator host remove",
                                        left.why_not),
                {{"version", common::kAnswerVersion}, {"told", left.told}});
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  common::forbid_memory_dumps();
  return krait::cli::run(argc, argv,
                         {.examine = {},
                          .bundle = {},
                          .trace = {},
                          .explain = {},
                          .events = {},
                          .down_without_agent = {},
                          .keygen = {},
                          .next_key = {},
                          .check_joined = {},
                          .join = join,
                          .leave = leave});
}
