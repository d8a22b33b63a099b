// What hosts are told, without a state for each: hosts with the same identities are told the same of everybody but
// themselves, so it is held once for all of them, and what changes is written once. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krait/trust/author.h"
#include "krait/trust/state.h"
#include "krait/trust/tree.h"

namespace krait::trust {

// A host, as others are told of it. Never changes: who is told something new of a host is told of another entry.
struct Entry {
  std::string name;
  std::vector<Key> places;                      // in the tree of hosts, that show it; ascending, all different
  std::vector<Key> identity_places;             // in the policy's tree: of its identities
  std::optional<Joined> joined;                 // it came with a token
  std::optional<Signed<KeyChange>> key_change;  // newer than its binding
  std::optional<common::Endpoint> endpoint;     // where it can be called
};
using EntryPtr = std::shared_ptr<const Entry>;

// Of a host that an administrator vouches for, and of one that a token does; whether the host may be shown at all is
// for the caller to know.
Entry entry_of(const HostBinding& binding);
Entry entry_of(const Joined& joined);

// Hosts that are told of together.
struct Circle {
  std::vector<EntryPtr> entries;     // ascending by name
  std::vector<Key> places;           // of them all; ascending, all different
  std::vector<Key> identity_places;  // the same
};
Circle circle_of(std::vector<EntryPtr> entries);

// What is the same for all hosts.
struct Heads {
  std::vector<Signed<AdminList>> lists;
  Signed<HostsStatement> hosts;
  Signed<PolicyStatement> policy;
  Tree hosts_tree;
  Tree policy_tree;
};

// What all hosts with the same identities are told, besides themselves.
struct Told {
  std::shared_ptr<const Heads> heads;
  std::shared_ptr<const Circle> circle;            // who may talk with one of the identities, whoever opens
  std::vector<std::pair<std::string, Tree>> rows;  // of the identities and of "*"; ascending by name
  std::vector<Key> own_places;                     // in the policy's tree: of those, and the settings; ascending
  std::uint16_t keepalive_s = 0;                   // as advised for each peer
};

// Told to one host; `self` is null for whoever has those identities. The referred outlive it.
struct View {
  const Told& told;
  const Entry* self = nullptr;
};

// The bytes of the State that the host is told; with `known`, of what has changed since that one
// (parse_state() in state.h). Costs what has changed.
Bytes encode_view(const View& view, const View* known = nullptr);

// Whether the difference is the same for that host as for nobody in particular, so that one serves them all. Views of
// the same host.
bool is_common(const View& now, const View& then);

}  // namespace krait::trust
