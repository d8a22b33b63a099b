#include "krata/bundle/process.h"

#include <algorithm>
#include <utility>

#include "krata/bundle/bytes.h"
#include "krata/bundle/check.h"

namespace krata::bundle {

using common::Result;

namespace {

Result<void> check_strings(const std::vector<std::string>& strings, std::size_t most, std::string_view what) {
  if (strings.size() > most) {
    return too_much("there are {} of {}; {} is the most", strings.size(), what, most);
  }
  for (const std::string& text : strings) {
    KRAIT_CHECK(check_text(text, what));
  }
  return {};
}

void append_strings(std::string& out, const std::vector<std::string>& strings) {
  append_number(out, static_cast<std::uint32_t>(strings.size()));
  for (const std::string& text : strings) {
    append_string(out, text);
  }
}

// Nothing: there are fewer bytes than strings, or more strings than `most`.
std::optional<std::vector<std::string>> read_strings(ByteReader& reader, std::size_t most) {
  const auto count = reader.number<std::uint32_t>();
  if (!count || *count > most) {
    return std::nullopt;
  }
  std::vector<std::string> strings;
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto text = reader.string();
    if (!text) {
      return std::nullopt;
    }
    strings.emplace_back(*text);
  }
  return strings;
}

}  // namespace

Result<void> check_process(const Process& process) {
  if (process.arguments.empty() || process.arguments.front().empty()) {
    return refused("there is no command to run");
  }
  KRAIT_CHECK(check_strings(process.arguments, kMaxArguments, "the arguments"));
  KRAIT_CHECK(check_strings(process.environment, kMaxVariables, "the environment"));
  for (const std::string& variable : process.environment) {
    if (variable.starts_with('=') || !variable.contains('=')) {
      return refused("the environment has a variable that is not NAME=VALUE");
    }
  }
  KRAIT_CHECK(check_text(process.working_directory, "the working directory"));
  if (!process.working_directory.starts_with('/') || process.working_directory.size() > kMaxPathBytes) {
    return refused("the working directory is no absolute path of at most {} bytes", kMaxPathBytes);
  }
  return check_user(process.user);
}

Result<std::string> write_process(const Process& process) {
  KRAIT_CHECK(check_process(process));
  std::string out;
  append_strings(out, process.arguments);
  append_strings(out, process.environment);
  append_string(out, process.working_directory);
  append_string(out, process.user);
  append_number(out, static_cast<std::uint8_t>(process.terminal ? 1 : 0));
  append_number(out, process.size.rows);
  append_number(out, process.size.columns);
  return out;
}

Result<Process> read_process(std::string_view bytes) {
  ByteReader reader(bytes);
  auto arguments = read_strings(reader, kMaxArguments);
  auto environment = arguments ? read_strings(reader, kMaxVariables) : std::nullopt;
  const auto directory = reader.string();
  const auto user = reader.string();
  const auto terminal = reader.number<std::uint8_t>();
  const auto rows = reader.number<std::uint16_t>();
  const auto columns = reader.number<std::uint16_t>();
  if (!environment || !columns || !reader.at_end() || *terminal > 1) {
    return refused("the description of a process is malformed");
  }
  Process process{.arguments = std::move(*arguments),
                  .environment = std::move(*environment),
                  .working_directory = std::string(*directory),
                  .user = std::string(*user),
                  .terminal = *terminal == 1,
                  .size = {.rows = *rows, .columns = *columns}};
  KRAIT_CHECK(check_process(process));
  return process;
}

}  // namespace krata::bundle
