// A manual page: man(7).
#include <fmt/format.h>

#include "packaging/reference/reference.h"

namespace reference {

namespace {

// Text that nothing in it is a request to roff.
std::string plain(const std::string& text) {
  std::string safe = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  safe = replaced(safe, "\n.", "\n\\&.");
  safe = replaced(safe, "\n'", "\n\\&'");
  return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string heading(const Command& command, const std::string& program) {
  std::string text = "\\fB" + program;
  for (const std::string& word : command.path) {
    text += " " + word;
  }
  text += "\\fR";
  for (const Option& argument : command.arguments) {
    text += argument.required ? " " + argument.value : " [" + argument.value + "]";
  }
  return text;
}

std::string entry(const Option& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "\\fB" : ", \\fB") + plain(name) + "\\fR";
  }
  if (!option.value.empty()) {
    names += (names.empty() ? "\\fI" : " \\fI") +
             plain(option.choices.empty() ? option.value : joined(option.choices, "|")) + "\\fR";
  }
  std::string text = fmt::format(".TP\n{}\n{}.", names, plain(option.help));
  if (option.required) {
    text += " Required.";
  }
  if (!option.fallback.empty()) {
    text += " Default: " + plain(option.fallback) + ".";
  }
  if (!option.environment.empty()) {
    text += fmt::format(" Also from the environment variable \\fB{}\\fR.", plain(option.environment));
  }
  return text + "\n";
}

std::string entries(const Command& command) {
  std::string text;
  for (const auto* options : {&command.arguments, &command.options}) {
    for (const Option& option : *options) {
      text += entry(option);
    }
  }
  return text;
}

std::string verbatim(const std::string& text) { return ".PP\n.nf\n" + plain(text) + "\n.fi\n"; }

}  // namespace

std::string manual(const Command& root, const std::string& program, const Page& about) {
  std::string title = program;
  for (char& letter : title) {
    letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
  }
  std::string page = fmt::format(".TH \"{}\" \"{}\" \"\" \"krait\" \"\"\n", plain(title), about.section);
  page += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", plain(program), plain(about.summary));
  page += fmt::format(".B {}\n{}[OPTIONS]\n", plain(program), root.commands.empty() ? "" : "COMMAND ");
  page += ".SH DESCRIPTION\n" + plain(root.help) + "\n" + verbatim(root.more);
  if (!root.options.empty()) {
    page += ".SH OPTIONS\n" + entries(root);
  }
  if (!root.commands.empty()) {
    page += ".SH COMMANDS\n";
  }
  for (const Command* command : all_of(root)) {
    if (!command->path.empty()) {
      page += fmt::format(".SS {}\n{}.\n{}{}", heading(*command, program), plain(command->help), entries(*command),
                          command->more.empty() ? "" : verbatim(command->more));
    }
  }
  return page + ".SH SEE ALSO\n" + about.see_also;
}

}  // namespace reference
