// The kernel's WireGuard interface over rtnetlink and generic netlink (libmnl). Needs CAP_NET_ADMIN.
// Every call blocks for the kernel's answer only. No program is run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/netlink/link.h"
#include "common/result.h"
#include "krait/model/wireguard_image.h"
#include "krait/wireguard/key.h"
#include "krait/wireguard/state.h"

namespace krait::wireguard {

// Makes the link (kind wireguard, down, without peers, with the mark of krait's own) unless it exists, and says its
// index. Fails with invalid_input, and touches nothing, when the name belongs to a link of another kind or to one that
// krait did not make; unsupported when the kernel has no WireGuard. `own_index`: of a link that is known to be krait's
// without the mark, as one that an earlier version made; 0: of none.
common::Result<std::uint32_t> ensure_link(const std::string& interface, std::uint32_t own_index = 0);

// The index of a link of any kind; not_found.
common::Result<std::uint32_t> link_index(const std::string& interface);

// Removes peers and allowed addresses that the image does not have, before anything is added: between the two calls the
// datapath switches, so that an address that moves from one peer to another is never another identity's.
common::Result<Changes> withdraw(const model::WireguardImage& image);
// Brings everything else in line: key, port, MTU, addresses, up, peers, routes. Touches only what differs; a peer's
// endpoint is set when the peer is new or the image's endpoint differs from `previous`'s, else the roamed one stays.
// Without `previous` (the agent's start) a roamed endpoint stays while its session lives (a handshake in the last 180
// s). Addresses that the image does not have are removed, except IPv6 link-local ones; of the routes only those are
// removed that an earlier apply made. What the kernel refuses of the port, the addresses, the link's state and the
// routes is noted in Changes::refused, and the rest done without it. Fails with invalid_input when a peer has this
// host's own key. After a failure a part may be done; applying again goes on from there. Without a key the interface's
// stays as it is.
common::Result<Changes> apply(const model::WireguardImage& image, const PrivateKey* key,
                              const model::WireguardImage* previous);

// That the files of its preshared keys can be read; apply() reads them too. Of those of pairs: complete_pairs().
common::Result<void> check_preshared_keys(const model::WireguardImage& image);

// Whether withdraw() and apply() would have nothing to do, but for the MTU (see fit_mtu()) and for peers that have
// announced their next key; `previous` as apply() gets it. Of endpoints, keepalives and preshared keys that files hold
// the kernel does not say who set them: false where `previous` asked for others, or where it is not known. Reads the
// device once; for 10,000 peers that is most of what it costs.
common::Result<bool> is_applied(const model::WireguardImage& image, const model::PublicKey& key,
                                const model::WireguardImage* previous);

// Sets the MTU that fits, where it differs. apply() does so too; this is for changes of the underlay: a link, a route,
// a learned path MTU. A system call for each endpoint.
common::Result<Mtu> fit_mtu(const std::string& interface);

// Where the interface is: by its index, or by its name where that is gone or 0.
common::Result<Whereabouts> find_link(const std::string& interface, std::uint32_t index);  // not_found
// Gives a link its name back. Kernels before 6.2 rename only what is down (net/core/dev.c): there it is put down, and
// left so, for apply() to bring up with what it lost. Fails where another link has the name.
common::Result<void> rename_link(std::uint32_t index, const std::string& name);

common::Result<Status> status(const std::string& interface);

// Of an interface that somebody else manages, whatever name the image has; nothing where it is not WireGuard.
common::Result<std::vector<Surplus>> surplus(const std::string& interface, const model::WireguardImage& image);

// Sets these and nothing else. A peer that has gone meanwhile stays gone.
common::Result<void> set_endpoints(const std::string& interface, std::span<const PeerEndpoint> endpoints);

// Whether a peer that has announced its next key (WireguardPeer::next_public_key) uses it and its allowed IPs still
// belong to its former one: the next withdraw() and apply() move them.
common::Result<bool> has_rotated_peer(const model::WireguardImage& image);

// Gives the interface another key and shakes hands with every peer that it can call, as the kernel forgets its
// sessions.
common::Result<void> change_key(const std::string& interface, const PrivateKey& key);

// Deletes a link that went to another network namespace. Needs CAP_NET_ADMIN there too, which an agent has that was
// started where namespaces are made. not_found when it is there no more.
common::Result<void> remove_moved_link(const netlink::NewHome& home);

// Deletes the link, and with it its addresses and routes. No error when it does not exist.
common::Result<void> remove_link(const std::string& interface);

}  // namespace krait::wireguard
