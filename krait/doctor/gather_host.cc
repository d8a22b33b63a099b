#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>

#include "common/file.h"
#include "common/json.h"
#include "krait/config/load.h"
#include "krait/control/client.h"
#include "krait/doctor/gather.h"
#include "krait/plan/clock_keeper.h"
#include "krait/plan/joined.h"
#include "krait/plan/plan.h"
#include "krait/rundir/bpffs.h"

namespace krait::doctor {

using common::Json;
using common::list_at;
using common::number_at;
using common::object_at;
using common::text_at;

namespace {

constexpr std::size_t kMaxModuleListBytes = std::size_t{16} << 20U;

void gather_kernel(KernelFacts& kernel) {
  utsname names{};
  ::uname(&names);
  kernel.release = names.release;
  kernel.is_realtime = datapath::lets_packets_interrupt(names.version);
  kernel.has_btf = datapath::kernel_has_btf();
  kernel.wireguard_loaded = ::access("/sys/module/wireguard", F_OK) == 0;
  for (const char* list : {"modules.dep", "modules.builtin"}) {
    const auto text = common::read_file(fmt::format("/lib/modules/{}/{}", kernel.release, list), kMaxModuleListBytes);
    kernel.wireguard_available =
        kernel.wireguard_available || (text && text->find("/wireguard.ko") != std::string::npos);
  }
}

void gather_clock(const Facts& facts, ClockFacts& clock) {
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  const std::string policy = facts.config.policy ? facts.config.policy->file : "";
  const model::KnownTime time = plan::time_by({facts.config.file, policy});
  clock = {.now_s = time.clock_ns / kNsPerS,
           .synchronized = time.synchronized,
           .known_s = time.now.unix_ns / kNsPerS,
           .source = time.source,
           .file = time.file};
}

void gather_key_file(const std::string& file, KeyFileFacts& key) {
  struct stat info{};
  if (::stat(file.c_str(), &info) == 0) {
    key.exists = true;
    key.mode = info.st_mode & 07777U;
    key.owner = info.st_uid;
  } else {
    key.visible = errno != EACCES;
  }
}

void gather_pins(PinsFacts& pins) {
  struct stat info{};
  pins.exists = ::lstat(pins.directory.c_str(), &info) == 0;
  if (pins.exists) {
    pins.is_bpffs = rundir::is_bpffs(pins.directory);
    pins.owner = info.st_uid;
  }
}

// One line of /proc/PID/status: NAME, a tab, the value in `base`.
std::optional<std::uint64_t> status_line(const std::string& status, std::string_view name, int base) {
  const std::string start = fmt::format("\n{}:\t", name);
  const std::size_t at = status.find(start);
  std::uint64_t value = 0;
  if (at == std::string::npos ||
      std::from_chars(status.data() + at + start.size(), status.data() + status.size(), value, base).ec !=
          std::errc()) {
    return std::nullopt;
  }
  return value;
}

void gather_agent(const std::string& socket, AgentFacts& agent) {
  agent.socket = socket;
  const auto answer = control::ask(socket, control::Request::status);
  if (!answer) {
    agent.error = answer.error().code() == common::ErrorCode::unavailable ? "no agent answers at " + socket
                                                                          : answer.error().text();
    return;
  }
  agent.answers = true;
  const Json& status = *answer;
  const Json& about = object_at(status, "agent");
  agent.pid = static_cast<std::int64_t>(number_at(about, "pid"));
  agent.version = text_at(about, "version");
  agent.mode = text_at(about, "mode");
  agent.stage = text_at(status, "stage");
  for (const Json& fault : list_at(status, "faults")) {
    agent.faults.push_back({text_at(fault, "what"), text_at(fault, "hint")});
  }
  agent.interface = text_at(status, "interface");
  agent.attachment = text_at(status, "attachment");
  agent.revision = number_at(status, "revision");
  if (const Json& network = object_at(status, "network"); !network.empty()) {
    agent.joined = JoinedFacts{.id = text_at(network, "id"),
                               .hosts_revision = number_at(network, "hosts_revision"),
                               .policy_revision = number_at(network, "policy_revision"),
                               .lease_s = static_cast<std::int64_t>(number_at(network, "lease_s")),
                               .confirmed_s = static_cast<std::int64_t>(number_at(network, "confirmed_s")),
                               .refused = text_at(network, "refused")};
  }
  const auto process = common::read_file(fmt::format("/proc/{}/status", agent.pid), 1U << 16U);
  if (process) {
    agent.capabilities = status_line(*process, "CapEff", 16);
    agent.user = static_cast<std::uint32_t>(status_line(*process, "Uid", 10).value_or(0));
  }
}

bool is_hidden(const std::string& file) { return ::access(file.c_str(), R_OK) != 0 && errno == EACCES; }

}  // namespace

void gather_config(const Where& where, Facts& facts) {
  ConfigFacts& config = facts.config;
  config.joined = !where.joined.empty() && (::access(where.joined.c_str(), F_OK) == 0 || errno == EACCES);
  config.file = config.joined ? where.joined : where.config;
  auto plan = config.joined ? plan::make_joined_plan(where.joined) : plan::make_plan(where.config);
  if (plan) {
    facts.config.mesh = std::move(plan->mesh);
    facts.config.policy = std::move(plan->policy);
    return;
  }
  facts.config.error = plan.error().text();
  if (config.joined) {
    config.hidden = plan.error().code() == common::ErrorCode::permission || is_hidden(where.joined);
    return;
  }
  if (auto mesh = config::load_mesh(where.config)) {
    facts.config.mesh = std::move(*mesh);
  }
  facts.config.hidden =
      is_hidden(where.config) || (facts.config.mesh && is_hidden(facts.config.mesh->host.policy_file));
}

void gather_host(const Where& where, Facts& facts) {
  facts.root = ::geteuid() == 0;
  const auto self = common::read_file("/proc/self/status", 1U << 16U);
  facts.capabilities = self ? status_line(*self, "CapEff", 16).value_or(0) : 0;
  gather_agent(where.socket, facts.agent);
  facts.interface = facts.agent.interface;
  if (facts.interface.empty() && facts.config.mesh) {
    facts.interface = facts.config.mesh->host.interface;
  }
  gather_kernel(facts.kernel);
  gather_clock(facts, facts.clock);
  if (facts.config.mesh && !facts.config.mesh->host.private_key_file.empty()) {
    gather_key_file(facts.config.mesh->host.private_key_file, facts.key_file);
  }
  facts.pins.directory = rundir::kBpffs;
  gather_pins(facts.pins);
}

common::Result<Facts> gather(const Where& where) {
  Facts facts;
  gather_config(where, facts);
  gather_host(where, facts);
  KRAIT_CHECK(gather_network(facts));
  gather_firewall(facts);
  return facts;
}

}  // namespace krait::doctor
