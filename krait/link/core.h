// The link's mind: what it says to the coordinator, and when the agent is asked to take a state. Knows no socket and no
// file but by Surroundings, so that tests and the fleet's benchmark run the very same. Single-threaded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krait/model/public_key.h"
#include "krait/trust/state.h"
#include "krait/wire/message.h"

namespace krait::link {

class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual void send(const wire::Message& message) = 0;
  // Lays a whole state where the agent looks for it; durable.
  virtual common::Result<void> keep(std::string_view whole) = 0;
  // Has the agent take what was laid there. Fails with what the agent says.
  virtual common::Result<void> hand_over() = 0;
  // Tells the agent that what it has is the newest.
  virtual common::Result<void> confirm() = 0;
  // WireGuard's public keys of this host: in force, and the one that waits, made where there is none.
  struct OwnKeys {
    model::PublicKey key{};
    model::PublicKey next{};
  };
  virtual common::Result<OwnKeys> prepare_key() = 0;
  // Has the agent go over to the key that waits.
  virtual common::Result<void> rotate_key() = 0;
  // Signs with the host's own key.
  virtual common::Result<trust::Signed<trust::KeyChange>> sign(trust::KeyChange change) = 0;
  // Where the agent sees peers that it has heard of just now: name and endpoint.
  using SeenPeers = std::map<std::string, std::string>;
  virtual common::Result<SeenPeers> seen_peers() = 0;
  virtual void complain(const std::string& what) = 0;
  // The connection is of no use any more. `for_good`: nor will another one be, before somebody has done something.
  virtual void give_up(const std::string& why, bool for_good) = 0;
};

// What the host says of itself: its name, and where it can be called.
struct Where {
  std::string name;
  std::vector<std::string> endpoints;
  std::uint16_t listen_port = 51820;
};

class Core {
 public:
  explicit Core(Surroundings& surroundings) : surroundings_(surroundings) {}

  // What was kept when the program ended last; before the first connection.
  void remember(std::string_view whole);
  void set_where(Where where) { where_ = std::move(where); }

  void on_open();
  void on_message(wire::Message& message);
  // The connection is gone: what was heard on it is not the newest for ever.
  void on_lost() { confirmed_ = true; }
  // Tells of peers behind NAT, who do not know themselves where they can be called; once in a while.
  void look_at_peers();
  [[nodiscard]] bool has_peers_to_look_at() const { return unknown_peers_ || !said_.empty(); }
  // Asks the agent again where it could not be asked, or refused.
  void try_again();

  // The agent enforces what the coordinator sent last.
  [[nodiscard]] bool is_settled() const { return failure_.empty(); }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }  // of what is held; 0: of a former connection
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] bool holds_some() const { return held_.has_value(); }

 private:
  void on(wire::Welcome& welcome);
  void on(wire::State& state);
  void on(wire::Confirmed& confirmed);
  void on(wire::Refused& refused);
  void on(wire::RotateKey& order);
  template <typename Other>
  void on(Other& /*other*/) {}  // a newer version's

  void take(std::uint64_t base, std::uint64_t revision);
  void hand_over();
  common::Result<void> try_hand_over();
  void report();
  [[nodiscard]] std::set<std::string> peers_without_endpoint() const;

  using OwnKeys = Surroundings::OwnKeys;
  // What the network knows of this host's keys.
  struct Announced {
    std::uint64_t serial = 0;
    std::optional<model::PublicKey> next;
  };
  [[nodiscard]] std::optional<Announced> announced() const;
  common::Result<void> announce_key(const Announced& known);
  common::Result<void> go_over(const Announced& known);
  common::Result<void> say_keys(std::uint64_t serial, const OwnKeys& keys, bool next);

  Surroundings& surroundings_;
  Where where_;
  std::optional<trust::State> held_;
  std::string digest_;          // of the whole state's bytes
  std::uint64_t revision_ = 0;  // that the coordinator gave it
  std::string incoming_;        // parts of a state that has not come to its end
  bool confirmed_ = true;       // the agent knows that what is held was the newest when the coordinator said so
  bool unknown_peers_ = false;  // nobody has said where some peer is
  std::map<std::string, std::string> said_;  // of peers, over this connection
  std::string failure_;                      // why the agent does not enforce what is held; empty: it does
};

}  // namespace krait::link
