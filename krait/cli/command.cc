#include "krait/cli/command.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "krait/control/protocol.h"
#include "krait/control/version.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;

namespace {

constexpr const char* kDescription =
    "krait: a WireGuard mesh in which the kernel judges every packet by who sent it.\n"
    "/etc/krait/krait.toml says who this host and its peers are, policy.toml who may open what to whom.";

constexpr const char* kFooter =
    "Example:  krait keygen /var/lib/krait/host.key && krait check && sudo krait up && krait status\n"
    "Every command takes -o json. Exit codes: 0 ok, 1 wrong use or configuration, 2 failure at run time.";

void put(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

// A command line that does not parse still says how its error is to be reported.
bool wants_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool next_is_json = i + 1 < argc && std::string_view(argv[i + 1]) == "json";
    if (word == "-ojson" || word == "-o=json" || word == "--output=json" ||
        ((word == "-o" || word == "--output") && next_is_json)) {
      return true;
    }
  }
  return false;
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = "krait";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += " " + command->get_name();
  }
  // With a word that is no command the parser only says that one is missing.
  const std::vector<std::string> unknown = app.remaining(true);
  const bool no_command =
      !command->get_subcommands({}).empty() && !unknown.empty() && !unknown.front().starts_with('-');
  const std::string what =
      no_command ? fmt::format("there is no command {} {}", path, unknown.front()) : std::string(error.what());
  return {ErrorCode::invalid_input, fmt::format("{}; see {} --help", what, path)};
}

int fail(Output& output, const Error& error) {
  output.error(error);
  return output.finish() ? control::exit_code(error) : 2;
}

}  // namespace

void Output::report(std::string_view text, const Json& json) {
  if (json_) {
    put(stdout, control::json_line(json));
    return;
  }
  put(stdout, text);
  put(stdout, "\n");
}

void Output::error(const Error& error) {
  std::string text = error.text();
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    text.insert(at + 1, "krait: ");
  }
  put(stderr, fmt::format("krait: {}\n", text));
  if (json_) {
    put(stdout, control::json_line(control::error_json(error)));
  }
}

void Output::warn(const std::vector<common::Diagnostic>& findings) {
  for (const common::Diagnostic& finding : findings) {
    put(stderr, fmt::format("krait: warning: {}\n", finding.text()));
  }
}

bool Output::finish() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

void Command::option(const std::string& names, std::string& value, const std::string& help,
                     const OptionDetails& details) {
  CLI::Option& option = *app_->add_option(names, value, help);
  option.envname(details.env)->required(details.required)->capture_default_str();
  if (!details.one_of.empty()) {
    option.check(CLI::IsMember(details.one_of));
  }
}

void Command::option(const std::string& names, std::optional<std::string>& value, const std::string& help) {
  app_->add_option(names, value, help);
}

void Command::option(const std::string& names, std::optional<std::uint32_t>& value, const std::string& help) {
  app_->add_option(names, value, help);
}

void Command::flag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
}

Command Shell::command(Command parent, const std::string& name, const std::string& summary, const std::string& more) {
  CLI::App& app = *parent.app_->add_subcommand(name, summary);
  app.footer(more);
  Command command(app);
  command.option("-o,--output", format_, "How to report", {.one_of = {"text", "json"}});
  return command;
}

Command Shell::group(const std::string& name, const std::string& help) {
  CLI::App& group = *app_.add_subcommand(name, help);
  group.require_subcommand(1);
  return Command(group);
}

void Shell::on(Command command, Action action) {
  command.app_->callback([this, action = std::move(action)] { chosen_ = action; });
}

void add_config_flag(Command command, std::string& config) {
  command.option("--config", config, "The host's configuration", {.env = "KRAIT_CONFIG"});
}

void add_socket_flag(Command command, std::string& socket) {
  command.option("--socket", socket, "The agent's control socket", {.env = "KRAIT_SOCKET"});
}

void add_commands(CLI::App& app, Shell& shell) {
  app.description(kDescription);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("krait ") + control::kVersion, "Say which krait this is");
  for (const auto& add : {add_up, add_down, add_status, add_rules, add_events, add_reload, add_check, add_policy,
                          add_trace, add_doctor, add_debug, add_key, add_keygen, add_version}) {
    add(shell);
  }
}

int run(int argc, const char* const* argv, Inspections inspections) {
  CLI::App app("", "krait");
  Shell shell(app, std::move(inspections));
  add_commands(app, shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    Output output(wants_json(argc, argv));
    return fail(output, usage_error(app, error));
  }
  Output output(shell.json());
  if (const auto done = shell.chosen()(output); !done) {
    return fail(output, done.error());
  }
  if (!output.finish()) {
    return 2;
  }
  return output.problems() ? 1 : 0;
}

}  // namespace krait::cli
