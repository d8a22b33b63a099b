// xenstore: takes messages of connections, gives messages to connections. Pure: no sockets, rings or files; those stand
// around it (server.h, journal.h). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/result.h"
#include "krata/store/changes.h"
#include "krata/store/edit.h"
#include "krata/store/quota.h"
#include "krata/store/session.h"
#include "krata/store/transaction.h"
#include "krata/store/watch.h"
#include "krata/store/wire.h"

namespace krata::store {

// Where a ring's indices stand.
struct RingPlace {
  std::uint32_t taken = 0;  // bytes of requests that were taken out
  std::uint32_t put = 0;    // bytes of answers and events that were put in
};

// Where domains' rings are. The store asks before a domain counts as introduced.
class Rings {
 public:
  virtual ~Rings() = default;
  // Called again for a domain that is connected already, with other places perhaps.
  virtual Answer<RingPlace> connect(DomainId domain, std::uint64_t page, std::uint32_t port) = 0;
  virtual void disconnect(DomainId domain) = 0;
  // Whether the hypervisor has the domain, introduced or not: no other may be given nodes.
  [[nodiscard]] virtual bool exists(DomainId domain) const = 0;
};

// Requests that were answered, by the operation's number.
struct Served {
  std::array<std::uint64_t, kOperations> requests{};
  std::uint64_t refused = 0;
};

class Store {
 public:
  // `rings` must outlive the store. `keeps_changes`: take_changes gives something.
  Store(Rings& rings, const Quota& quota, bool keeps_changes);

  // A socket's client, who speaks for domain 0. `connection` is kFirstSocket or more, and not in use.
  void connect(ConnectionId connection);
  void disconnect(ConnectionId connection);

  // Answers a request: exactly one answer, and events, for `from` and others, are appended to `out`. Unknown
  // connections are not answered.
  void handle(ConnectionId from, const Request& request, Messages& out);

  // A client broke the protocol, or does not take what it is sent: its watches and transactions end; what it has asked
  // stays done.
  void give_up_on(ConnectionId connection);

  // Rings (streams.cc). What passes through one counts as said and taken only when the caller has written the changes
  // down; then it moves the ring's bytes and indices.
  // Domain 0's own, which nobody introduces. Nothing is done where it is known already.
  void connect_domain_0(const RingPlace& place);
  [[nodiscard]] std::vector<DomainId> domains_with_rings() const;
  // Null: the domain has none. Valid until the domain is released.
  [[nodiscard]] const Streams* streams(DomainId domain) const;
  // As it was introduced with.
  [[nodiscard]] std::uint32_t port_of(DomainId domain) const { return domains_.at(domain).port; }
  // What has been read behind Streams::taken.
  void take_in(DomainId domain, std::string_view bytes);
  // Whether the domain has to take answers before any more of it is read.
  [[nodiscard]] bool is_waited_for(DomainId domain) const;
  // Answers the whole requests that are there. What is for rings, in `out` too, has been queued. True: it stopped, for
  // the domain has to take answers first.
  [[nodiscard]] bool answer_ring(DomainId domain, Messages& out);
  // Puts the messages that are for rings into those domains' outboxes.
  void queue(const Messages& messages);
  // That many bytes of the outbox are in the ring.
  void said(DomainId domain, std::size_t bytes);
  // The domain did with its ring what nobody may.
  void break_ring(DomainId domain);

  // The hypervisor tells. Shut down: the domain still is there. Gone: as with RELEASE.
  void domain_shut_down(DomainId domain, Messages& out);
  void domain_gone(DomainId domain, Messages& out);

  // What has changed since the last call, in order; the caller writes it down before it lets any message out.
  Changes take_changes() { return std::exchange(changes_, {}); }
  // The whole state as changes, to be restored into an empty store.
  [[nodiscard]] Changes saved() const;
  // Takes a change that take_changes or saved of another store gave. Tells nobody. Fails (invalid_input) with what does
  // not fit the state so far: such a change was not written by a store.
  common::Result<void> restore(const Change& change);

  [[nodiscard]] const Tree& tree() const { return tree_; }
  [[nodiscard]] const WatchTable& watches() const { return watches_; }
  [[nodiscard]] const Quota& quota() const { return quota_; }
  [[nodiscard]] bool is_introduced(DomainId domain) const { return domains_.contains(domain); }
  [[nodiscard]] std::size_t open_transactions(ConnectionId connection) const;

 private:
  struct Connection {
    Actor actor;
    // Nothing: its copy is gone, so it can only be ended, and none of it comes true (EAGAIN).
    std::map<std::uint32_t, std::optional<Transaction>> transactions;
    std::uint32_t last_transaction = 0;
  };
  struct Domain {
    std::uint64_t page = 0;
    std::uint32_t port = 0;
    bool is_shut_down = false;
    Streams streams;
  };
  // A request being answered.
  struct Turn {
    ConnectionId from;
    Connection& connection;
    const Request& request;
    std::optional<Transaction>* transaction;  // nullptr: outside of any
    Messages& out;
    Messages after;  // events that follow the answer
  };
  using Payload = Answer<std::string>;
  using Handler = Payload (Store::*)(Turn&);
  struct Entry {
    Handler handler = nullptr;
    bool is_privileged = false;
    bool ignores_transaction = false;
  };

  static Entry entry_of(std::uint32_t operation);
  static Payload refuse(Refusal refusal) { return std::unexpected(refusal); }
  static Payload done() { return std::string("OK\0", 3); }
  Payload answer(Turn& turn);
  void count(std::uint32_t operation, bool is_refused);

  // Nodes (requests_nodes.cc)
  Payload directory(Turn& turn);
  Payload directory_part(Turn& turn);
  Payload read(Turn& turn);
  Payload get_permissions(Turn& turn);
  Payload set_permissions(Turn& turn);
  Payload set_special_permissions(Turn& turn, std::string_view path, Permissions permissions);
  Payload write(Turn& turn);
  Payload mkdir(Turn& turn);
  Payload remove(Turn& turn);
  [[nodiscard]] Answer<std::string> path_of(const Turn& turn, std::string_view given) const;
  [[nodiscard]] Answer<std::string> single_path_of(const Turn& turn) const;  // of a payload that is a path alone
  Answer<const Node*> node_of(Turn& turn, Answer<std::string_view> given);
  [[nodiscard]] View view_of(const Turn& turn) const;
  Answer<void> look_at(Turn& turn, std::string_view path) const;
  std::unexpected<Refusal> refused(Turn& turn, std::string_view path, Refusal refusal) const;
  Payload carry_out(Turn& turn, const std::string& path, Answer<Edit> edit);

  // Watches and transactions (requests_sessions.cc)
  Payload watch(Turn& turn);
  Payload unwatch(Turn& turn);
  Payload reset_watches(Turn& turn);
  Payload transaction_start(Turn& turn);
  Payload transaction_end(Turn& turn);
  Payload commit(Turn& turn, const Transaction& transaction);
  void end_greedy_transactions();

  // Domains (requests_domains.cc)
  Payload introduce(Turn& turn);
  Payload release(Turn& turn);
  Payload resume(Turn& turn);
  Payload set_target(Turn& turn);
  Payload get_domain_path(Turn& turn);
  Payload is_domain_introduced(Turn& turn);
  Payload control(Turn& turn);
  void forget_domain(DomainId domain, Messages& out);

  void end_all_of(ConnectionId connection);
  void apply(const TreeChange& change);
  void tell(const NodeEvent& event, Messages& out) const;
  static void add_event(const Watch& watch, std::string_view path, Messages& out);
  void tell_special(Special special, DomainId domain, Messages& out) const;
  [[nodiscard]] const Permissions& special_permissions(Special special) const;
  void note(Change change);
  [[nodiscard]] bool outlives_process(ConnectionId connection) const { return connection < kFirstSocket; }

  // Restoring (restore.cc), one for each kind of change.
  bool take(const TreeChange& change);
  bool take(const SavedNode& node);
  bool take(const SavedGeneration& saved);
  bool take(const SpecialPermissions& special);
  bool take(const DomainIntroduced& introduced);
  bool take(const DomainForgotten& forgotten);
  bool take(const DomainTargeted& targeted);
  bool take(const DomainShutDown& shut_down);
  bool take(const WatchSet& set);
  bool take(const WatchGone& gone);
  bool take(const WatchesGone& gone);
  bool take(const TransactionOpened& opened);
  bool take(const TransactionClosed& closed);
  bool take(const RingStarted& started);
  bool take(const RingTaken& taken);
  bool take(const RingSaid& said);
  void start_streams(DomainId domain, const RingPlace& place);
  static void save_streams(DomainId domain, const Streams& streams, Changes& changes);

  Rings& rings_;
  Quota quota_;
  Served served_;
  bool keeps_changes_;
  Tree tree_;
  WatchTable watches_;
  std::unordered_map<ConnectionId, Connection> connections_;
  std::map<DomainId, Domain> domains_;  // introduced ones
  Permissions introduce_permissions_{{}};
  Permissions release_permissions_{{}};
  std::size_t zone_transactions_ = 0;  // open ones of unprivileged connections
  Changes changes_;
  std::vector<std::pair<std::string, std::uint64_t>> saved_generations_;  // while a saved tree is being restored
};

std::string_view name_of(Special special);  // "@introduceDomain"
// Which special node a path names, and of which domain ("@releaseDomain/5").
struct SpecialPath {
  Special special = Special::introduce_domain;
  std::optional<DomainId> domain;
};
std::optional<SpecialPath> special_path(std::string_view path);

}  // namespace krata::store
