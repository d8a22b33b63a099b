#include "krata/store/path.h"

#include <algorithm>

namespace krata::store {

namespace {

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '/' ||
         c == '_' || c == '@';
}

bool is_well_formed(std::string_view path) {
  return std::ranges::all_of(path, is_allowed) && path.find("//") == std::string_view::npos;
}

}  // namespace

std::string domain_path(std::int64_t domain) { return "/local/domain/" + std::to_string(domain); }

Answer<std::string> absolute_path(std::string_view path, DomainId domain) {
  if (path.empty() || is_special(path) || !is_well_formed(path) || (path.size() > 1 && path.ends_with('/'))) {
    return std::unexpected(Refusal::einval);
  }
  if (path.starts_with('/')) {
    return path.size() <= kMaxAbsolutePathBytes ? Answer<std::string>(path) : std::unexpected(Refusal::einval);
  }
  if (path.size() > kMaxRelativePathBytes) {
    return std::unexpected(Refusal::einval);
  }
  return domain_path(domain).append("/").append(path);
}

bool is_valid_special(std::string_view path) {
  return is_special(path) && path.size() <= kMaxRelativePathBytes && is_well_formed(path) && !path.ends_with('/');
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

std::string_view leaf_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_within(std::string_view path, std::string_view ancestor) {
  return ancestor == "/" ||
         (path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/'));
}

std::uint32_t levels_between(std::string_view path, std::string_view ancestor) {
  if (path == ancestor) {
    return 0;
  }
  const std::string_view below = path.substr(ancestor == "/" ? 0 : ancestor.size());
  return static_cast<std::uint32_t>(std::ranges::count(below, '/'));
}

std::string_view next_name(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view name = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return name;
}

}  // namespace krata::store
