#include <fmt/format.h>

#include <memory>
#include <string>

#include "krait/agent/client.h"
#include "krait/cli/command.h"

namespace krait::cli {

using common::Result;

namespace {

std::string expiry_text(const Json& rule) {
  const Json left = rule.value("expires_in_s", Json());
  if (!left.is_number()) {
    return "";
  }
  const auto seconds = left.get<std::uint64_t>();
  return seconds == 0 ? "  expired" : fmt::format("  expires in {} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string rules_text(const Json& answer) {
  const std::string file = answer.value("policy", "?");
  std::string text = fmt::format("{:>12}  {:>14}  rule", "packets", "bytes");
  for (const Json& rule : answer.value("rules", Json::array())) {
    text += fmt::format("\n{:>12}  {:>14}  {} \"{}\"  {}:{}{}", rule.value("packets", std::uint64_t{0}),
                        rule.value("bytes", std::uint64_t{0}), rule.value("action", "?"), rule.value("rule", "?"), file,
                        rule.value("line", 0), expiry_text(rule));
  }
  return text;
}

Result<void> rules(const std::string& socket, Output& output) {
  auto answer = agent::ask(socket, agent::Request::rules);
  if (!answer) {
    return answer.error();
  }
  output.report(rules_text(*answer), *answer);
  return {};
}

}  // namespace

void add_rules(Shell& shell) {
  auto socket = std::make_shared<std::string>(agent::kDefaultSocket);
  CLI::App& command =
      shell.command("rules", "Show what each rule has decided, and how long it holds",
                    "Packets of both directions, as the kernel counted them since the rule was first loaded.\n"
                    "Example:  krait rules");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return rules(*socket, output); });
}

}  // namespace krait::cli
