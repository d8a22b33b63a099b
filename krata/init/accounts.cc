#include "krata/init/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace krata::init {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::uint32_t kMaxId = 0x7fff'ffff;  // as container runtimes have it

std::optional<std::uint32_t> id_of(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && id <= kMaxId;
  return is_number ? std::optional(id) : std::nullopt;
}

// The part of `text` before the separator, which is taken off together with it.
std::string_view take_part(std::string_view& text, char separator) {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

// Calls `look` with the fields of each line that has at least Count, until it returns true.
template <std::size_t Count, typename Look>
void each_entry(std::string_view file, const Look& look) {
  while (!file.empty()) {
    std::string_view line = take_part(file, '\n');
    std::array<std::string_view, Count> fields{};
    std::size_t found = 0;
    for (; found < Count && !line.empty(); ++found) {
      fields[found] = take_part(line, ':');
    }
    // The last field of a group may be empty.
    if (found + 1 >= Count && !fields[0].empty() && fields[0].front() != '#' && look(fields)) {
      return;
    }
  }
}

struct Found {
  std::string_view name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string_view home;
};

// NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL
std::optional<Found> find_user(std::string_view user, std::string_view passwd) {
  const auto wanted = id_of(user);
  std::optional<Found> found;
  each_entry<7>(passwd, [&](const auto& fields) {
    const auto uid = id_of(fields[2]);
    const auto gid = id_of(fields[3]);
    if (!uid || !gid || (fields[0] != user && uid != wanted)) {
      return false;
    }
    found = Found{.name = fields[0], .uid = *uid, .gid = *gid, .home = fields[5]};
    return true;
  });
  return found;
}

bool lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    if (take_part(members, ',') == name) {
      return true;
    }
  }
  return false;
}

// NAME:PASSWORD:GID:MEMBERS
std::optional<std::uint32_t> find_group(std::string_view name, std::string_view group) {
  std::optional<std::uint32_t> found;
  each_entry<4>(group, [&](const auto& fields) {
    found = fields[0] == name ? id_of(fields[2]) : std::nullopt;
    return found.has_value();
  });
  return found ? found : id_of(name);
}

std::vector<std::uint32_t> groups_of(std::string_view name, std::string_view group) {
  std::vector<std::uint32_t> groups;
  each_entry<4>(group, [&](const auto& fields) {
    const auto gid = id_of(fields[2]);
    if (gid && lists(fields[3], name) && std::ranges::find(groups, *gid) == groups.end()) {
      groups.push_back(*gid);
    }
    return groups.size() == kMaxGroups;
  });
  return groups;
}

}  // namespace

Result<Account> find_account(std::string_view user, std::string_view passwd, std::string_view group) {
  const std::size_t colon = user.find(':');
  const bool has_group = colon != std::string_view::npos;
  std::string_view name = user.substr(0, colon);
  if (name.empty()) {
    name = "0";
  }
  Account account;
  if (const auto found = find_user(name, passwd)) {
    account = {.uid = found->uid, .gid = found->gid, .groups = {}, .home = std::string(found->home)};
    if (!has_group) {
      account.groups = groups_of(found->name, group);
      std::erase(account.groups, account.gid);
    }
  } else if (const auto uid = id_of(name)) {
    account.uid = *uid;
  } else {
    return Error(ErrorCode::not_found, fmt::format("the image has no user '{}' in /etc/passwd", name));
  }
  if (account.home.empty()) {
    account.home.assign(1, '/');
  }
  if (has_group) {
    const auto gid = find_group(user.substr(colon + 1), group);
    if (!gid) {
      return Error(ErrorCode::not_found,
                   fmt::format("the image has no group '{}' in /etc/group", user.substr(colon + 1)));
    }
    account.gid = *gid;
  }
  return account;
}

}  // namespace krata::init
