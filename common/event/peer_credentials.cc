#include "common/event/peer_credentials.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <vector>

namespace common {

namespace {

constexpr std::size_t kMaxGroupBytes = std::size_t{16} << 20U;  // of one group with all its members' names

// Supplementary groups; none when the kernel does not tell.
std::vector<gid_t> groups_of(int fd) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return groups;
    }
    // ERANGE says how much room it takes (socket(7)); a process has at most 65,536 groups.
    if (errno != ERANGE || size <= groups.size() * sizeof(gid_t)) {
      return {};
    }
    groups.resize(size / sizeof(gid_t));
  }
}

// Calls one of getgrnam_r(3)'s kind with more and more room. True: it found what it looked for.
template <typename Entry>
Result<bool> find_entry(const std::string& what, const std::function<int(std::vector<char>&, Entry**)>& call) {
  std::vector<char> room(4096);
  for (;;) {
    Entry* found = nullptr;
    const int why = call(room, &found);
    if (found != nullptr) {
      return true;
    }
    // "Not found" has many faces (getgrnam(3)).
    if (why == 0 || why == ENOENT || why == ESRCH || why == EBADF || why == EPERM) {
      return false;
    }
    if (why != EINTR && (why != ERANGE || room.size() >= kMaxGroupBytes)) {
      return Error::from_errno(why, "look up the " + what);
    }
    if (why == ERANGE) {
      room.resize(room.size() * 2);
    }
  }
}

}  // namespace

Result<Rights> Rights::look_up(const std::string& group) {
  Rights rights{.own_user = ::geteuid(), .group = {}};
  ::group entry{};
  KRAIT_TRY(const auto found, find_entry<::group>("group " + group, [&](std::vector<char>& room, ::group** there) {
              return ::getgrnam_r(group.c_str(), &entry, room.data(), room.size(), there);
            }));
  if (found) {
    rights.group = entry.gr_gid;
  }
  return rights;
}

Result<std::optional<uid_t>> look_up_user(const std::string& name) {
  ::passwd entry{};
  KRAIT_TRY(const auto found, find_entry<::passwd>("user " + name, [&](std::vector<char>& room, ::passwd** there) {
              return ::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), there);
            }));
  return found ? std::optional(entry.pw_uid) : std::nullopt;
}

bool may_change(const Rights& rights, const Peer& peer, std::span<const gid_t> groups) {
  if (peer.user == 0 || peer.user == rights.own_user) {
    return true;
  }
  return rights.group && (peer.group == *rights.group || std::ranges::find(groups, *rights.group) != groups.end());
}

Client client_of(int fd, const Rights& rights) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  int domain = 0;
  socklen_t domain_size = sizeof(domain);
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) != 0 || domain != AF_UNIX ||
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return {};
  }
  const Peer peer{.user = credentials.uid, .group = credentials.gid};
  return {.user = peer.user, .may_change = may_change(rights, peer, groups_of(fd))};
}

std::string refusal(const Rights& rights, std::string_view group) {
  if (!rights.group) {
    return "only root may do this; run it with sudo";
  }
  return fmt::format(
      "only root and the members of the group {0} may do this; run it with sudo, or join the group (usermod -aG {0} "
      "USER) and log in again",
      group);
}

}  // namespace common
