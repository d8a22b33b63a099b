// What an administrator's machine does that a coordinator cannot: sign.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
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
  // With the book:
  trust::HostsBook book;
  std::map<std::string, trust::Joined> joined;  // by name; hosts that a token vouches for
  std::map<std::string, crypto::Hash> grants;   // by the token's key

  // As it is in the tree, or as a token of an administrator vouches for it. not_found.
  [[nodiscard]] common::Result<trust::HostBinding> binding(const std::string& name) const;
};

// What lies beside an administrator's key: what was signed last, so that nobody signs over an older network or another
// one.
std::string anchor_file_of(const std::string& key_file);

// Follows what the coordinator shows from that anchor on, and writes it anew.
struct Source {
  std::string socket;
  std::string key_file;  // as load_admin_key() takes it
};
common::Result<Authority> fetch_authority(const Source& source, bool with_book);

// Where an administrator's key is: `given`, or ~/.config/krait/admin.key.
common::Result<std::string> admin_key_file(const std::string& given);
common::Result<crypto::SigningKey> load_admin_key(const std::string& given);

// Makes an edit of the tree of hosts, signs it and has it stored; again where others came first. `what`: for the audit.
using MakeEdit = std::function<common::Result<fleet::HostsEdit>(const Authority&)>;
struct HostsOrder {
  std::string socket;
  std::string key_file;
  std::string what;
  bool wait = false;
  std::uint32_t timeout_ms = 0;
};
common::Result<common::Json> edit_hosts(const HostsOrder& order, const MakeEdit& make);

// The policy that the coordinator has; number 0: none.
struct FormerText {
  std::uint64_t number = 0;
  std::string text;
};
// The order for a policy: the statement, and of the text what the former one does not have.
common::Result<common::Json> policy_order(const Authority& authority, const FormerText& former, const std::string& text,
                                          const crypto::SigningKey& key);

// "10.20.0.0/16=office,10.21.0.0/16=lab", ascending by prefix.
common::Result<std::vector<trust::Route>> routes_of(const std::string& text);

std::int64_t now_s();

}  // namespace krait::coordinator
