// krait-coordinator audit
#include <fmt/format.h>

#include <memory>

#include "krait/coordinator/ask.h"
#include "krait/coordinator/command.h"

namespace krait::coordinator {

using common::Result;

namespace {

constexpr std::uint32_t kShown = 100;

struct AuditFlags : AdminFlags {
  std::optional<std::uint32_t> most;
};

Result<void> list(const AuditFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "audit"}, {"most", flags.most.value_or(kShown)}}));
  std::string text;
  for (const Json& entry : common::list_at(answer, "entries")) {
    text += fmt::format("{}{}  {}  revision {}  {}: {}", text.empty() ? "" : "\n", common::number_at(entry, "number"),
                        time_text(common::number_at(entry, "at_s")), common::number_at(entry, "revision"),
                        common::text_at(entry, "who"), common::text_at(entry, "what"));
  }
  output.report(text, answer);
  return {};
}

Result<void> verify(const AuditFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "audit_verify"}}));
  output.report(fmt::format("{} lines, none was changed, left out or put in", common::number_at(answer, "lines")),
                answer);
  return {};
}

}  // namespace

void add_audit_commands(Shell& shell) {
  const Command group = shell.group("audit", "Who changed what, and when");
  auto flags = std::make_shared<AuditFlags>();
  Command show = shell.command(group, "list", "List the last changes", "Example:  sudo krait-coordinator audit list");
  show.option("--most", flags->most, "How many; 100");
  add_reach_flags(show, *flags);
  shell.on(show, [flags](Output& output) { return list(*flags, output); });
  auto own = std::make_shared<AuditFlags>();
  Command check = shell.command(group, "verify", "See whether the audit is as it was written",
                                "Example:  sudo krait-coordinator audit verify");
  add_reach_flags(check, *own);
  shell.on(check, [own](Output& output) { return verify(*own, output); });
}

}  // namespace krait::coordinator
