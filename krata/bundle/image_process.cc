#include "krata/bundle/image_process.h"

#include <algorithm>
#include <utility>

#include "krata/bundle/check.h"
#include "krata/image/json.h"

namespace krata::bundle {

using common::Result;
using image::Json;

namespace {

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kDefaultTerm = "TERM=xterm";

// A list of texts; none where the member is missing or null.
Result<std::vector<std::string>> texts_in(const Json& config, const char* key) {
  std::vector<std::string> texts;
  const Json& list = image::member(config, key);
  if (list.is_null()) {
    return texts;
  }
  if (!list.is_array()) {
    return refused("the image's {} is no list", key);
  }
  for (const Json& text : list) {
    if (!text.is_string()) {
      return refused("the image's {} is no list of texts", key);
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<std::string> text_in(const Json& config, const char* key) {
  const Json& text = image::member(config, key);
  if (!text.is_null() && !text.is_string()) {
    return refused("the image's {} is no text", key);
  }
  return text.is_null() ? std::string() : text.get<std::string>();
}

std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

void take_away(std::vector<std::string>& environment, std::string_view name) {
  std::erase_if(environment, [name](const std::string& variable) { return name_of(variable) == name; });
}

void set_default(std::vector<std::string>& environment, std::string_view variable) {
  const bool is_set = std::ranges::any_of(
      environment, [variable](const std::string& other) { return name_of(other) == name_of(variable); });
  if (!is_set) {
    environment.emplace_back(variable);
  }
}

// Each name once, where its last value stands.
std::vector<std::string> merged(std::vector<std::string> environment, const Overrides& overrides) {
  // An image may name one without a value, which means nothing.
  std::erase_if(environment, [](const std::string& variable) { return variable.find('=') == std::string::npos; });
  std::vector<std::string> result;
  for (std::string& variable : environment) {
    take_away(result, name_of(variable));
    result.push_back(std::move(variable));
  }
  for (const std::string& variable : overrides.environment) {
    take_away(result, name_of(variable));
    if (variable.contains('=')) {
      result.push_back(variable);
    }
  }
  set_default(result, kDefaultPath);
  if (overrides.terminal) {
    set_default(result, kDefaultTerm);
  }
  return result;
}

// "SIGTERM" where the image says nothing.
Result<std::uint32_t> stop_signal_of(const Json& config) {
  KRAIT_TRY(const auto name, text_in(config, "StopSignal"));
  return name.empty() ? Result<std::uint32_t>(15) : signal_number(name);
}

}  // namespace

Result<ImageProcess> image_process(std::string_view config_text, const Overrides& overrides) {
  KRAIT_TRY(const auto document, image::parse_object(config_text, "the image's configuration"));
  const Json& config = image::member(document, "config");
  KRAIT_TRY(auto arguments, texts_in(config, "Entrypoint"));
  KRAIT_TRY(auto command, texts_in(config, "Cmd"));
  KRAIT_TRY(auto environment, texts_in(config, "Env"));
  if (environment.size() + overrides.environment.size() > kMaxVariables) {
    return too_much("there are more than {} variables", kMaxVariables);
  }
  if (!overrides.command.empty()) {
    command = overrides.command;
  }
  arguments.insert(arguments.end(), command.begin(), command.end());
  if (arguments.empty()) {
    return refused("the image has neither Entrypoint nor Cmd: name a command behind the image");
  }
  KRAIT_TRY(auto directory, text_in(config, "WorkingDir"));
  KRAIT_TRY(auto user, text_in(config, "User"));
  KRAIT_TRY(const auto stop_signal, stop_signal_of(config));
  if (!directory.starts_with('/')) {
    directory.insert(0, "/");  // of an image it is one below the root, as container runtimes have it
  }
  if (overrides.working_directory) {
    directory = *overrides.working_directory;
  }
  ImageProcess result{.process = {.arguments = std::move(arguments),
                                  .environment = merged(std::move(environment), overrides),
                                  .working_directory = std::move(directory),
                                  .user = overrides.user.value_or(std::move(user)),
                                  .terminal = overrides.terminal},
                      .stop_signal = stop_signal};
  KRAIT_CHECK(check_process(result.process));
  return result;
}

}  // namespace krata::bundle
