// Completions for the three shells. What takes a value without fixed choices is completed with files.
#include <fmt/format.h>

#include "packaging/reference/reference.h"

namespace reference {

namespace {

std::vector<std::string> words_of(const Command& command) {
  std::vector<std::string> words;
  for (const Command& child : command.commands) {
    words.push_back(child.path.back());
  }
  for (const Option& option : command.options) {
    words.insert(words.end(), option.names.begin(), option.names.end());
  }
  return words;
}

// The first line, for a shell's single quotes.
std::string brief(const std::string& help) { return replaced(help.substr(0, help.find('\n')), "'", "'\\''"); }
std::string zsh_brief(const std::string& help) {
  return replaced(replaced(replaced(brief(help), ":", "\\:"), "[", "\\["), "]", "\\]");
}

std::string function_of(const std::string& program, const std::vector<std::string>& path) {
  std::string name = "_" + replaced(program, "-", "_");
  for (const std::string& word : path) {
    name += "_" + replaced(word, "-", "_");
  }
  return name;
}

}  // namespace

std::string bash_completion(const Command& root, const std::string& program) {
  const std::string function = function_of(program, {});
  std::string commands;  // how a word leads from command to command
  std::string values;    // what follows an option
  std::string words;     // what a command may go on with
  for (const Command* command : all_of(root)) {
    const std::string here = joined(command->path, " ");
    for (const Command& child : command->commands) {
      commands += fmt::format("      '{}:{}') command='{}' ;;\n", here, child.path.back(), joined(child.path, " "));
    }
    for (const Option& option : command->options) {
      if (option.value.empty()) {
        continue;
      }
      for (const std::string& name : option.names) {
        values += option.choices.empty()
                      ? fmt::format("    '{}:{}') compopt -o default && return ;;\n", here, name)
                      : fmt::format("    '{}:{}') COMPREPLY=($(compgen -W '{}' -- \"$current\")) && return ;;\n", here,
                                    name, joined(option.choices, " "));
      }
    }
    words += fmt::format("    '{}') words='{}' {}", here, joined(words_of(*command), " "),
                         command->arguments.empty() ? ";;\n" : "&& compopt -o default ;;\n");
  }
  return fmt::format(
      "# bash completion for {0}\n"
      "{1}() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} former=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= word\n"
      "  COMPREPLY=()\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD - 1}}\"; do\n"
      "    case $command:$word in\n{2}      *) ;;\n    esac\n"
      "  done\n"
      "  case $command:$former in\n{3}    *) ;;\n  esac\n"
      "  case $command in\n{4}  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}}\n"
      "complete -F {1} {0}\n",
      program, function, commands, values, words);
}

namespace {

std::string zsh_argument(const Option& option) {
  std::string action;
  if (!option.value.empty()) {
    action = option.choices.empty() ? fmt::format(":{}:_files", option.value)
                                    : fmt::format(":{}:({})", option.value, joined(option.choices, " "));
  }
  if (option.names.empty()) {
    return fmt::format("    '{}{}' \\\n", option.required ? "" : ":", action);
  }
  if (option.names.size() == 1) {
    return fmt::format("    '{}[{}]{}' \\\n", option.names.front(), zsh_brief(option.help), action);
  }
  return fmt::format("    '({})'{{{}}}'[{}]{}' \\\n", joined(option.names, " "), joined(option.names, ","),
                     zsh_brief(option.help), action);
}

std::string zsh_function(const Command& command, const std::string& program) {
  std::string text =
      fmt::format("{}() {{\n  local line state\n  _arguments -C \\\n", function_of(program, command.path));
  for (const auto* options : {&command.options, &command.arguments}) {
    for (const Option& option : *options) {
      text += zsh_argument(option);
    }
  }
  if (command.commands.empty()) {
    return text.substr(0, text.size() - 3) + "\n}\n";
  }
  text += "    '1:command:->command' '*::argument:->rest'\n  case $state in\n    command) _values command \\\n";
  for (const Command& child : command.commands) {
    text += fmt::format("      '{}[{}]' \\\n", child.path.back(), zsh_brief(child.help));
  }
  text = text.substr(0, text.size() - 3) + " ;;\n    rest) case $line[1] in\n";
  for (const Command& child : command.commands) {
    text += fmt::format("      {}) {} ;;\n", child.path.back(), function_of(program, child.path));
  }
  return text + "    esac ;;\n  esac\n}\n";
}

// When fish is at this command.
std::string fish_condition(const Command& root, const Command& command) {
  std::string condition;
  const Command* at = &root;
  const auto children = [](const Command& parent) {
    std::vector<std::string> names;
    for (const Command& child : parent.commands) {
      names.push_back(child.path.back());
    }
    return joined(names, " ");
  };
  for (const std::string& word : command.path) {
    // A word may be a command in two places; a group before it decides.
    for (const Command& sibling : at->commands) {
      if (sibling.path.back() != word && !sibling.commands.empty()) {
        condition += fmt::format("not __fish_seen_subcommand_from {}; and ", sibling.path.back());
      }
    }
    condition += fmt::format("__fish_seen_subcommand_from {}; and ", word);
    for (const Command& child : at->commands) {
      if (child.path.back() == word) {
        at = &child;
        break;
      }
    }
  }
  if (!command.commands.empty()) {
    condition += fmt::format("not __fish_seen_subcommand_from {}; and ", children(command));
  }
  return condition.empty() ? "true" : condition.substr(0, condition.size() - 6);
}

}  // namespace

std::string zsh_completion(const Command& root, const std::string& program) {
  std::string text = fmt::format("#compdef {}\n", program);
  for (const Command* command : all_of(root)) {
    text += zsh_function(*command, program);
  }
  return text + fmt::format("{} \"$@\"\n", function_of(program, {}));
}

std::string fish_completion(const Command& root, const std::string& program) {
  std::string text;
  for (const Command* command : all_of(root)) {
    const std::string start = fmt::format("complete -c {} -n '{}'", program, fish_condition(root, *command));
    for (const Command& child : command->commands) {
      text += fmt::format("{} -f -a {} -d '{}'\n", start, child.path.back(), replaced(child.help, "'", "\\'"));
    }
    for (const Option& option : command->options) {
      std::string line = start;
      for (const std::string& name : option.names) {
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.choices.empty()) {
        line += fmt::format(" -x -a '{}'", joined(option.choices, " "));
      } else if (!option.value.empty()) {
        line += " -r";
      }
      text += fmt::format("{} -d '{}'\n", line, replaced(option.help, "'", "\\'"));
    }
  }
  return text;
}

}  // namespace reference
