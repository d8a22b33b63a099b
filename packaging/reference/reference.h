// A program's commands and options, as its command line has them, written as a manual page and as completions. Pure.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace reference {

struct Option {
  std::vector<std::string> names;  // "-o", "--output"; none: a positional argument
  std::string value;               // what the value is called, "TEXT"; empty: a flag
  std::vector<std::string> choices;
  std::string fallback;  // the default
  std::string environment;
  std::string help;
  bool required = false;
};

struct Command {
  std::vector<std::string> path;  // "policy", "check"; empty for the program itself
  std::string help;
  std::string more;
  std::vector<Option> options;
  std::vector<Option> arguments;
  std::vector<Command> commands;
};

// `app` is not parsed, only read.
Command describe(const CLI::App& app);

// What a manual page says besides the command line.
struct Page {
  const char* summary;   // its section NAME
  int section;           // of the manual
  const char* see_also;  // roff
};

// The text in the named form; `program` is the command's name.
std::string manual(const Command& root, const std::string& program, const Page& about);
std::string bash_completion(const Command& root, const std::string& program);
std::string zsh_completion(const Command& root, const std::string& program);
std::string fish_completion(const Command& root, const std::string& program);

// Every command, the root first, children after their parent.
std::vector<const Command*> all_of(const Command& root);
std::string joined(const std::vector<std::string>& words, const std::string& between);
// `text` with each of `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to);

}  // namespace reference
