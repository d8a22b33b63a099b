#include "krait/doctor/report.h"

#include <algorithm>

namespace krait::doctor {

control::Json findings_report(const Findings& findings) {
  const auto count = [&](Grade grade) { return std::ranges::count(findings, grade, &Finding::grade); };
  control::Json json{{"version", control::kProtocolVersion},
                     {"problems", count(Grade::problem)},
                     {"warnings", count(Grade::warning)},
                     {"skipped", count(Grade::skipped)}};
  json["findings"] = control::Json::array();
  for (const Finding& finding : findings) {
    json["findings"].push_back({{"name", finding.name},
                                {"grade", grade_name(finding.grade)},
                                {"found", finding.found},
                                {"hint", finding.hint}});
  }
  return json;
}

}  // namespace krait::doctor
