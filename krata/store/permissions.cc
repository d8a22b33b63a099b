#include "krata/store/permissions.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace krata::store {

namespace {

constexpr std::string_view kLetters = "nrwb";  // indexed by Access

bool is_same(DomainId domain, const Actor& actor) { return domain == actor.domain || domain == actor.target; }

}  // namespace

bool owns(const Permissions& permissions, const Actor& actor) {
  return actor.is_privileged() || is_same(permissions.front().domain, actor);
}

bool allows(const Permissions& permissions, const Actor& actor, Access access) {
  if (owns(permissions, actor)) {
    return true;
  }
  const auto entry =
      std::find_if(permissions.begin() + 1, permissions.end(), [&](const auto& p) { return is_same(p.domain, actor); });
  const Access given = entry == permissions.end() ? permissions.front().access : entry->access;
  return (std::to_underlying(given) & std::to_underlying(access)) != 0;
}

Answer<Permissions> parse_permissions(const std::vector<std::string_view>& texts, std::size_t first) {
  Permissions permissions;
  for (std::size_t i = first; i < texts.size(); ++i) {
    const std::string_view text = texts[i];
    const std::size_t letter = text.empty() ? std::string_view::npos : kLetters.find(text.front());
    DomainId domain = 0;
    if (letter == std::string_view::npos) {
      return std::unexpected(Refusal::einval);
    }
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), domain);
    if (error != std::errc{} || end != text.data() + text.size() || domain > kMaxDomainId) {
      return std::unexpected(Refusal::einval);
    }
    permissions.push_back({.domain = domain, .access = static_cast<Access>(letter)});
  }
  if (permissions.empty()) {
    return std::unexpected(Refusal::einval);
  }
  return permissions;
}

std::string text_of(const Permissions& permissions) {
  std::string text;
  for (const Permission& entry : permissions) {
    text += kLetters[std::to_underlying(entry.access)];
    text += std::to_string(entry.domain);
    text += '\0';
  }
  return text;
}

}  // namespace krata::store
