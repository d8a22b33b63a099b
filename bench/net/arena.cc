#include "bench/net/arena.h"

#include <fmt/format.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>

#include "bench/net/command.h"
#include "bench/scale.h"

namespace krait::bench {
namespace {

constexpr const char* kInterface = "veth0";

std::string mac_of(std::uint32_t host) { return fmt::format("02:00:00:00:00:{:02x}", host); }

common::Result<void> set_up(std::uint32_t self, std::uint32_t other) {
  const std::string own = host(self, common::Family::v4).text();
  const std::string theirs = host(other, common::Family::v4).text();
  std::string batch = fmt::format("link set {} addrgenmode none\n", kInterface);
  batch += fmt::format("link set {} address {} up\n", kInterface, mac_of(self));
  batch += fmt::format("address add {} peer {} dev {}\n", own, theirs, kInterface);
  batch += fmt::format("neighbour add {} lladdr {} dev {} nud permanent\n", theirs, mac_of(other), kInterface);
  return must_run({"ip", "-batch", "-"}, batch);
}

common::Result<std::uint32_t> interface_index() {
  const unsigned index = ::if_nametoindex(kInterface);
  if (index == 0) {
    return common::Error::from_errno(errno, "find the veth");
  }
  return index;
}

}  // namespace

common::Result<Arena> make_arena() {
  auto guarded = Namespace::create();
  auto peer = Namespace::create();
  if (!guarded || !peer) {
    return guarded ? std::move(peer.error()) : std::move(guarded.error());
  }
  const std::string peer_path = fmt::format("/proc/{}/fd/{}", ::getpid(), peer->fd());
  auto done = inside(*guarded, [&] {
    return must_run({"ip", "link", "add", kInterface, "type", "veth", "peer", "name", kInterface, "netns", peer_path},
                    "");
  });
  done = done ? inside(*guarded, [] { return set_up(kGuarded, kPeer); }) : std::move(done);
  done = done ? inside(*peer, [] { return set_up(kPeer, kGuarded); }) : std::move(done);
  if (!done) {
    return std::move(done.error());
  }
  KRAIT_TRY(auto index, inside(*guarded, [] { return interface_index(); }));
  return Arena{.guarded = std::move(*guarded), .peer = std::move(*peer), .guarded_index = index};
}

}  // namespace krait::bench
