#include <fmt/format.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "common/cli/table.h"
#include "krata/cli/zone.h"

namespace krata::cli {

using common::list_at;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

std::string memory_text(std::uint64_t kib) { return fmt::format("{} MiB", kib / 1024); }

std::string status_text(const common::Json& host) {
  std::string text = fmt::format("{}, xenstore at {}\n  cpus {} of {} MHz\n  memory {}, {} of it free\n  domains {}",
                                 text_at(host, "hypervisor"), text_at(host, "store"), number_at(host, "cpus"),
                                 number_at(host, "cpu_khz") / 1000, memory_text(number_at(host, "total_kib")),
                                 memory_text(number_at(host, "free_kib")), list_at(host, "domains").size());
  for (const common::Json& cpu : list_at(host, "topology")) {
    const auto place = [&cpu](const char* key) {
      const auto number = common::find_number(cpu, key);
      return number ? std::to_string(*number) : std::string("?");
    };
    text += fmt::format("\n  cpu {}: socket {}, core {}, node {}", number_at(cpu, "cpu"), place("socket"),
                        place("core"), place("node"));
  }
  return text;
}

Result<void> status(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::host}));
  output.report(status_text(answer), answer);
  return {};
}

Result<void> console(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, control::ask(flags.socket, {.ask = control::Ask::hypervisor_log}));
  std::string text;
  for (const common::Json& line : list_at(answer, "lines")) {
    text += (text.empty() ? "" : "\n") + (line.is_string() ? line.get<std::string>() : "");
  }
  output.report(text, answer);
  return {};
}

// What each domain used of the CPUs within a second, domain 0 included.
Result<void> top(const ZoneFlags& flags, Output& output) {
  KRAIT_TRY(const auto before, control::ask(flags.socket, {.ask = control::Ask::host}));
  const auto begun = std::chrono::steady_clock::now();
  std::map<std::uint64_t, std::uint64_t> used_ns;
  for (const common::Json& domain : list_at(before, "domains")) {
    used_ns[number_at(domain, "domain")] = number_at(domain, "cpu_ns");
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  KRAIT_TRY(auto after, control::ask(flags.socket, {.ask = control::Ask::host}));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
  common::cli::Rows rows{{"DOMAIN", "CPU%", "MEMORY", "CPUS"}};
  for (common::Json& domain : after["domains"]) {
    const auto was = used_ns.find(number_at(domain, "domain"));
    const std::uint64_t now_ns = number_at(domain, "cpu_ns");
    const double percent = was == used_ns.end() ? 0 : static_cast<double>(now_ns - was->second) / taken.count() / 1e7;
    domain["cpu_percent"] = percent;
    rows.push_back({std::to_string(number_at(domain, "domain")), fmt::format("{:.1f}", percent),
                    memory_text(number_at(domain, "memory_kib")), std::to_string(number_at(domain, "cpus"))});
  }
  output.report(common::cli::table_text(rows), after);
  return {};
}

}  // namespace

void add_host(Shell& shell) {
  const Command group = shell.group("host", "The host below the zones");
  const auto add = [&](const char* name, const char* summary, const char* more, auto action) {
    auto flags = std::make_shared<ZoneFlags>();
    Command command = shell.command(group, name, summary, more);
    add_socket_flag(command, *flags);
    shell.on(command, [flags, action](Output& output) { return action(*flags, output); });
  };
  add("status", "Show hypervisor, memory, CPUs and where they are", "Example:  krata host status -o json", status);
  add("top", "Show what domains use within a second", "Domain 0 is the host's own.\nExample:  krata host top", top);
  add("console", "Show the hypervisor's log",
      "Control characters are shown, not sent to the terminal.\nExample:  krata host console", console);
}

}  // namespace krata::cli
