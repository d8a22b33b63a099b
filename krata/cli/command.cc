#include "krata/cli/command.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <utility>

namespace krata::cli {

using common::Error;
using common::ErrorCode;

namespace {

constexpr const char* kDescription = "krata: runs OCI containers as Xen guests, each with a kernel of its own.";
constexpr const char* kFooter =
    "Example:  krata image pack registry.example/alpine:3 alpine.squashfs\n"
    "Every command takes -o json. Exit codes: 0 ok, 1 wrong use or an image that is not taken, 2 failure at run time.";

void put(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

// ASCII alone: what images say in other characters may be meant for a terminal.
std::string json_line(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n"; }

std::string_view code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_input:
      return "invalid_input";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::permission:
      return "permission";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::limit:
      return "limit";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::system:
      break;
  }
  return "system";
}

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
  std::string path = "krata";
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
  return output.finish() ? exit_code(error) : 2;
}

}  // namespace

int exit_code(const Error& error) {
  return error.code() == ErrorCode::system || error.code() == ErrorCode::unavailable ||
                 error.code() == ErrorCode::permission
             ? 2
             : 1;
}

void Output::report(std::string_view text, Json json) {
  if (json_) {
    json["version"] = kAnswerVersion;
    put(stdout, json_line(json));
  } else if (!text.empty()) {
    put(stdout, text);
    put(stdout, "\n");
  }
}

void Output::error(const Error& error) {
  put(stderr, fmt::format("krata: {}\n", error.text()));
  if (json_) {
    put(stdout, json_line({{"version", kAnswerVersion}, {"error", error.text()}, {"code", code_name(error.code())}}));
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

void Command::options(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  app_->add_option(names, values, help)->required();
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

int run(int argc, const char* const* argv) {
  CLI::App app(kDescription, "krata");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("krata ") + kVersion, "Say which krata this is");
  Shell shell(app);
  add_image(shell);
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
  return output.finish() ? 0 : 2;
}

}  // namespace krata::cli
