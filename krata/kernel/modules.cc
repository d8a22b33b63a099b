#include "krata/kernel/modules.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace krata::kernel {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::string_view take_part(std::string_view& text, char separator) {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

bool leads_out(std::string_view file) {
  return file.starts_with('/') || file == ".." || file.starts_with("../") || file.contains("/../") ||
         file.ends_with("/..");
}

// What stands behind the file in modules.dep.
std::optional<std::pair<std::string_view, std::string_view>> find_line(std::string_view dep, std::string_view name) {
  while (!dep.empty()) {
    std::string_view line = take_part(dep, '\n');
    const std::string_view file = take_part(line, ':');
    if (!file.empty() && module_name(file) == name) {
      return std::pair(file, line);
    }
  }
  return std::nullopt;
}

bool is_builtin(std::string_view builtin, std::string_view name) {
  while (!builtin.empty()) {
    if (module_name(take_part(builtin, '\n')) == name) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string module_name(std::string_view file) {
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  std::string name(file.substr(0, file.find('.')));
  std::ranges::replace(name, '-', '_');
  return name;
}

Result<std::vector<std::string>> files_of_module(const ModuleLists& lists, std::string_view name) {
  const std::string wanted = module_name(name);
  const auto line = find_line(lists.dep, wanted);
  if (!line) {
    if (is_builtin(lists.builtin, wanted)) {
      return std::vector<std::string>();
    }
    return Error(ErrorCode::not_found,
                 fmt::format("the kernel has no module {}, neither in modules.dep nor in modules.builtin", name));
  }
  std::vector<std::string> files{std::string(line->first)};
  std::string_view needed = line->second;
  while (!needed.empty()) {
    if (const std::string_view file = take_part(needed, ' '); !file.empty()) {
      files.emplace_back(file);
    }
  }
  for (const std::string& file : files) {
    if (leads_out(file)) {
      return Error(ErrorCode::invalid_input, fmt::format("modules.dep names {}, which is not below it", file));
    }
  }
  // depmod writes what is needed before what needs it last.
  std::ranges::reverse(files);
  return files;
}

}  // namespace krata::kernel
