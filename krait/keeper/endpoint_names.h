// Peers whose endpoints are DNS names: which names to look up now, and which endpoints to set by the answers. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/ip.h"
#include "krait/model/mesh.h"
#include "krait/wireguard/state.h"

namespace krait::keeper {

class EndpointNames {
 public:
  // A configuration that has come into force. Names that it gives to peers which had another endpoint in the former one
  // are due at once, and their answers hold even against a living session, as a changed address would.
  void configure(const model::Mesh& mesh);

  [[nodiscard]] bool empty() const { return peers_.empty(); }

  // The names to look up: of peers that have no endpoint, and of those that call in vain, that is have sent something
  // since the last call while their session was dead. An idle peer costs nothing. `now_s` is Unix time.
  std::vector<std::string> due(std::span<const wireguard::PeerStatus> peers, std::int64_t now_s);

  // What an answer asks for: nothing where it holds the present endpoint or the session lives. Addresses that the
  // tunnel itself carries are left out.
  std::vector<wireguard::PeerEndpoint> answered(const std::string& name, std::span<const common::Ip> addresses,
                                                std::span<const wireguard::PeerStatus> peers, std::int64_t now_s);

  // Whether the tunnel itself carries all of these: WireGuard's own packets would run into it.
  [[nodiscard]] bool all_carried(std::span<const common::Ip> addresses) const;

  // Why the name gave no endpoint, remembered until it does. True: it is news.
  bool failed(const std::string& name, const std::string& why);

  struct Named {
    model::NamedEndpoint endpoint;
    std::string failure;  // of its last look-up; empty: none
  };
  // Of the peer; nullptr when its endpoint is no name. Valid until the next call that is not const.
  [[nodiscard]] const Named* find(const model::PublicKey& peer) const;

 private:
  struct Peer {
    Named named;
    bool changed = false;          // by a reload, and not answered yet
    bool seen = false;             // by due()
    std::uint64_t sent_bytes = 0;  // when due() last saw it
  };

  [[nodiscard]] bool is_carried(const common::Ip& ip) const;
  [[nodiscard]] static bool wants(const Peer& peer, const wireguard::PeerStatus& status, std::int64_t now_s);

  bool configured_ = false;
  std::map<model::PublicKey, Peer> peers_;
  std::set<common::Prefix> carried_;  // by the tunnel
};

}  // namespace krait::keeper
