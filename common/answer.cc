#include "common/answer.h"

#include <array>
#include <utility>

namespace common {

namespace {

constexpr std::array<std::pair<std::string_view, ErrorCode>, 7> kCodes{{{"invalid_input", ErrorCode::invalid_input},
                                                                        {"not_found", ErrorCode::not_found},
                                                                        {"permission", ErrorCode::permission},
                                                                        {"unsupported", ErrorCode::unsupported},
                                                                        {"limit", ErrorCode::limit},
                                                                        {"unavailable", ErrorCode::unavailable},
                                                                        {"system", ErrorCode::system}}};

std::string_view name_of(ErrorCode code) {
  for (const auto& [name, known] : kCodes) {
    if (known == code) {
      return name;
    }
  }
  return {};
}

}  // namespace

std::string json_line(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n"; }

std::optional<Json> parse_json_object(std::string_view text) {
  Json json = parse_json(text);
  return json.is_object() ? std::optional<Json>(std::move(json)) : std::nullopt;
}

Json error_json(const Error& error) {
  Json json{{"version", kAnswerVersion}, {"error", error.text()}, {"code", name_of(error.code())}};
  json["diagnostics"] = findings_json(error.diagnostics());
  return json;
}

Json findings_json(const std::vector<Diagnostic>& findings) {
  Json list = Json::array();
  for (const Diagnostic& finding : findings) {
    list.push_back({{"file", finding.file},
                    {"line", finding.line},
                    {"column", finding.column},
                    {"message", finding.message},
                    {"hint", finding.hint}});
  }
  return list;
}

std::vector<Diagnostic> findings_from_json(const Json& list) {
  std::vector<Diagnostic> findings;
  for (const Json& finding : list) {
    if (finding.is_object()) {
      findings.push_back({text_at(finding, "file"), static_cast<std::uint32_t>(number_at(finding, "line")),
                          static_cast<std::uint32_t>(number_at(finding, "column")), text_at(finding, "message"),
                          text_at(finding, "hint")});
    }
  }
  return findings;
}

Error error_from_json(const Json& json) {
  auto findings = findings_from_json(list_at(json, "diagnostics"));
  if (!findings.empty()) {
    return Error::from_diagnostics(std::move(findings));
  }
  const std::string name = text_at(json, "code");
  const std::string reason = text_at(json, "error", "no reason was given");
  for (const auto& [known, code] : kCodes) {
    if (name == known) {
      return {code, reason};
    }
  }
  return {ErrorCode::system, reason};
}

int exit_code(const Error& error) {
  // What is too large has to be written otherwise.
  return error.code() == ErrorCode::invalid_input || error.code() == ErrorCode::limit ? 1 : 2;
}

}  // namespace common
