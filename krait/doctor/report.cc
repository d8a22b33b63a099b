#include "krait/doctor/report.h"

#include <algorithm>

namespace krait::doctor {

agent::Json findings_report(const Findings& findings) {
  const auto count = [&](Grade grade) { return std::ranges::count(findings, grade, &Finding::grade); };
  agent::Json json{{"version", agent::kProtocolVersion},
                   {"problems", count(Grade::problem)},
                   {"warnings", count(Grade::warning)},
                   {"skipped", count(Grade::skipped)}};
  json["findings"] = agent::Json::array();
  for (const Finding& finding : findings) {
    json["findings"].push_back({{"name", finding.name},
                                {"grade", grade_name(finding.grade)},
                                {"found", finding.found},
                                {"mend", finding.mend}});
  }
  return json;
}

}  // namespace krait::doctor
