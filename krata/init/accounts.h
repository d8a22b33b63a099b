// Who "USER:GROUP" is by an image's /etc/passwd and /etc/group, which are hostile. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace krata::init {

inline constexpr std::size_t kMaxAccountsBytes = std::size_t{1} << 20U;  // of either file; more is not read
inline constexpr std::size_t kMaxGroups = 1024;                          // of a user

struct Account {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups = {};  // besides gid
  std::string home = "/";
  bool operator==(const Account&) const = default;
};

// As container runtimes have it: a number needs no entry; a user without a group has the one of the entry (or 0) and
// those that list the name; a user with a group has that alone. "" is user 0. Fails with not_found: no such name.
common::Result<Account> find_account(std::string_view user, std::string_view passwd, std::string_view group);

}  // namespace krata::init
