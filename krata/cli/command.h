// What all commands of `krata` share: how they are found, how they report, how they fail.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/image/json.h"

namespace CLI {
class App;
}

namespace krata::cli {

using image::Json;

inline constexpr const char* kVersion = "0.1.0";
inline constexpr int kAnswerVersion = 1;

// Standard output in the format the user asked for. The only place that prints what a command found.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  // The text for people (a newline is added; nothing where it is empty), or the JSON object on a line of its own, with
  // its version.
  void report(std::string_view text, Json json);
  void error(const common::Error& error);  // on standard error, and with JSON on standard output too
  [[nodiscard]] bool finish();             // flushes; false: somebody could not be told
  [[nodiscard]] bool json() const { return json_; }

 private:
  bool json_;
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
  void options(const std::string& names, std::vector<std::string>& values, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);

 private:
  friend class Shell;

  CLI::App* app_;
};

// The command line as it is built up: each command adds itself, and parsing chooses one action.
class Shell {
 public:
  explicit Shell(CLI::App& app) : app_(app) {}

  // A command of `parent` with -o. `summary` is its line in the list, `more` its own help's last part, examples
  // included.
  Command command(Command parent, const std::string& name, const std::string& summary, const std::string& more);
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

// What a program that ends for this error exits with: 1 wrong use, or an image that is not taken; 2 failure at run
// time.
int exit_code(const common::Error& error);

// Each in the file of its name.
void add_image(Shell& shell);

// Parses, runs, prints; the exit code.
int run(int argc, const char* const* argv);

}  // namespace krata::cli
