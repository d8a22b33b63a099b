// Who may do what over the control socket, by the kernel's word about the other end.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

namespace common {

// Who may change something: root, the agent's own user, and the members of a group.
struct Rights {
  uid_t own_user = 0;
  std::optional<gid_t> group;  // none: there is no such group

  // Looks the group up in the system's databases (getgrnam_r), which may block. Fails when those cannot be read; a
  // group that does not exist is no failure.
  static Result<Rights> look_up(const std::string& group);
};

// The user of that name; none: there is none. Looks it up as Rights::look_up() does.
Result<std::optional<uid_t>> look_up_user(const std::string& name);

// The process at the other end of a Unix socket, as it was when it connected.
struct Peer {
  uid_t user = 0;
  gid_t group = 0;
};

// `groups` are the peer's supplementary ones. Pure.
bool may_change(const Rights& rights, const Peer& peer, std::span<const gid_t> groups);

struct Client {
  std::optional<uid_t> user;  // none: not a Unix socket's
  bool may_change = false;    // else it may only ask for the status
};

// Asks the kernel about the other end of a connected socket (SO_PEERCRED, SO_PEERGROUPS). Who is unknown may change
// nothing.
Client client_of(int fd, const Rights& rights);

// Why a client is refused, with what to do. `group`: as it was looked up.
std::string refusal(const Rights& rights, std::string_view group);

}  // namespace common
