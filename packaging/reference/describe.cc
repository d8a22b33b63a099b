#include <CLI/CLI.hpp>

#include "packaging/reference/reference.h"

namespace reference {

namespace {

Option describe(const CLI::Option& option) {
  Option result;
  for (const std::string& name : option.get_snames()) {
    result.names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    result.names.push_back("--" + name);
  }
  if (option.get_items_expected_max() > 0) {
    result.value = option.get_positional() ? option.get_name(true) : "TEXT";
    const std::string type = option.get_type_name();  // "TEXT:{text,json}"
    const auto open = type.find('{');
    if (open != std::string::npos && type.ends_with('}')) {
      result.choices = CLI::detail::split(type.substr(open + 1, type.size() - open - 2), ',');
    }
  }
  result.fallback = option.get_default_str();
  result.environment = option.get_envname();
  result.help = option.get_description();
  result.required = option.get_required();
  return result;
}

Command describe(const CLI::App& app, const std::vector<std::string>& path) {
  Command command{.path = path,
                  .help = app.get_description(),
                  .more = app.get_footer(),
                  .options = {},
                  .arguments = {},
                  .commands = {}};
  for (const CLI::Option* option : app.get_options({})) {
    if (!option->get_group().empty()) {  // an option without a group is hidden
      (option->get_positional() ? command.arguments : command.options).push_back(describe(*option));
    }
  }
  for (const CLI::App* child : app.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); })) {
    std::vector<std::string> below = path;
    below.push_back(child->get_name());
    command.commands.push_back(describe(*child, below));
  }
  return command;
}

void add_all(const Command& command, std::vector<const Command*>& all) {
  all.push_back(&command);
  for (const Command& child : command.commands) {
    add_all(child, all);
  }
}

}  // namespace

Command describe(const CLI::App& app) { return describe(app, {}); }

std::vector<const Command*> all_of(const Command& root) {
  std::vector<const Command*> all;
  add_all(root, all);
  return all;
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  return CLI::detail::join(words, between);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace reference
