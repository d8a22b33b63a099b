// What administrators, tokens and hosts sign, as plain values, and the one byte encoding of each
// (docs/signed_state.md). Pure. Every parse_*() takes hostile bytes: it gives the value whose encoding these very bytes
// are, or an error that says what is wrong (invalid_input) or too much (limit).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/crypto/hash.h"
#include "krait/crypto/sign.h"
#include "krait/model/policy.h"
#include "krait/model/public_key.h"

namespace krait::trust {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

// The most of each; what has more is refused by whoever signs and whoever verifies.
inline constexpr std::size_t kMaxNameBytes = 63;                 // of identities and hosts, as in the files
inline constexpr std::size_t kMaxRuleNameBytes = 128;            // as in policy.toml
inline constexpr std::size_t kMaxAddresses = 64;                 // of a host
inline constexpr std::size_t kMaxRoutes = 1024;                  // of a host
inline constexpr std::size_t kMaxHosts = std::size_t{1} << 20U;  // of a network
inline constexpr std::size_t kMaxPools = 64;                     // of a grant
inline constexpr std::size_t kMaxRulesOfPair = 4096;             // that name one pair of identities
inline constexpr std::size_t kMaxSelectorRanges = 2048;          // of a rule
inline constexpr std::size_t kMaxAdministrators = 64;
inline constexpr std::uint32_t kMaxUses = 10'000;  // of a token
inline constexpr std::size_t kMaxItemBytes = std::size_t{1} << 20U;

// A network behind a host.
struct Route {
  common::Prefix prefix;  // no host bits
  std::string identity;
  auto operator<=>(const Route&) const = default;
};

// A host as an administrator or a token vouches for it.
struct HostBinding {
  std::string name;
  std::string identity;
  model::PublicKey key{};             // WireGuard's
  crypto::VerifyKey host_key;         // with which the host itself announces its next WireGuard keys (KeyChange)
  std::uint64_t key_serial = 0;       // KeyChanges up to this one are done with
  std::vector<common::Ip> addresses;  // 1..kMaxAddresses, ascending, all different
  std::vector<Route> routes;          // ascending by prefix, all different
  bool operator==(const HostBinding&) const = default;
};

// What a host says of its own WireGuard keys; signed by its host_key.
struct KeyChange {
  crypto::Hash network{};
  std::string host;
  std::uint64_t serial = 0;                  // greater than the binding's, and than the former change's
  model::PublicKey key{};                    // in force
  std::optional<model::PublicKey> next_key;  // it may go over to at any moment
  bool operator==(const KeyChange&) const = default;
};

// A token's grant: whoever holds the token's secret key may bind hosts with it. Signed by an administrator.
struct Grant {
  crypto::Hash network{};
  crypto::VerifyKey token;  // its secret key is in the token
  std::string identity;
  std::vector<Route> routes;          // of the host; then uses is 1
  std::vector<common::Prefix> pools;  // its addresses are out of these; 1..kMaxPools, ascending
  std::int64_t made_s = 0;            // Unix time
  std::int64_t expires_s = 0;         // after that nobody joins with it
  std::uint32_t uses = 1;             // 1..kMaxUses
  bool operator==(const Grant&) const = default;
};

// A host that came with a token; signed by the token's key.
struct JoinedHost {
  crypto::Hash grant{};  // grant_id() of its grant
  std::int64_t made_s = 0;
  HostBinding binding;
  bool operator==(const JoinedHost&) const = default;
};

enum class Role : std::uint8_t {
  admin = 1,   // signs everything
  policy = 2,  // signs policies
  read = 3     // signs nothing; the coordinator lets it look
};

struct Administrator {
  crypto::VerifyKey key;
  Role role = Role::read;
  std::string name;  // as names of hosts are
  bool operator==(const Administrator&) const = default;
};

// Who may sign. The first one is what a host is anchored to; each later one is signed by an admin of its predecessor.
struct AdminList {
  crypto::Hash network{};                     // random, from `krait-coordinator init`: the mesh's own name
  std::uint64_t version = 1;                  // 1, 2, 3 ... without a gap
  std::vector<Administrator> administrators;  // ascending by key; at least one admin
  bool operator==(const AdminList&) const = default;
};

// The root over hosts, addresses and what was taken back; signed by an admin.
struct HostsStatement {
  crypto::Hash network{};
  std::uint64_t revision = 0;         // of the network; never goes back
  std::uint64_t policy_at_least = 0;  // the policy's revision that the signer knew of
  std::int64_t made_s = 0;
  crypto::Hash root{};  // of the tree of hosts
  bool operator==(const HostsStatement&) const = default;
};

// The root over identities and rules; signed by an admin or a policy administrator.
struct PolicyStatement {
  crypto::Hash network{};
  std::uint64_t revision = 0;
  std::uint64_t hosts_at_least = 0;
  std::int64_t made_s = 0;
  crypto::Hash root{};
  bool operator==(const PolicyStatement&) const = default;
};

// A value with who signed it. The domain of each signature is kDomain<T>.
template <typename T>
struct Signed {
  T value;
  crypto::VerifyKey signer;
  crypto::Signature signature{};
  bool operator==(const Signed&) const = default;
};

// One rule as it concerns one pair of identities.
struct PairRule {
  std::string name;
  bool forward = true;  // from the pair's first identity to its second; else back
  model::Action action = model::Action::deny;
  std::vector<model::SelectorRange> selectors;  // as model::Rule has them
  std::optional<model::Expiry> expires;
  bool log = false;
  bool reject = false;
  bool outlasts_lease = false;
  bool operator==(const PairRule&) const = default;
};

// How the names of rules begin that krait itself adds on a host; nobody else's do.
inline constexpr std::string_view kOwnRules = "krait:";

// All rules between a row's identity and another one; kAnyIdentity for "*".
inline constexpr std::string_view kAnyIdentity = "*";
struct PairRules {
  std::string other;
  std::uint32_t tag = 0;        // of the other identity; 0 for "*" only
  std::vector<PairRule> rules;  // ascending by name, then forward first
  bool operator==(const PairRules&) const = default;
};

// An identity of the policy and the root of its row: the tree of its PairRules. The row of "*" holds what names "*".
struct IdentityItem {
  std::string name;
  std::uint32_t tag = 0;  // 0 for "*" only
  crypto::Hash row{};
  bool operator==(const IdentityItem&) const = default;
};

// What holds for the mesh as a whole; a leaf of the policy's tree.
struct Settings {
  std::uint32_t lease_s = 0;  // 0: none. Access shrinks to rules that outlast it this long after the last confirmation
  bool preshared_keys = false;  // each pair of hosts has one (krait/crypto/pair.h)
  bool operator==(const Settings&) const = default;
};

Bytes encode(const HostBinding& value);
Bytes encode(const PairRules& value);
Bytes encode(const IdentityItem& value);
Bytes encode(const Settings& value);
Bytes encode(const Signed<KeyChange>& value);
Bytes encode(const Signed<Grant>& value);
Bytes encode(const Signed<JoinedHost>& value);
Bytes encode(const Signed<AdminList>& value);
Bytes encode(const Signed<HostsStatement>& value);
Bytes encode(const Signed<PolicyStatement>& value);

common::Result<HostBinding> parse_host_binding(BytesView bytes);
common::Result<PairRules> parse_pair_rules(BytesView bytes);
common::Result<IdentityItem> parse_identity_item(BytesView bytes);
common::Result<Settings> parse_settings(BytesView bytes);
common::Result<Signed<KeyChange>> parse_key_change(BytesView bytes);
common::Result<Signed<Grant>> parse_grant(BytesView bytes);
common::Result<Signed<JoinedHost>> parse_joined_host(BytesView bytes);
common::Result<Signed<AdminList>> parse_admin_list(BytesView bytes);
common::Result<Signed<HostsStatement>> parse_hosts_statement(BytesView bytes);
common::Result<Signed<PolicyStatement>> parse_policy_statement(BytesView bytes);

// Signs the value's encoding. Nothing is checked: that is for who makes the value (author.h).
Signed<KeyChange> sign(KeyChange value, const crypto::SigningKey& key);
Signed<Grant> sign(Grant value, const crypto::SigningKey& key);
Signed<JoinedHost> sign(JoinedHost value, const crypto::SigningKey& key);
Signed<AdminList> sign(AdminList value, const crypto::SigningKey& key);
Signed<HostsStatement> sign(HostsStatement value, const crypto::SigningKey& key);
Signed<PolicyStatement> sign(PolicyStatement value, const crypto::SigningKey& key);

// Whether `signer` signed it. Says nothing of who that may be.
bool is_genuine(const Signed<KeyChange>& value);
bool is_genuine(const Signed<Grant>& value);
bool is_genuine(const Signed<JoinedHost>& value);
bool is_genuine(const Signed<AdminList>& value);
bool is_genuine(const Signed<HostsStatement>& value);
bool is_genuine(const Signed<PolicyStatement>& value);

// What grants and joined hosts are called elsewhere.
crypto::Hash grant_id(const Signed<Grant>& grant);
crypto::Hash joined_id(const Signed<JoinedHost>& joined);
// What a token carries so that the host knows which administrators it may believe: of the list's encoding.
crypto::Hash admin_list_id(const Signed<AdminList>& list);

}  // namespace krait::trust
