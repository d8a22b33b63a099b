// krait policy explain.
#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "krait/config/load.h"
#include "krait/config/ports.h"
#include "krait/inspect/explain.h"
#include "krait/inspect/inspect.h"

namespace krait::inspect {

using cli::Json;
using cli::Output;
using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Result<std::uint32_t> identity_of(const model::Policy& policy, const std::string& name) {
  const auto index = policy.find_identity(name);
  if (index < 0) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} has no identity \"{}\"; name one of its [[identity]] tables", policy.file, name));
  }
  return static_cast<std::uint32_t>(index);
}

Json json_of(const model::Policy& policy, const Explanation& explanation) {
  const model::Rule* rule = explanation.rule ? &policy.rules[*explanation.rule] : nullptr;
  Json json{{"verdict", explanation.allowed ? "allow" : "deny"}};
  json["rule"] = rule != nullptr ? Json(rule->name) : Json();
  json["file"] = policy.file;
  json["line"] = rule != nullptr ? Json(rule->at.line) : Json();
  json["method"] = explanation.by_program ? "bpf" : "model";
  json["note"] = explanation.note.empty() ? Json() : Json(explanation.note);
  return json;
}

std::string text_of(const cli::ExplainFlags& flags, const model::Policy& policy, std::uint32_t selector,
                    const Explanation& explanation) {
  std::string why = fmt::format("by no rule ({})", policy.file);
  if (explanation.rule) {
    const model::Rule& rule = policy.rules[*explanation.rule];
    why = fmt::format("by rule \"{}\" ({}:{})", rule.name, policy.file, rule.at.line);
  }
  std::string text = fmt::format("{}  {} -> {} {}  {}, judged by {}", explanation.allowed ? "allow" : "deny",
                                 flags.from, flags.to, config::selector_text({selector, selector}), why,
                                 explanation.by_program ? "the BPF program" : "the compiled policy");
  if (!explanation.note.empty()) {
    text += "\n  note: " + explanation.note;
  }
  return text;
}

}  // namespace

Result<void> explain_verdict(const cli::ExplainFlags& flags, Output& output) {
  std::optional<std::string_view> type;
  if (flags.type) {
    type = *flags.type;
  }
  KRAIT_TRY(auto selector, config::selector_of(flags.protocol, flags.port, type));
  KRAIT_TRY(auto policy, config::load_policy(flags.policy));
  auto from = identity_of(policy, flags.from);
  auto to = identity_of(policy, flags.to);
  if (!from || !to) {
    return !from ? from.error() : to.error();
  }
  KRAIT_TRY(auto explanation, explain(policy, *from, *to, selector));
  output.report(text_of(flags, policy, selector, explanation), json_of(policy, explanation));
  return {};
}

}  // namespace krait::inspect
