// What keeps a host from running zones, and what to do about it. Facts first, judged by a pure function.
#include <fmt/format.h>
#include <grp.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/file.h"
#include "krata/cli/doctor.h"
#include "krata/cli/zone.h"
#include "krata/kernel/store.h"
#include "krata/store/serving.h"

namespace krata::cli {

using common::Result;

namespace {

constexpr std::size_t kMaxFactBytes = 4096;
constexpr const char* kKernels = "/var/lib/krata/kernels";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string text_of(const std::string& path) {
  auto text = common::read_file(path, kMaxFactBytes);
  std::string found = text ? *text : "";
  while (!found.empty() && (found.back() == '\n' || found.back() == '\0')) {
    found.pop_back();
  }
  return found;
}

HostFacts gather(const std::string& socket) {
  HostFacts facts;
  facts.runs_on_xen = text_of("/sys/hypervisor/type") == "xen";
  facts.xen_version = text_of("/sys/hypervisor/version/major") + "." + text_of("/sys/hypervisor/version/minor");
  facts.is_domain_0 = text_of("/proc/xen/capabilities").find("control_d") != std::string::npos;
  facts.has_xenfs = exists("/proc/xen/capabilities");
  for (const char* device : {"privcmd", "hypercall", "evtchn", "gntdev", "xenbus"}) {
    if (!exists(std::string("/dev/xen/") + device)) {
      facts.missing_devices.emplace_back(device);
    }
  }
  for (const char* path : {store::kOwnSocket, store::kOtherSocket}) {
    if (facts.store.empty() && store::is_served(path)) {
      facts.store = path;
    }
  }
  const auto answer = control::ask(socket, {.ask = control::Ask::zones});
  facts.daemon_answers = answer.has_value();
  facts.daemon_error = answer ? "" : answer.error().text();
  const auto kernels = kernel::KernelStore(kKernels).list();
  facts.kernels = kernels ? std::optional(kernels->size()) : std::nullopt;
  facts.has_group = ::getgrnam(control::kGroup) != nullptr;
  facts.is_root = ::geteuid() == 0;
  return facts;
}

Result<void> doctor(const ZoneFlags& flags, Output& output) {
  const auto findings = check(gather(flags.socket));
  std::string text;
  common::Json json = common::Json::array();
  bool is_well = true;
  for (const Finding& finding : findings) {
    is_well = is_well && finding.is_good;
    text += fmt::format("{}{}  {}{}", text.empty() ? "" : "\n", finding.is_good ? "ok  " : "BAD ", finding.what,
                        finding.hint.empty() ? "" : "; " + finding.hint);
    json.push_back({{"good", finding.is_good}, {"what", finding.what}, {"hint", finding.hint}});
  }
  output.report(text, {{"version", common::kAnswerVersion}, {"healthy", is_well}, {"findings", json}});
  if (!is_well) {
    output.found_problems();
  }
  return {};
}

}  // namespace

void add_doctor(Shell& shell) {
  auto flags = std::make_shared<ZoneFlags>();
  Command command =
      shell.command("doctor", "Find out what keeps this host from running zones",
                    "Exit code 1 where something does. Some of it only root sees.\nExample:  sudo krata doctor");
  add_socket_flag(command, *flags);
  shell.on(command, [flags](Output& output) { return doctor(*flags, output); });
}

}  // namespace krata::cli
