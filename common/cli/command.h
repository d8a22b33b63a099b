// What the commands of every program of ours share: how they are found, how they report, how they fail.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/answer.h"
#include "common/cli/options.h"
#include "common/json.h"
#include "common/result.h"

namespace common::cli {

// Standard output in the format the user asked for. The only place that prints, hence what strangers say reaches no
// terminal as an order (safe_text.h); errors of writing are kept for finish().
class Output {
 public:
  // `program`: its name, before each error.
  Output(std::string program, bool json) : program_(std::move(program)), json_(json) {}

  // The text for people (a newline is added), or the JSON object on a line of its own.
  void report(std::string_view text, const Json& json);
  // The same of what is a line of JSON already, newline included.
  void report_line(std::string_view text, std::string_view json_line);
  void warn(const std::vector<Diagnostic>& findings);  // on standard error
  void error(const Error& error);                      // on standard error, and with JSON on standard output too
  // The command did what it was asked to, and what it found is bad: exit code 1.
  void found_problems() { problems_ = true; }
  [[nodiscard]] bool problems() const { return problems_; }
  // What the program exits with instead, where nothing fails: another program's exit code that it passes on.
  void exit_with(int code) { exit_code_ = code; }
  [[nodiscard]] int exit_code() const { return exit_code_.value_or(problems_ ? 1 : 0); }
  [[nodiscard]] bool finish();  // flushes; false: somebody could not be told
  [[nodiscard]] bool json() const { return json_; }

 private:
  std::string program_;
  bool json_;
  bool problems_ = false;
  std::optional<int> exit_code_;
};

using Action = std::function<Result<void>(Output&)>;

// The command line as it is built up: each command adds itself, and parsing chooses one action.
class Shell {
 public:
  explicit Shell(CLI::App& app) : app_(app) {}

  // A command of `parent` with -o. `summary` is its line in the list, `more` its own help's last part, examples
  // included.
  Command command(Command parent, const std::string& name, const std::string& summary, const std::string& more);
  Command command(const std::string& name, const std::string& summary, const std::string& more) {
    return command(Command(app_), name, summary, more);
  }
  // A command that only groups others.
  Command group(const std::string& name, const std::string& help);
  // What `command` does; the flags that it reads live in the action.
  void on(Command command, Action action);

  [[nodiscard]] bool json() const { return format_ == "json"; }
  [[nodiscard]] const Action& chosen() const { return chosen_; }

 private:
  CLI::App& app_;
  std::string format_ = "text";
  Action chosen_;
};

// What --help and --version say of the whole program.
struct About {
  std::string name;
  std::string version;
  std::string description;
  std::string footer;
  int (*exit_code)(const Error&) = common::exit_code;
};

void introduce(CLI::App& app, const About& about);

// Adds all commands to the command line and to the shell.
using AddCommands = std::function<void(Shell&)>;

// Parses, runs, prints; the exit code.
int run(int argc, const char* const* argv, const About& about, const AddCommands& add_commands);

}  // namespace common::cli
