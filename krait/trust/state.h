// A desired state: all that a host is told, as the link hands it to the agent, and how it is verified. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/trust/items.h"
#include "krait/trust/tree.h"

namespace krait::trust {

inline constexpr std::size_t kMaxStateBytes = std::size_t{32} << 20U;

// A host that came with a token and that no administrator's tree has yet.
struct Joined {
  Signed<Grant> grant;
  Signed<JoinedHost> host;
  bool operator==(const Joined&) const = default;
};

// Advice that nobody signs: it can misdirect encrypted packets, and no more.
struct Advice {
  std::string host;
  std::optional<common::Endpoint> endpoint;
  std::uint16_t keepalive_s = 0;  // 0: none
  bool operator==(const Advice&) const = default;
};

struct State {
  std::vector<Signed<AdminList>> lists;  // from the successor of the anchor's on; may be empty
  Signed<HostsStatement> hosts;
  Signed<PolicyStatement> policy;
  Part hosts_part;                             // of the hosts' tree
  Part policy_part;                            // of the policy's tree
  std::map<std::string, Part> rows;            // of the rows that are shown, by identity
  std::vector<Joined> joined;                  // ascending by the host's name
  std::vector<Signed<KeyChange>> key_changes;  // ascending by the host's name
  std::vector<Advice> advice;                  // ascending by the host's name
};

// With `known`, the state that the reader holds, parts are given as what has changed.
Bytes encode_state(const State& state, const State* known = nullptr);
common::Result<State> parse_state(BytesView bytes, const State* known = nullptr);

// What a host believes from the start, and goes on from.
struct Anchor {
  Signed<AdminList> list;
  std::uint64_t hosts_revision = 0;  // the newest that it has seen; 0: none
  crypto::Hash hosts_root{};         // of that revision
  std::uint64_t policy_revision = 0;
  crypto::Hash policy_root{};
  std::map<crypto::VerifyKey, std::uint64_t> key_serials{};  // the newest KeyChange seen, by the host's key
  bool operator==(const Anchor&) const = default;
};
Bytes encode_anchor(const Anchor& anchor);
common::Result<Anchor> parse_anchor(BytesView bytes);

// Goes on from an anchor to what the network says now, without anything of the trees: for whoever holds the books, as
// an administrator does before it signs over what a coordinator shows. Refused is what is not signed by who may, what
// is older than the anchor's (unless `may_go_back`), another content of the same revision, and two roots that do not
// belong together. Keeps the anchor's key_serials.
struct Statements {
  const std::vector<Signed<AdminList>>& lists;  // older ones than the anchor's are passed over
  const Signed<HostsStatement>& hosts;
  const Signed<PolicyStatement>& policy;
};
common::Result<Anchor> follow_statements(const Anchor& anchor, const Statements& statements, bool may_go_back = false);

// Who asks, and what it may be told.
struct Asker {
  std::string name;                       // this host's
  std::optional<model::PublicKey> key{};  // its WireGuard key in force; none: of a state that was taken once, not asked
  bool may_go_back = false;               // an older revision is taken: somebody on the host has said so
};

// One host of a verified state.
struct KnownHost {
  HostBinding binding;  // with the key that its newest KeyChange says
  std::optional<model::PublicKey> next_key;
  bool joined = false;                       // a token vouches for it, no administrator yet
  std::optional<common::Endpoint> endpoint;  // advice
  std::uint16_t keepalive_s = 0;
};

// A rule with everything of it that concerns this host.
struct KnownRule {
  std::string name;
  PairRule as;                                             // of `forward` nothing
  std::vector<std::pair<std::string, std::string>> pairs;  // from, to; "*" for any
};

struct Verified {
  Anchor anchor;  // to go on from
  KnownHost self;
  std::vector<KnownHost> peers;                                   // ascending by name
  std::vector<std::pair<std::string, std::uint32_t>> identities;  // with their tags; ascending by name
  std::vector<KnownRule> rules;                                   // ascending by name
  Settings settings;
  [[nodiscard]] std::uint64_t revision() const {
    return anchor.hosts_revision > anchor.policy_revision ? anchor.hosts_revision : anchor.policy_revision;
  }
};

// Judges a state from the network. What is refused changes nothing; the error says which item and why. Refused is what
// is not signed by who may sign it, what is older than the anchor's (unless the asker may go back), another content of
// the same revision, an item that is not under the signed root, a row of this host's identities or of "*" that is not
// shown whole, a joined host whose grant, name, addresses or routes do not hold or whose withdrawal is not shown to be
// absent, and whatever names the same address, prefix, key or host twice.
common::Result<Verified> verify_state(const State& state, const Anchor& anchor, const Asker& asker);

}  // namespace krait::trust
