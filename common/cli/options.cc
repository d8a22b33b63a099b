#include "common/cli/options.h"

#include <CLI/CLI.hpp>

namespace common::cli {

namespace {

void add_details(CLI::Option& option, const OptionDetails& details) {
  option.envname(details.env)->required(details.required);
  if (!details.one_of.empty()) {
    option.check(CLI::IsMember(details.one_of));
  }
  if (details.fault_in) {
    option.check(CLI::Validator(details.fault_in, details.form));
  }
}

}  // namespace

void Command::introduce(const std::string& description, const std::string& footer, const std::string& version) {
  app_->description(description);
  app_->footer(footer);
  app_->set_version_flag("--version", version);
}

void Command::option(const std::string& names, std::string& value, const std::string& help,
                     const OptionDetails& details) {
  add_details(*app_->add_option(names, value, help)->capture_default_str(), details);
}

void Command::option(const std::string& names, std::uint32_t& value, const std::string& help,
                     const OptionDetails& details) {
  add_details(*app_->add_option(names, value, help), details);
}

void Command::option(const std::string& names, std::optional<std::string>& value, const std::string& help) {
  app_->add_option(names, value, help);
}

void Command::option(const std::string& names, std::optional<std::uint32_t>& value, const std::string& help) {
  app_->add_option(names, value, help);
}

void Command::options(const std::string& names, std::vector<std::string>& values, const std::string& help) {
  app_->add_option(names, values, help)->required();
}

void Command::repeated(const std::string& names, std::vector<std::string>& values, const std::string& help,
                       const OptionDetails& details) {
  add_details(*app_->add_option(names, values, help)->allow_extra_args(false), details);
}

void Command::rest(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  app_->add_option(name, values, help);
  app_->positionals_at_end();
}

void Command::flag(const std::string& names, bool& value, const std::string& help) {
  app_->add_flag(names, value, help);
}

std::optional<int> parse(int argc, const char* const* argv, const std::string& program,
                         const std::function<void(Command)>& add_options) {
  CLI::App app("", program);
  add_options(Command(app));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  return std::nullopt;
}

}  // namespace common::cli
