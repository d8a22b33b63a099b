// The whole of what is signed, as an administrator's machine and the coordinator hold it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/model/policy.h"
#include "krait/trust/state.h"

namespace krait::trust {

// The hosts' tree: bindings with their addresses and routes, and what was taken back.
class HostsBook {
 public:
  // Fails where a name, key, address or route is another host's, saying whose.
  [[nodiscard]] common::Result<void> put(const HostBinding& binding);  // adds or replaces the host of that name
  [[nodiscard]] common::Result<void> is_free(const HostBinding& binding) const;  // whether put() would
  void remove(std::string_view name);                                            // nothing where it is not
  void take_back(const crypto::Hash& grant_or_joined);                           // a token, or who came with it
  [[nodiscard]] const HostBinding* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, HostBinding, std::less<>>& hosts() const { return hosts_; }
  [[nodiscard]] bool was_taken_back(const crypto::Hash& grant_or_joined) const {
    return removed_.contains(grant_or_joined);
  }
  [[nodiscard]] const std::string* owner_of(const model::PublicKey& key) const;  // the host's name
  [[nodiscard]] const std::string* owner_of(const common::Prefix& route) const;  // likewise
  // Names of hosts that have the identity, or a route of it.
  [[nodiscard]] const std::set<std::string>& hosts_of(const std::string& identity) const;
  [[nodiscard]] const Tree& tree() const { return tree_; }
  [[nodiscard]] crypto::Hash root() const { return tree_.root(); }

  // All leaves, as they are stored and sent; load() refuses what is no book.
  [[nodiscard]] Bytes save() const;
  static common::Result<HostsBook> load(BytesView bytes);

 private:
  void enter(const HostBinding& binding);

  std::map<std::string, HostBinding, std::less<>> hosts_;
  std::map<model::PublicKey, std::string> keys_;
  std::map<common::Prefix, std::string> addresses_;
  std::map<common::Prefix, std::string> routes_;
  std::map<std::string, std::set<std::string>> by_identity_;
  std::set<crypto::Hash> removed_;
  Tree tree_;
};

// The policy's tree: identities, their rows, settings.
class PolicyBook {
 public:
  struct Former;
  // Of a policy that was checked (krait/plan); its identities have their tags. With the one that it follows on, only
  // rows that differ are made, and what is the same is shared.
  static common::Result<PolicyBook> of(const model::Policy& policy, const Former* former = nullptr);
  [[nodiscard]] const Tree& tree() const { return tree_; }
  [[nodiscard]] const std::map<std::string, Tree, std::less<>>& rows() const { return rows_; }  // by identity, "*" too
  [[nodiscard]] crypto::Hash root() const { return tree_.root(); }
  [[nodiscard]] const Settings& settings() const { return settings_; }

  [[nodiscard]] Bytes save() const;
  static common::Result<PolicyBook> load(BytesView bytes);

  // Whether any rule lets one of them open anything to the other, either way, whatever denies it: whom a host is told
  // of.
  [[nodiscard]] bool may_talk(const std::string& identity, const std::string& other) const;
  // All identities that may with this one.
  [[nodiscard]] std::set<std::string> talks_with(const std::string& identity) const;

 private:
  friend class BookMaker;
  using Names = std::vector<std::string>;  // ascending
  [[nodiscard]] const Names& allowed_of(std::string_view identity) const;
  void enter(const IdentityItem& item, Tree row, Names allowed);

  std::map<std::string, Tree, std::less<>> rows_;
  // By identity, with whom a rule lets it open something or be called; "*" too. Symmetric.
  std::map<std::string, std::shared_ptr<const Names>, std::less<>> allowed_;
  Settings settings_;
  Tree tree_;
};

struct PolicyBook::Former {
  const model::Policy& policy;
  const PolicyBook& book;
};

// All that the coordinator hands out of.
struct Network {
  std::vector<Signed<AdminList>> lists;  // all, from the first
  HostsBook hosts_book;
  Signed<HostsStatement> hosts;
  PolicyBook policy_book;
  Signed<PolicyStatement> policy;
  std::map<std::string, Joined> joined;                  // by host
  std::map<std::string, Signed<KeyChange>> key_changes;  // by host
};

// What a host that joins may say of itself, and what the coordinator asks before it takes a host in: the grant is an
// admin's of that list, not taken back, not expired by `now_s`; identity, routes and addresses are as it says.
common::Result<void> check_join(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list,
                                const HostsBook& book, std::int64_t now_s);

// The part of it that needs no tree, for whoever has only the list: all but that nothing was taken back or is
// another's.
common::Result<void> check_vouched(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list);

// What everybody may have at home (RFC 1918, RFC 6598, RFC 4193). Addresses that come with a token are out of these: it
// is the coordinator that picks them, and one of the Internet's would draw what goes there into the tunnel.
bool is_private(const common::Prefix& prefix);

// Whether a key of that list may sign a statement of that kind.
bool may_sign_hosts(const AdminList& list, const crypto::VerifyKey& key);
bool may_sign_policy(const AdminList& list, const crypto::VerifyKey& key);

}  // namespace krait::trust
