// The coordinator's mind: takes hosts in, tells each what it may know, and remembers what they enforce. Knows no socket
// and no database but by ports.h. Single-threaded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/coordinator/copied_keys.h"
#include "krait/coordinator/ports.h"
#include "krait/fleet/network.h"

namespace krait::coordinator {

using SessionId = std::uint64_t;

// What became of a change, as far as hosts that are online are concerned by it.
struct Spread {
  std::uint64_t revision = 0;
  std::size_t concerned = 0;                                   // hosts online
  std::size_t enforcing = 0;                                   // of them
  std::int64_t last_us = 0;                                    // from the commit to the last one's word
  std::vector<std::pair<std::string, std::string>> failing{};  // the others: host, why
};

struct HostState {
  bool online = false;
  std::uint64_t enforced = 0;  // the last revision that it said it enforces; 0: it has said nothing yet
  std::uint64_t sent = 0;      // 0: nothing yet
  bool behind = false;         // there is something newer than was sent
  std::string failure{};
  std::int64_t since_s = 0;                    // online, Unix time
  std::optional<CopiedKeys::Places> copied{};  // two machines have its key
};

struct Counters {
  std::uint64_t joins = 0;
  std::uint64_t refusals = 0;
  std::uint64_t states_sent = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t snapshots_sent = 0;
  std::uint64_t commits = 0;
};

class Service {
 public:
  using Make = std::function<common::Result<std::vector<fleet::Row>>(const fleet::Network&)>;
  using OnSpread = std::function<void(const Spread&)>;
  using WaitId = std::uint64_t;
  using Complain = std::function<void(const std::string&)>;

  // Both outlive it.
  Service(Ledger& ledger, const Clock& clock) : ledger_(ledger), clock_(clock) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Told of what an administrator has to do something about.
  void set_complain(Complain complain) { complain_ = std::move(complain); }

  // Reads the network; before anything else.
  common::Result<void> load();

  // A host's connection, whose key is this; `from`: where it calls from.
  SessionId on_connected(Peer& peer, const fleet::LinkKey& key, std::optional<common::Ip> from);
  void on_message(SessionId id, wire::Message& message);
  void on_drained(SessionId id);
  void on_gone(SessionId id);
  // Ends connections that have not said for too long which host they are, or joined. How many may yet.
  std::size_t end_strangers();

  // The answer to a hello.
  [[nodiscard]] wire::Welcome welcome(std::uint32_t version, bool known) const;

  // Makes a revision of what `make` gives for the network as it is, anew where another coordinator came first; then
  // everybody concerned is told.
  common::Result<std::uint64_t> change(const std::string& who, const std::string& what, const Make& make);
  // Another coordinator has committed, or the database has gone back.
  common::Result<void> catch_up();
  // Has these hosts go over to another WireGuard key, as wire::RotateKey says; an empty list: all. How many were told.
  std::size_t rotate_keys(const std::set<std::string>& hosts, bool go);
  // Tells everybody who has the newest state that it is: their leases begin anew. What another coordinator may have
  // committed is known by then (catch_up()).
  void confirm_leases();
  // Calls back once every host that is online and concerned by the last change enforces it, or has gone; and everybody
  // who has come meanwhile without the newest state.
  WaitId wait(OnSpread done);
  // What has come of it so far; the waiting ends.
  Spread give_up(WaitId id);

  [[nodiscard]] const fleet::Network& network() const { return *network_; }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  [[nodiscard]] HostState state_of(const fleet::Host& host) const;
  [[nodiscard]] std::size_t online() const { return session_of_host_.size(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Pending {  // a host that joins
    fleet::Applicant applicant;
    std::optional<fleet::Offer> offer;
  };
  struct Session {
    Peer* peer = nullptr;
    fleet::LinkKey key{};
    std::optional<common::Ip> from;
    std::uint64_t host = 0;  // 0: the key is no host's
    bool greeted = false;
    bool watching = false;
    bool behind = false;  // there is a newer state than was sent
    bool ending = false;
    std::uint64_t sent = 0;               // revision
    fleet::Telling held;                  // what was sent last
    std::vector<std::string> identities;  // by which it is found; of those that watch
    std::uint64_t enforced = 0;
    std::string failure;
    std::int64_t since_s = 0;
    std::unique_ptr<Pending> pending;
  };
  // The messages of one state.
  struct Frames {
    std::vector<wire::Frame> frames;
    std::size_t state_bytes = 0;
  };
  // A difference that many are sent; while some of them have it still to send, it is there for the others.
  struct Difference {
    std::weak_ptr<const trust::Told> then;
    std::weak_ptr<const trust::Told> now;
    std::vector<std::weak_ptr<const std::string>> frames;
    std::size_t state_bytes = 0;
  };
  using DifferenceKey = std::tuple<const trust::Told*, const trust::Told*, std::uint64_t>;  // then, now, base

  // What a host asked for within a minute.
  struct Budget {
    std::int64_t begun_us = 0;
    unsigned changes = 0;  // of endpoints and keys
    unsigned states = 0;   // whole ones
  };

  // What a host held when its connection ended.
  struct Left {
    fleet::Telling held;
    std::uint64_t sent = 0;
  };

  struct Wait {
    Spread spread;
    std::set<SessionId> open;
    std::int64_t begun_us = 0;
    OnSpread done;
  };

  void on(SessionId id, Session& session, wire::Hello& hello);
  void on(SessionId id, Session& session, wire::Join& join);
  void on(SessionId id, Session& session, wire::Seal& seal);
  void on(SessionId id, Session& session, wire::Watch& watch);
  void on(SessionId id, Session& session, wire::Enforced& enforced);
  void on(SessionId id, Session& session, wire::Here& here);
  void on(SessionId id, Session& session, wire::KeyChange& change);
  void on(SessionId id, Session& session, wire::Leave& leave);
  template <typename Other>
  void on(SessionId id, Session& session, Other& other);

  bool may_say_more(Session& session);
  bool may_once_more(Session& session, unsigned Budget::* what, const char* why_not);
  void refuse(Session& session, wire::RefusalCode code, std::string text);
  void refuse(Session& session, const common::Error& error);
  void end_stranger(SessionId id);
  bool may_take_over(Session& session, const fleet::Host& host);
  void bind(SessionId id, Session& session, std::uint64_t host);
  void say_joined(Session& session, const fleet::Host& host);
  void push(Session& session);
  void send_state(Session& session, const fleet::Telling& telling, bool whole);
  Frames frames_for(const Session& session, const fleet::Telling& telling, bool whole);
  [[nodiscard]] Frames frames_of(const trust::Bytes& bytes, std::uint64_t base) const;
  common::Result<void> start_over();
  void expect(SessionId id, const std::string& host);
  void spread(const fleet::Concerned& concerned, std::int64_t begun_us);
  [[nodiscard]] std::set<SessionId> sessions_of(const fleet::Concerned& concerned);
  void look_for_struck_off(const fleet::Concerned& concerned);
  void list(SessionId id, Session& session);
  void unlist(SessionId id, Session& session);
  void remember(Session& session);
  bool recognise(Session& session, const wire::Watch& watch, const fleet::Telling& telling);
  [[nodiscard]] static bool has_all(const Session& session);
  void settle(SessionId id, bool enforcing, const std::string& why);
  [[nodiscard]] std::vector<fleet::Offer> reserved() const;

  Ledger& ledger_;
  const Clock& clock_;
  std::unique_ptr<fleet::Network> network_ = std::make_unique<fleet::Network>();
  std::uint64_t revision_ = 0;
  std::map<SessionId, Session> sessions_;
  std::map<std::uint64_t, SessionId> session_of_host_;
  std::map<std::string, std::set<SessionId>, std::less<>> watching_;  // by identity
  std::map<std::uint64_t, Left> left_;                                // by host, of those that may come back to it
  std::map<std::uint64_t, Budget> budgets_;                           // by host
  CopiedKeys copied_keys_;
  Complain complain_;
  std::set<SessionId> joining_;
  std::map<SessionId, std::int64_t> strangers_;      // who is no host yet, and since when (steady)
  std::map<DifferenceKey, Difference> differences_;  // made since the last change
  SessionId next_session_ = 1;
  Wait last_;  // how far the last change has come, without anybody who waits
  std::map<WaitId, Wait> waits_;
  WaitId next_wait_ = 1;
  Counters counters_;
};

}  // namespace krait::coordinator
