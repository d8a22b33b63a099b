#include "krait/doctor/gather.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "krait/doctor/checks.h"
#include "krait/doctor/report.h"
#include "krait/inspect/inspect.h"

namespace krait::inspect {

using cli::Json;
using cli::Output;
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
    if (!finding.hint.empty() && finding.grade != Grade::ok) {
      text += fmt::format("{:<7}  {:<{}}  -> {}\n", "", "", widest, finding.hint);
    }
  }
  return text + fmt::format("{} problems, {} warnings, {} skipped", report["problems"].dump(),
                            report["warnings"].dump(), report["skipped"].dump());
}

}  // namespace

Result<void> examine(const cli::InspectionFlags& flags, Output& output) {
  KRAIT_TRY(const auto facts,
            doctor::gather({.config = flags.config, .socket = flags.socket, .joined = joined_file()}));
  const doctor::Findings findings = doctor::check_all(facts);
  const Json report = doctor::findings_report(findings);
  output.report(findings_text(findings, report), report);
  if (report["problems"] != 0) {
    output.found_problems();
  }
  return {};
}

}  // namespace krait::inspect
