// A network as the coordinator knows it: who its hosts are, where they can be called, tokens, policies, and the signed
// state that hosts verify (krait/trust). Pure: every change is made as rows, which are stored first and absorbed then,
// here and by every other coordinator of the network.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/crypto/hash.h"
#include "krait/trust/author.h"
#include "krait/trust/told.h"

namespace krait::fleet {

using LinkKey = std::array<std::uint8_t, 32>;  // the hash of a link's TLS key (krait/wire/key_pair.h)

// What a row is; the numbers are in every store.
enum class Kind : std::uint32_t {
  settings = 1,    // one, without a key
  admin_list = 2,  // by version: Signed<AdminList>
  statement = 3,   // "hosts": Signed<HostsStatement>; "policy": Signed<PolicyStatement>
  binding = 4,     // by host name: HostBinding in the tree of hosts
  taken_back = 5,  // by hash: nothing
  joined = 6,      // by host name: Signed<Grant> and Signed<JoinedHost>, for a host that is not in the tree
  key_change = 7,  // by host name: Signed<KeyChange>
  host = 8,        // by number: what nobody signs of a host
  token = 9,       // by public key
  policy = 10,     // by number: the text
  address = 11,    // by text: whose it was
};

struct Row {
  Kind kind{};
  std::string key{};
  std::optional<std::string> value{};  // nothing: removed
  bool operator==(const Row&) const = default;
};

struct Settings {
  std::string name{};                      // of the network
  std::vector<common::Prefix> prefixes{};  // addresses of hosts come out of these; one of a family at most
  bool approval = false;                   // hosts that join wait for an administrator
  std::uint16_t keepalive_s = 25;          // of hosts behind NAT, 0 for none
  std::vector<std::string> addresses{};    // where hosts reach the coordinators, for tokens
  std::int64_t made_s = 0;
  std::uint64_t last_host = 0;  // the highest number that was given
  bool operator==(const Settings&) const = default;
};

struct Host {
  std::uint64_t number = 0;  // never given again
  std::string name{};
  LinkKey link_key{};
  std::vector<common::Endpoint> endpoints{};  // as it declares them
  std::optional<common::Ip> seen{};           // where its connection came from
  std::optional<common::Endpoint> mapped{};   // behind NAT: where a peer sees its packets come from
  std::uint16_t listen_port = 51820;
  bool behind_nat = false;
  bool waits_for_approval = false;
  bool left = false;    // by itself; an administrator has not struck it off yet
  std::string token{};  // that it came with, as key text
  std::int64_t joined_s = 0;
  bool operator==(const Host&) const = default;

  // Where peers call it: what it declares, else where it was seen, behind NAT by a peer.
  [[nodiscard]] std::optional<common::Endpoint> endpoint() const;
};

struct Token {
  trust::Signed<trust::Grant> grant{};
  std::string note{};
  std::string who{};
  std::uint32_t uses_left = 0;
  bool operator==(const Token&) const = default;
};

struct PolicyText {
  std::uint64_t number = 0;  // 1, 2, 3 ...
  std::string text{};        // in a network none: last_policy_text() has the last one, the store all
  std::string who{};
  std::string what{};  // "apply", "rollback to 3"
  std::int64_t at_s = 0;
  std::size_t rules = 0;
  std::size_t identities = 0;
  bool operator==(const PolicyText&) const = default;
};

// Whose state is another one after a change.
struct Concerned {
  bool all = false;
  std::set<std::string> identities{};  // of hosts that have one of these, or a network behind them that has
  std::set<std::string> hosts{};       // by name
  std::set<std::uint64_t> numbers{};   // of hosts that are others now, or gone
};

// What one host is told; it may be held as long as anybody wants to know what the host holds.
struct Telling {
  std::shared_ptr<const trust::Told> told{};  // the same for all hosts with its identities
  trust::EntryPtr self{};
  [[nodiscard]] trust::View view() const { return {*told, self.get()}; }
};

// A host that a token lets in, before the host has signed.
struct Offer {
  std::string name{};
  std::string token{};  // key text
  trust::Signed<trust::Grant> grant{};
  model::PublicKey key{};
  std::vector<common::Ip> addresses{};
};

// What a host says of itself when it joins.
struct Applicant {
  crypto::VerifyKey token{};
  std::string name{};
  model::PublicKey key{};
  LinkKey link_key{};
  std::vector<common::Endpoint> endpoints{};
  std::optional<common::Ip> seen{};
  std::uint16_t listen_port = 0;
  bool behind_nat = false;
  std::vector<common::Ip> addresses{};  // that it would keep
};

// What an administrator changes in the tree of hosts.
struct HostsEdit {
  std::vector<trust::HostBinding> put{};
  std::vector<std::string> remove{};
  std::vector<crypto::Hash> take_back{};
};

// The next list of administrators. What they have signed is signed anew in the same step, by somebody who is on it:
// hosts believe the last list only.
struct AdminsEdit {
  std::optional<trust::Signed<trust::AdminList>> list;  // nothing: the present one goes on, after a restore
  HostsEdit hosts;  // takes hosts into the tree for whom only a token of somebody vouched who may no longer
  trust::Signed<trust::HostsStatement> hosts_statement;
  trust::Signed<trust::PolicyStatement> policy_statement;
};

// Released addresses rest this long: somebody who was away may still hold their former owner's.
inline constexpr std::int64_t kAddressRestS = 7L * 24 * 3600;

class Network {
 public:
  // Rows in the order of their revisions. What they say must hold together and be signed: fails with invalid_input
  // otherwise, and the network is unusable then.
  common::Result<Concerned> absorb(const std::vector<Row>& rows);

  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const trust::Network& trusted() const { return trusted_; }
  [[nodiscard]] const std::map<std::uint64_t, Host>& hosts() const { return hosts_; }
  [[nodiscard]] const std::map<std::string, Token>& tokens() const { return tokens_; }
  [[nodiscard]] const std::map<std::uint64_t, PolicyText>& policies() const { return policies_; }
  [[nodiscard]] bool has_policy() const { return !policies_.empty(); }
  [[nodiscard]] const std::string& last_policy_text() const { return model_text_; }  // of the last one
  [[nodiscard]] const Host* find_host(std::uint64_t number) const;
  [[nodiscard]] const Host* find_host(const std::string& name) const;
  [[nodiscard]] const Host* find_link(const LinkKey& key) const;
  // As an administrator or a token vouches for it; one that waits too.
  [[nodiscard]] const trust::HostBinding* binding(const std::string& name) const;
  [[nodiscard]] std::set<std::string> identities_of(const std::string& host) const;  // its own and of its routes
  // What a token vouches for, of a host that is not in the tree; one that waits too.
  [[nodiscard]] const trust::Joined* joined(const std::string& name) const;

  // What a host is told, that has joined and does not wait for approval.
  [[nodiscard]] Telling telling_for(const Host& host) const;

  // --- Changes; each gives the rows that make it ---------------------------------------------------------------------

  // `reserved`: addresses and names that were offered to others and not taken yet.
  [[nodiscard]] common::Result<Offer> offer(const Applicant& applicant, const std::vector<Offer>& reserved,
                                            std::int64_t now_s) const;
  [[nodiscard]] common::Result<std::vector<Row>> enrol(const Offer& offer, const Applicant& applicant,
                                                       const trust::Signed<trust::JoinedHost>& joined,
                                                       std::int64_t now_s) const;
  [[nodiscard]] common::Result<std::vector<Row>> add_token(const Token& token) const;
  // `statement` is signed over the tree that the edit leads to.
  [[nodiscard]] common::Result<std::vector<Row>> edit_hosts(const HostsEdit& edit,
                                                            const trust::Signed<trust::HostsStatement>& statement,
                                                            std::int64_t now_s) const;
  [[nodiscard]] common::Result<std::vector<Row>> apply_policy(
      PolicyText policy, const trust::Signed<trust::PolicyStatement>& statement) const;
  [[nodiscard]] common::Result<std::vector<Row>> change_admins(const AdminsEdit& edit, std::int64_t now_s) const;
  [[nodiscard]] common::Result<std::vector<Row>> change_key(const Host& host,
                                                            const trust::Signed<trust::KeyChange>& change) const;
  [[nodiscard]] std::vector<Row> leave(const Host& host) const;
  [[nodiscard]] static std::vector<Row> update_host(const Host& host);
  // What changes by `reporter`'s saying where it sees a peer. Nothing where that is not to be believed: the peer says
  // itself where it is, may not talk with the reporter, or its own connection comes from another address. So a host
  // that lies spoils a port, and sends nobody to an address of its choice.
  [[nodiscard]] std::optional<Host> as_seen(const Host& reporter, const std::string& peer,
                                            const common::Endpoint& endpoint) const;
  [[nodiscard]] static std::vector<Row> update_settings(const Settings& settings);

 private:
  // Who has an identity, or a network behind it that has. The version is of no other members that ever were.
  struct Members {
    std::uint64_t version = 0;
    std::map<std::string, trust::EntryPtr> entries;
  };
  // Whom a circle is made of: versions of members, ascending.
  using Fellows = std::vector<std::uint64_t>;
  // Identities, and the seconds between two keepalives.
  using Group = std::pair<std::set<std::string>, std::uint16_t>;
  struct ReadPolicy {
    std::string text;
    model::Policy model;
    trust::PolicyBook book;
  };
  struct Shown {
    trust::EntryPtr entry;
    std::set<std::string> identities;
  };
  struct Made {
    std::shared_ptr<const trust::Told> told;
    std::uint64_t change = 0;  // up to which it is right
  };

  common::Result<void> take(const Row& row, Concerned& concerned);
  common::Result<void> take_statement(const Row& row);
  common::Result<void> take_binding(const Row& row, Concerned& concerned);
  common::Result<void> take_joined(const Row& row, Concerned& concerned);
  common::Result<void> take_host(const Row& row, Concerned& concerned);
  common::Result<void> take_policy(const Row& row);
  common::Result<void> enter_policy(Concerned& concerned);
  [[nodiscard]] common::Result<ReadPolicy> read_policy(const std::string& text, const std::string& file) const;
  void touch(const std::string& host, Concerned& concerned) const;
  void drop_host(std::uint64_t number);
  void refresh(const std::vector<Row>& rows, Concerned& concerned);
  void look_after_joined(bool with_signatures, Concerned& concerned);
  void refresh_entry(const std::string& host);
  [[nodiscard]] trust::EntryPtr make_entry(const std::string& host) const;
  [[nodiscard]] std::shared_ptr<const trust::Circle> circle_for(const std::set<std::string>& identities) const;
  void refresh_told(const Group& group, Made& made) const;
  [[nodiscard]] common::Result<void> check_roots() const;
  [[nodiscard]] common::Result<std::vector<common::Ip>> free_addresses(const trust::Grant& grant,
                                                                       const std::vector<common::Ip>& kept,
                                                                       const std::vector<Offer>& reserved,
                                                                       std::int64_t now_s) const;
  [[nodiscard]] bool is_free(const common::Ip& address, std::int64_t now_s) const;
  [[nodiscard]] std::string free_name(const std::string& wish, const std::vector<Offer>& reserved) const;
  [[nodiscard]] common::Result<std::vector<Row>> edit_hosts_under(const trust::AdminList& list, const HostsEdit& edit,
                                                                  const trust::Signed<trust::HostsStatement>& statement,
                                                                  std::int64_t now_s) const;
  // Whether another host has it, or is going over to it: states that show both would be refused by everybody.
  [[nodiscard]] bool is_key_of_another(const model::PublicKey& key, const std::string& host) const;
  // Whose address or route it is, other than `host`'s; nullptr: nobody's.
  [[nodiscard]] const std::string* owner_of(const common::Prefix& prefix, std::string_view host) const;
  // Likewise: an address or a route that another host has, or an identity that the policy does not. `changed`: hosts
  // that the same edit removes or puts, for which the book looks.
  [[nodiscard]] common::Result<void> check_places(const trust::HostBinding& binding,
                                                  const std::set<std::string>& changed) const;
  [[nodiscard]] common::Result<void> check_routes_free(const std::vector<trust::Route>& routes) const;
  [[nodiscard]] common::Result<void> check_identities_of_hosts(const trust::PolicyBook& book) const;
  [[nodiscard]] common::Result<void> check_next_list(const trust::Signed<trust::AdminList>& list) const;
  void release_addresses(const trust::HostBinding& binding, std::int64_t now_s, std::vector<Row>& rows) const;

  struct Owner {
    std::string host;
    std::int64_t released_s = 0;  // 0: it has it
  };

  Settings settings_;
  trust::Network trusted_;
  std::map<std::string, trust::Joined> waiting_;  // for approval
  std::map<std::uint64_t, Host> hosts_;
  std::map<std::string, std::uint64_t> number_of_name_;
  std::map<LinkKey, std::uint64_t> number_of_link_;
  std::map<std::string, Token> tokens_;
  std::map<std::uint64_t, PolicyText> policies_;
  std::optional<model::Policy> model_;  // of the last one
  std::string model_text_;
  mutable std::optional<ReadPolicy> read_;  // what apply_policy() read last, to be absorbed next
  std::map<common::Ip, Owner> addresses_;
  std::map<model::PublicKey, std::string> joined_keys_;  // of hosts that are not in the tree
  std::map<common::Prefix, std::string> joined_routes_;  // likewise

  std::map<std::string, Shown> entries_;  // of hosts that may be shown
  std::map<std::string, Members> members_;
  std::uint64_t last_version_ = 0;
  std::shared_ptr<const trust::Heads> heads_;
  // What was made of it all for somebody, as long as somebody holds it.
  std::uint64_t changes_ = 0;
  mutable std::map<Group, Made> made_;
  mutable std::map<Fellows, std::weak_ptr<const trust::Circle>> circles_;
};

// A network's first rows.
std::vector<Row> found(const Settings& settings, const trust::Signed<trust::AdminList>& list,
                       const trust::Signed<trust::HostsStatement>& hosts,
                       const trust::Signed<trust::PolicyStatement>& policy);

}  // namespace krait::fleet
