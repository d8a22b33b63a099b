#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "krait/cli/command.h"
#include "krait/doctor/checks.h"
#include "krait/doctor/gather.h"
#include "krait/doctor/report.h"

namespace krait::cli {

using common::Result;
using doctor::Grade;

namespace {

std::string findings_text(const doctor::Findings& findings, const Json& report) {
  std::size_t widest = 0;
  for (const doctor::Finding& finding : findings) {
    widest = std::max(widest, finding.name.size());
  }
  std::string text;
  for (const doctor::Finding& finding : findings) {
    text += fmt::format("{:<7}  {:<{}}  {}\n", doctor::grade_name(finding.grade), finding.name, widest, finding.found);
    if (!finding.mend.empty() && finding.grade != Grade::ok) {
      text += fmt::format("{:<7}  {:<{}}  -> {}\n", "", "", widest, finding.mend);
    }
  }
  return text + fmt::format("{} problems, {} warnings, {} skipped", report["problems"].dump(),
                            report["warnings"].dump(), report["skipped"].dump());
}

Result<void> examine(const doctor::Where& where, Output& output) {
  const auto facts = doctor::gather(where);
  if (!facts) {
    return facts.error();
  }
  const doctor::Findings findings = doctor::check_all(*facts);
  const Json report = doctor::findings_report(findings);
  output.report(findings_text(findings, report), report);
  if (report["problems"] != 0) {
    output.found_problems();
  }
  return {};
}

}  // namespace

void add_doctor(Shell& shell) {
  auto where =
      std::make_shared<doctor::Where>(doctor::Where{.config = kDefaultConfig, .socket = agent::kDefaultSocket});
  Command command = shell.command(
      "doctor", "Find what is wrong on this host, and say how to mend it",
      "Looks at kernel, clock, key, interface, port, programs, MTU, routes, firewalls and the agent; changes nothing.\n"
      "Sees more as root. Exit codes: 0 no problem (warnings are none), 1 problems found, 2 could not look.\n"
      "Example:  sudo krait doctor");
  add_config_flag(command, where->config);
  add_socket_flag(command, where->socket);
  shell.on(command, [where](Output& output) { return examine(*where, output); });
}

}  // namespace krait::cli
