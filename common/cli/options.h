// What a program, or one of its commands, takes on its command line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace common::cli {

struct OptionDetails {
  std::string env = {};  // the environment variable that gives it too
  bool required = false;
  std::vector<std::string> one_of = {};                          // no others; empty: any
  std::string form = {};                                         // how the help says what a value looks like
  std::function<std::string(const std::string&)> fault_in = {};  // what is wrong with a value; empty text: nothing
};

// A command of a command line, or all of one without commands. The command line owns it and must outlive this; copies
// are the same command.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  // What --help and --version say of a program without commands.
  void introduce(const std::string& description, const std::string& footer, const std::string& version);

  // `names` as "-o,--output"; without dashes, as "FILE", an argument. `value` has the default, which the help shows if
  // it is text, and must outlive the parsing, as that of flag() must.
  void option(const std::string& names, std::string& value, const std::string& help, const OptionDetails& details = {});
  void option(const std::string& names, std::uint32_t& value, const std::string& help, const OptionDetails& details);
  void option(const std::string& names, std::optional<std::string>& value, const std::string& help);
  void option(const std::string& names, std::optional<std::uint32_t>& value, const std::string& help);
  void options(const std::string& names, std::vector<std::string>& values, const std::string& help);  // at least one
  // Given any number of times, with one value each.
  void repeated(const std::string& names, std::vector<std::string>& values, const std::string& help,
                const OptionDetails& details = {});
  // All that follows the arguments before it, whatever it looks like: another program's command line. From the first
  // argument on nothing is taken for an option.
  void rest(const std::string& name, std::vector<std::string>& values, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);

 private:
  friend class Shell;

  CLI::App* app_;
};

// Parses the command line of a program without commands. Its exit code where it is not to go on: 0 has told what it was
// asked (--help, --version), 1 wrong use, told on standard error.
std::optional<int> parse(int argc, const char* const* argv, const std::string& program,
                         const std::function<void(Command)>& add_options);

}  // namespace common::cli
