// What all commands of `krait` share: how they are found, how they report, how they fail.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krait/cli/inspections.h"
#include "krait/control/protocol.h"

namespace CLI {
class App;
}

namespace krait::cli {

using control::Json;

// Standard output in the format the user asked for. The only place that prints; errors of writing are kept for
// finish().
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  // The text for people (a newline is added), or the JSON object on a line of its own.
  void report(std::string_view text, const Json& json);
  void warn(const std::vector<common::Diagnostic>& findings);  // on standard error
  void error(const common::Error& error);  // on standard error, and with JSON on standard output too
  // The command did what it was asked to, and what it found is bad: exit code 1.
  void found_problems() { problems_ = true; }
  [[nodiscard]] bool problems() const { return problems_; }
  [[nodiscard]] bool finish();  // flushes; false: somebody could not be told
  [[nodiscard]] bool json() const { return json_; }

 private:
  bool json_;
  bool problems_ = false;
};

using Action = std::function<common::Result<void>(Output&)>;

struct OptionDetails {
  std::string env = {};  // the environment variable that gives it too
  bool required = false;
  std::vector<std::string> one_of = {};  // no others; empty: any
};

// A command of a command line, which owns it and must outlive this; copies are the same command.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  // `names` as "-o,--output"; without dashes, as "FILE", an argument. `value` has the default, which the help shows,
  // and must outlive the parsing, as that of flag() must.
  void option(const std::string& names, std::string& value, const std::string& help, const OptionDetails& details = {});
  void option(const std::string& names, std::optional<std::string>& value, const std::string& help);
  void option(const std::string& names, std::optional<std::uint32_t>& value, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);

 private:
  friend class Shell;

  CLI::App* app_;
};

// The command line as it is built up: each command adds itself, and parsing chooses one action.
class Shell {
 public:
  explicit Shell(CLI::App& app, Inspections inspections = {}) : app_(app), inspections_(std::move(inspections)) {}

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

  [[nodiscard]] const Inspections& inspections() const { return inspections_; }
  [[nodiscard]] bool json() const { return format_ == "json"; }
  [[nodiscard]] const Action& chosen() const { return chosen_; }

 private:
  CLI::App& app_;
  Inspections inspections_;
  std::string format_ = "text";
  Action chosen_;
};

inline constexpr const char* kDefaultConfig = "/etc/krait/krait.toml";

void add_config_flag(Command command, std::string& config);
void add_socket_flag(Command command, std::string& socket);

// Each in the file of its name.
void add_up(Shell& shell);
void add_down(Shell& shell);
void add_status(Shell& shell);
void add_reload(Shell& shell);
void add_check(Shell& shell);
void add_policy(Shell& shell);  // with check and explain
void add_trace(Shell& shell);
void add_rules(Shell& shell);
void add_events(Shell& shell);
void add_doctor(Shell& shell);
void add_debug(Shell& shell);  // with bundle
void add_key(Shell& shell);    // with next and rotate
void add_keygen(Shell& shell);
void add_version(Shell& shell);

// All of them, on the whole command line `app`.
void add_commands(CLI::App& app, Shell& shell);

// Parses, runs, prints; the exit code.
int run(int argc, const char* const* argv, Inspections inspections);

}  // namespace krait::cli
