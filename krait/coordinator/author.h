// What an administrator's machine does that a coordinator cannot: sign.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "krait/coordinator/ask.h"
#include "krait/crypto/sign.h"
#include "krait/fleet/network.h"

namespace krait::coordinator {

// What the coordinator says of the network; nothing of it is believed that is not signed.
struct Authority {
  std::vector<trust::Signed<trust::AdminList>> lists;
  trust::Signed<trust::HostsStatement> hosts;
  trust::Signed<trust::PolicyStatement> policy;
  fleet::Settings settings;
  std::string server_key;
  std::uint64_t seen = 0;  // the newest revision that this machine has followed
  // With the book:
  trust::HostsBook book;
  std::map<std::string, trust::Joined> joined;  // by name; hosts that a token vouches for
  std::set<std::string> waiting;                // of these, who waits for approval
  std::map<std::string, crypto::Hash> grants;   // by the token's key

  // As it is in the tree, or as a token of an administrator vouches for it. not_found.
  [[nodiscard]] common::Result<trust::HostBinding> binding(const std::string& name) const;
};

// What lies beside an administrator's key: what was signed last, so that nobody signs over an older network or another
// one.
inline constexpr std::size_t kMaxAnchorBytes = std::size_t{4} << 20U;
std::string anchor_file_of(const std::string& key_file);

// Follows what the coordinator shows from that anchor on, and writes it anew.
common::Result<Authority> fetch_authority(const Reach& reach, bool with_book);
// The same where the coordinator was restored from a backup: what it shows may be older than what this machine has
// seen.
common::Result<Authority> fetch_restored_authority(const Reach& reach);

// Where an administrator's key is: `given`, or ~/.config/krait/admin.key.
common::Result<std::string> admin_key_file(const std::string& given);
common::Result<crypto::SigningKey> load_admin_key(const std::string& given);

// Makes an edit of the tree of hosts, signs it and has it stored; again where others came first.
using MakeEdit = std::function<common::Result<fleet::HostsEdit>(const Authority&)>;
struct HostsOrder {
  Reach reach;
  bool wait = false;
  std::uint32_t timeout_ms = 0;
};
common::Result<common::Json> edit_hosts(const HostsOrder& order, const MakeEdit& make);

// Makes the next list of administrators, signs it with this machine's key, has what was signed before signed anew and
// stored with it, in one step. `successor`: signs the roots where this machine's key is not on the next list.
using MakeAdmins = std::function<common::Result<std::vector<trust::Administrator>>(const Authority&)>;
common::Result<common::Json> change_admins(const Reach& reach, const crypto::SigningKey* successor,
                                           const MakeAdmins& make);

// After a restore: signs what the coordinator shows as a revision above `above`, and above all that this machine has
// seen.
common::Result<common::Json> sign_anew(const Reach& reach, std::uint64_t above);

// Signs a policy and has it stored.
struct PolicyOrder {
  Reach reach;
  std::string text;
  std::uint32_t rollback_to = 0;  // 0: it is none
  bool wait = false;
  std::uint32_t timeout_ms = 0;
};
common::Result<common::Json> apply_policy(const PolicyOrder& order);

// "10.20.0.0/16=office,10.21.0.0/16=lab", ascending by prefix.
common::Result<std::vector<trust::Route>> routes_of(const std::string& text);

std::int64_t now_s();

}  // namespace krait::coordinator
