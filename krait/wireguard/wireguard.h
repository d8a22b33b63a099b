// The kernel's WireGuard interface over rtnetlink and generic netlink (libmnl). Needs CAP_NET_ADMIN.
// Every call blocks for the kernel's answer only. No program is run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/model/wireguard_image.h"

namespace krait::wireguard {

// A private key; wiped on release, never printed. Move-only.
class PrivateKey {
 public:
  // Reads a key file: 32 bytes in base64 and at most white space behind. Refuses a file that group or others may access
  // (the message says: chmod 600).
  static common::Result<PrivateKey> load(const std::string& path);
  // What a key file holds; none when it is no key, all zeros included. Pure; the text stays the caller's to wipe.
  static std::optional<PrivateKey> parse(std::string_view text);
  // Reads the credential that the service manager has laid ready under this name (systemd.exec(5), LoadCredential=).
  // Without a service manager that has any: not_found.
  static common::Result<PrivateKey> load_credential(const std::string& name);
  static PrivateKey generate();  // from the kernel's random numbers, clamped (RFC 7748)

  PrivateKey(PrivateKey&& other) noexcept;
  PrivateKey& operator=(PrivateKey&& other) noexcept;
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  ~PrivateKey();

  [[nodiscard]] model::PublicKey public_key() const;
  // Writes the key file with mode 0600; never over an existing file (invalid_input). Written by root it belongs to
  // whoever owns the folder.
  common::Result<void> save(const std::string& path) const;
  [[nodiscard]] const std::uint8_t* bytes() const { return bytes_.data(); }

 private:
  PrivateKey() = default;
  static common::Result<PrivateKey> read(int fd, const std::string& path);
  std::array<std::uint8_t, 32> bytes_{};
};

std::string to_base64(const model::PublicKey& key);
std::optional<model::PublicKey> public_key_from_base64(std::string_view text);

// A session without a handshake for this long is dead (REJECT_AFTER_TIME in the WireGuard paper and in the kernel's
// drivers/net/wireguard/messages.h).
inline constexpr std::int64_t kSessionLifeS = 180;

// What withdraw() or apply() did: everything but the MTU zero means that nothing had to be touched.
struct Changes {
  std::uint32_t peers_added = 0;
  std::uint32_t peers_changed = 0;
  std::uint32_t peers_removed = 0;
  std::uint32_t addresses = 0;
  std::uint32_t routes = 0;
  bool device = false;            // key, port, MTU or the link's state
  std::uint32_t mtu_bytes = 0;    // of the interface now; 0: not looked at
  model::PublicKey public_key{};  // of the interface, as it was found; all zero: it had none

  // The MTU and the key alone are no change.
  [[nodiscard]] bool any() const {
    return peers_added + peers_changed + peers_removed + addresses + routes != 0 || device;
  }
  Changes& operator+=(const Changes& other);
};

struct PeerStatus {
  model::PublicKey public_key{};
  std::optional<common::Endpoint> endpoint;
  std::int64_t last_handshake_s = 0;  // Unix time, 0: never
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

struct FirstFilterPrograms {
  std::uint32_t ingress_id = 0;  // 0: none, or another kind of filter
  std::uint32_t egress_id = 0;
};

struct Status {
  std::uint32_t interface_index = 0;
  model::PublicKey public_key{};
  std::uint16_t listen_port = 0;
  std::vector<PeerStatus> peers;  // ascending by key
};

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
// removed that an earlier apply made. Fails with invalid_input when a peer has this host's own key. After a failure a
// part may be done; applying again goes on from there.
// Without a key the interface's stays as it is.
common::Result<Changes> apply(const model::WireguardImage& image, const PrivateKey* key,
                              const model::WireguardImage* previous);

// Whether withdraw() and apply() would have nothing to do, but for the MTU (see fit_mtu()) and for peers that have
// announced their next key. Reads the device once; for 10,000 peers that is most of what it costs.
common::Result<bool> is_applied(const model::WireguardImage& image, const PrivateKey& key);

// The MTU of the interface that fits into the ways to its peers' present endpoints: see path_mtu.h.
struct Mtu {
  std::uint32_t bytes = 0;
  bool changed = false;  // set just now
};

// Sets it where it differs. apply() does so too; this is for changes of the underlay: a link, a route, a learned path
// MTU. A system call for each endpoint.
common::Result<Mtu> fit_mtu(const std::string& interface);

// Where the interface is, by the index that it had (0: by its name only): an interface may have been renamed.
struct Whereabouts {
  std::uint32_t index = 0;
  std::string name;
  bool is_marked = false;  // as krait's own
};
common::Result<Whereabouts> find_link(const std::string& interface, std::uint32_t index);  // not_found
// Gives a link its name back. Kernels before 6.2 rename only what is down (net/core/dev.c): there it is put down, and
// left so, for apply() to bring up with what it lost. Fails where another link has the name.
common::Result<void> rename_link(std::uint32_t index, const std::string& name);
// The BPF programs of the first TC filters on clsact in each direction, by the kernel's numbers.
common::Result<FirstFilterPrograms> first_filters(std::uint32_t index);

common::Result<Status> status(const std::string& interface);

// A peer that may send from more than the image gives it: see surplus.h.
struct Surplus {
  model::PublicKey public_key{};
  bool is_known = false;                 // the image has the peer
  std::vector<common::Prefix> prefixes;  // of its allowed IPs, ascending; at least one
};

// Of an interface that somebody else manages, whatever name the image has; nothing where it is not WireGuard.
common::Result<std::vector<Surplus>> surplus(const std::string& interface, const model::WireguardImage& image);

struct PeerEndpoint {
  model::PublicKey peer{};
  common::Endpoint endpoint;

  bool operator==(const PeerEndpoint&) const = default;
};

// Sets these and nothing else. A peer that has gone meanwhile stays gone.
common::Result<void> set_endpoints(const std::string& interface, std::span<const PeerEndpoint> endpoints);

// Whether a peer that has announced its next key (WireguardPeer::next_public_key) uses it and its allowed IPs still
// belong to its former one: the next withdraw() and apply() move them.
common::Result<bool> has_rotated_peer(const model::WireguardImage& image);

// Gives the interface another key and shakes hands with every peer that it can call, as the kernel forgets its
// sessions.
common::Result<void> change_key(const std::string& interface, const PrivateKey& key);

// A link that went to another network namespace, as the one that it left knows it.
struct NewHome {
  std::int32_t namespace_id = 0;
  std::uint32_t index = 0;
};
// Deletes it there. Needs CAP_NET_ADMIN there too, which an agent has that was started where namespaces are made.
// not_found when it is there no more.
common::Result<void> remove_moved_link(const NewHome& home);

// Deletes the link, and with it its addresses and routes. No error when it does not exist.
common::Result<void> remove_link(const std::string& interface);

}  // namespace krait::wireguard
