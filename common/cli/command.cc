#include "common/cli/command.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <utility>

#include "common/safe_text.h"

namespace common::cli {

namespace {

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
  std::string path = app.get_name();
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

int fail(Output& output, const About& about, const Error& error) {
  output.error(error);
  return output.finish() ? about.exit_code(error) : 2;
}

}  // namespace

void Output::report(std::string_view text, const Json& json) { report_line(text, json_ ? json_line(json) : ""); }

void Output::report_line(std::string_view text, std::string_view json_line) {
  put(stdout, json_ ? json_line : safe_lines(text));
  put(stdout, json_ ? "" : "\n");
}

void Output::error(const Error& error) {
  std::string text = safe_lines(error.text());
  const std::string start = program_ + ": ";
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    text.insert(at + 1, start);
  }
  put(stderr, start + text + "\n");
  if (json_) {
    put(stdout, json_line(error_json(error)));
  }
}

void Output::warn(const std::vector<Diagnostic>& findings) {
  for (const Diagnostic& finding : findings) {
    put(stderr, fmt::format("{}: warning: {}\n", program_, safe_lines(finding.text())));
  }
}

bool Output::finish() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

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

void introduce(CLI::App& app, const About& about) {
  app.name(about.name);
  app.description(about.description);
  app.footer(about.footer);
  app.require_subcommand(1);
  app.set_version_flag("--version", about.name + " " + about.version, "Say which " + about.name + " this is");
}

int run(int argc, const char* const* argv, const About& about, const AddCommands& add_commands) {
  CLI::App app;
  introduce(app, about);
  Shell shell(app);
  add_commands(shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    Output output(about.name, wants_json(argc, argv));
    return fail(output, about, usage_error(app, error));
  }
  Output output(about.name, shell.json());
  if (const auto done = shell.chosen()(output); !done) {
    return fail(output, about, done.error());
  }
  if (!output.finish()) {
    return 2;
  }
  return output.exit_code();
}

}  // namespace common::cli
