// The coordinator's service and the links' cores, the real ones, with a network between them that delays, breaks and
// reorders, agents that refuse, a store that others commit to, and restarts of everything; by seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "krait/coordinator/simulated_ports.h"
#include "krait/fleet/rows.h"
#include "krait/fleet/test_author.h"
#include "krait/link/core.h"

namespace krait::coordinator {
namespace {

using common::Error;
using common::ErrorCode;
using common::Result;
using fleet::Row;

struct SimulatedHost final : link::Surroundings {
  void send(const wire::Message& message) override {
    if (wire != nullptr) {
      wire->to_coordinator.push_back(wire::encode(message));
    }
  }
  Result<void> keep(const trust::State& state) override {
    disk = fleet::string_of(trust::encode_state(state));
    return {};
  }
  Result<void> hand_over() override {
    if (agent_refuses) {
      return Error(ErrorCode::unavailable, "no agent");
    }
    if (agent != disk) {
      agent = disk;
      taken.push_back(agent);
    }
    return {};
  }
  Result<void> confirm() override {
    if (agent_refuses) {
      return Error(ErrorCode::unavailable, "no agent");
    }
    ++confirmed;
    return {};
  }
  Result<OwnKeys> prepare_key() override {
    if (agent_refuses) {
      return Error(ErrorCode::unavailable, "no agent");
    }
    return OwnKeys{wireguard_key, next_key};
  }
  Result<void> rotate_key() override {
    wireguard_key = next_key;
    ++next_key[31];
    return {};
  }
  Result<trust::Signed<trust::KeyChange>> sign(trust::KeyChange change) override {
    return trust::sign(std::move(change), fleet::TestAuthor::signing_key(signing_number));
  }
  Result<SeenPeers> seen_peers() override { return sees; }
  void complain(const std::string& what) override { complaints.push_back(what); }
  void give_up(const std::string& /*why*/, bool /*for_good*/) override { gives_up = true; }

  std::string name;
  fleet::LinkKey key{};
  std::unique_ptr<link::Core> core;
  link::Where where;
  std::unique_ptr<Wire> wire;
  std::string disk;
  std::string agent;
  std::vector<std::string> taken;
  int confirmed = 0;
  model::PublicKey wireguard_key{};
  model::PublicKey next_key{};
  std::uint8_t signing_number = 0;
  std::vector<std::string> complaints;
  SeenPeers sees;
  bool agent_refuses = false;
  bool gives_up = false;
  bool removed = false;
};

class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed) {
    ledger_.log.push_back(author_.found("10.90.0.0/24"));
    restart_coordinator();
    change([&](const fleet::Network& network) { return author_.apply(network, "web db office", "web db"); });
    for (std::uint8_t number = 1; number <= 6; ++number) {
      add_host(number);
    }
  }

  void step() {
    clock_.now_us += 100;
    SimulatedHost& host = hosts_[pick(hosts_.size())];
    switch (pick(24)) {
      case 0:
        return apply_some_policy();
      case 1:
        return drop(host);
      case 2:
        host.agent_refuses = !host.agent_refuses;
        host.core->try_again();
        return;
      case 3:
        return restart_link(host);
      case 4:
        if (pick(6) == 0) {
          restart_coordinator();
        }
        return;
      case 5:
        return move_some_host();
      case 6:
        if (pick(4) == 0) {
          ledger_.fails = 1;
        }
        return;
      case 7:
        return commit_behind_its_back();
      case 8:
        if (pick(12) == 0 && !host.removed) {
          remove(host);
        }
        return;
      default:
        deliver(host);
    }
  }

  // Nothing breaks any more, and everything that is on its way arrives.
  void settle() {
    ledger_.fails = 0;
    ASSERT_TRUE(service_->catch_up());
    for (SimulatedHost& host : hosts_) {
      host.agent_refuses = false;
      host.core->try_again();
    }
    for (int round = 0; round < 400; ++round) {
      for (SimulatedHost& host : hosts_) {
        deliver(host);
      }
    }
  }

  // Two orders, and every host has the key that it announced, as its peers see it too.
  void check_rotation() {
    for (SimulatedHost& host : hosts_) {
      host.agent_refuses = false;
    }
    std::map<std::string, model::PublicKey> wanted;
    service_->rotate_keys({}, false);
    exchange();
    for (const SimulatedHost& host : hosts_) {
      if (!host.removed) {
        wanted[host.name] = host.next_key;
        const auto announced = service_->network().trusted().key_changes.find(host.name);
        ASSERT_NE(announced, service_->network().trusted().key_changes.end()) << host.name;
        EXPECT_EQ(announced->second.value.next_key, host.next_key) << host.name;
        EXPECT_EQ(announced->second.value.key, host.wireguard_key) << host.name;
      }
    }
    service_->rotate_keys({}, false);  // once more: nothing is announced twice
    exchange();
    service_->rotate_keys({}, true);
    exchange();
    for (const SimulatedHost& host : hosts_) {
      if (!host.removed) {
        const trust::KeyChange& change = service_->network().trusted().key_changes.at(host.name).value;
        EXPECT_EQ(change.key, wanted[host.name]) << host.name;
        EXPECT_EQ(host.wireguard_key, wanted[host.name]) << host.name;
        EXPECT_FALSE(change.next_key) << host.name;
        EXPECT_TRUE(host.complaints.empty()) << host.complaints.front();
      }
    }
    service_->rotate_keys({}, true);  // nothing is announced: nobody goes over
    exchange();
    EXPECT_EQ(hosts_.front().wireguard_key, hosts_.front().removed ? hosts_.front().wireguard_key : wanted["host1"]);
  }
  void exchange() {
    for (int round = 0; round < 60; ++round) {
      for (SimulatedHost& host : hosts_) {
        deliver(host);
      }
    }
  }

  // Leases: whoever is connected is told, nobody else.
  void check_leases() {
    std::vector<int> before;
    before.reserve(hosts_.size());
    hosts_.front().agent_refuses = true;  // it hears of it, and the agent only once it is back
    drop(hosts_.back());
    for (const SimulatedHost& host : hosts_) {
      before.push_back(host.confirmed);
    }
    service_->confirm_leases();
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = 0; i + 1 < hosts_.size(); ++i) {
        deliver(hosts_[i]);
      }
    }
    for (std::size_t i = 1; i + 1 < hosts_.size(); ++i) {
      EXPECT_EQ(hosts_[i].confirmed, before[i] + (hosts_[i].removed ? 0 : 1)) << hosts_[i].name;
    }
    EXPECT_EQ(hosts_.back().confirmed, before.back());
    EXPECT_EQ(hosts_.front().confirmed, before.front());
    hosts_.front().agent_refuses = false;
    hosts_.front().core->try_again();
    EXPECT_EQ(hosts_.front().confirmed, before.front() + (hosts_.front().removed ? 0 : 1));
    // What was heard on a connection that has gone meanwhile does not count later on.
    hosts_.front().agent_refuses = true;
    service_->confirm_leases();
    deliver(hosts_.front());
    hosts_.front().core->on_lost();
    hosts_.front().agent_refuses = false;
    hosts_.front().core->try_again();
    EXPECT_EQ(hosts_.front().confirmed, before.front() + (hosts_.front().removed ? 0 : 1));
  }

  void check_settled() {
    for (const SimulatedHost& host : hosts_) {
      const fleet::Host* known = service_->network().find_host(host.name);
      ASSERT_EQ(known == nullptr, host.removed);
      if (host.removed) {
        continue;
      }
      EXPECT_EQ(content_of(host.name, host.agent), state_of(*known)) << host.name;
      const HostState state = service_->state_of(*known);
      EXPECT_TRUE(state.online) << host.name;
      EXPECT_EQ(state.enforced, state.sent) << host.name;
    }
  }

  // Nobody was ever handed anything that was not its whole state at some revision, nor older than what it had.
  void check_history() {
    for (const SimulatedHost& host : hosts_) {
      std::size_t at = 0;
      for (const std::string& state : host.taken) {
        const auto& history = history_[host.name];
        const auto found =
            std::find(history.begin() + static_cast<std::ptrdiff_t>(at), history.end(), content_of(host.name, state));
        ASSERT_TRUE(found != history.end()) << host.name << ": a state of no revision, or one that went back";
        at = static_cast<std::size_t>(found - history.begin());
      }
    }
  }

  [[nodiscard]] std::size_t states_taken() const {
    std::size_t all = 0;
    for (const SimulatedHost& host : hosts_) {
      all += host.taken.size();
    }
    return all;
  }

 private:
  std::size_t pick(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }

  std::string state_of(const fleet::Host& host) {
    const fleet::Telling telling = service_->network().telling_for(host);
    return content_of(host.name, fleet::string_of(trust::encode_view(telling.view())));
  }

  // What an agent makes of a state, as text. Whom a change does not concern goes on with an older root, which shows the
  // same.
  std::string content_of(const std::string& name, const std::string& bytes) {
    const auto state = trust::parse_state(fleet::view_of(bytes));
    if (!state) {
      return "none";
    }
    const trust::Anchor anchor{.list = service_->network().trusted().lists.front()};
    const auto verified = trust::verify_state(*state, anchor, {.name = name});
    EXPECT_TRUE(verified) << name << ": " << verified.error().text();
    if (!verified) {
      return "refused";
    }
    std::string text = verified->self.binding.identity + " " + model::key_text(verified->self.binding.key) + ":";
    for (const trust::KnownHost& peer : verified->peers) {
      text += " " + peer.binding.name + "/" + model::key_text(peer.binding.key) + "/" + peer.binding.identity + "/" +
              (peer.endpoint ? peer.endpoint->text() : "-");
    }
    for (const trust::KnownRule& rule : verified->rules) {
      for (const auto& [from, to] : rule.pairs) {
        text.append(" ").append(from).append(">").append(to);
      }
    }
    return text;
  }

  void note_history() {
    for (const auto& [number, host] : service_->network().hosts()) {
      history_[host.name].push_back(state_of(host));
    }
  }

  void change(const Service::Make& make) {
    if (service_->change("alice", "change", make)) {
      note_history();
    }
  }

  void restart_coordinator() {
    for (SimulatedHost& host : hosts_) {
      host.wire.reset();
    }
    service_ = std::make_unique<Service>(ledger_, clock_);
    ASSERT_TRUE(service_->load());
  }

  void add_host(std::uint8_t number) {
    const std::string name = "host" + std::to_string(number);
    const std::array<const char*, 3> identities{"web", "db", "office"};
    change([&](const fleet::Network& network) {
      return network.add_token(author_.token(identities[number % 3], number));
    });
    change([&](const fleet::Network& network) -> Result<std::vector<Row>> {
      const auto applicant = author_.applicant(name, number);
      KRAIT_TRY(const auto offer, network.offer(applicant, {}, fleet::kNow));
      return network.enrol(offer, applicant, author_.seal(offer, number), fleet::kNow);
    });
    ASSERT_NE(service_->network().find_host(name), nullptr);
    SimulatedHost& host = hosts_.emplace_back();
    host.name = name;
    host.key = author_.applicant(name, number).link_key;
    host.core = std::make_unique<link::Core>(host);
    host.where = {name, {"192.0.2." + std::to_string(number) + ":51820"}, 51820};
    host.wireguard_key = author_.applicant(name, number).key;
    host.next_key = host.wireguard_key;
    host.next_key[0] = 0xff;
    host.signing_number = static_cast<std::uint8_t>(number + 100);
    host.core->set_where(host.where);
  }

  void apply_some_policy() {
    const std::array<const char*, 5> allowed{"web db", "db web", "office db", "web web", "office office"};
    change([&](const fleet::Network& network) {
      return author_.apply(network, "web db office", allowed[pick(allowed.size())]);
    });
  }

  void move_some_host() {
    const SimulatedHost& host = hosts_[pick(hosts_.size())];
    const std::array<const char*, 3> identities{"web", "db", "office"};
    change([&](const fleet::Network& network) -> Result<std::vector<Row>> {
      const trust::HostBinding* bound = network.binding(host.name);
      if (bound == nullptr) {
        return Error(ErrorCode::not_found, "removed");
      }
      trust::HostBinding moved = *bound;
      moved.identity = identities[pick(3)];
      const fleet::HostsEdit edit{.put = {moved}};
      return network.edit_hosts(edit, author_.statement(network, edit), fleet::kNow);
    });
  }

  void remove(SimulatedHost& host) {
    change([&](const fleet::Network& network) { return author_.remove(network, host.name, fleet::kNow); });
    host.removed = service_->network().find_host(host.name) == nullptr;
  }

  // Another coordinator's commit, of which this one hears now or with its own next one.
  void commit_behind_its_back() {
    Service other(ledger_, clock_);
    ASSERT_TRUE(other.load());
    const bool done =
        other
            .change("bob", "change",
                    [&](const fleet::Network& network) {
                      return author_.apply(network, "web db office", pick(2) == 0 ? "web db" : "db office");
                    })
            .has_value();
    if (done) {
      ASSERT_TRUE(service_->catch_up());
      note_history();
    }
  }

  void drop(SimulatedHost& host) {
    if (host.wire != nullptr) {
      service_->on_gone(host.wire->session);
      host.wire.reset();
    }
  }

  void restart_link(SimulatedHost& host) {
    drop(host);
    host.core = std::make_unique<link::Core>(host);
    host.core->set_where(host.where);
    if (!host.disk.empty()) {
      host.core->remember(host.disk);
    }
  }

  // One message each way, or a new connection.
  void deliver(SimulatedHost& host) {
    if (host.gives_up || (host.wire != nullptr && host.wire->finishing && host.wire->to_host.empty())) {
      host.gives_up = false;
      drop(host);
    }
    if (host.wire == nullptr) {
      host.wire = std::make_unique<Wire>();
      host.wire->session = service_->on_connected(*host.wire, host.key, std::nullopt);
      host.core->on_open();
      return;
    }
    if (!host.wire->to_coordinator.empty()) {
      auto message = wire::decode(host.wire->to_coordinator.front());
      host.wire->to_coordinator.pop_front();
      ASSERT_TRUE(message);
      service_->on_message(host.wire->session, *message);
    }
    if (!host.wire->to_host.empty()) {
      auto message = wire::decode(host.wire->to_host.front());
      host.wire->to_host.pop_front();
      ASSERT_TRUE(message);
      host.core->on_message(*message);
      if (host.wire->to_host.empty() && !host.wire->finishing) {
        service_->on_drained(host.wire->session);
      }
    }
  }

  fleet::TestAuthor author_;
  SimulatedClock clock_;
  MemoryLedger ledger_;
  std::unique_ptr<Service> service_;
  std::deque<SimulatedHost> hosts_;
  std::map<std::string, std::vector<std::string>> history_;
  std::mt19937 random_;
};

TEST(Simulation, EndsWithEveryHostEnforcingItsNewestState) {
  std::size_t taken = 0;
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    World world(seed);
    for (int i = 0; i < 250; ++i) {
      world.step();
    }
    world.settle();
    world.check_settled();
    world.check_history();
    world.check_leases();
    world.settle();
    world.check_rotation();
    world.check_settled();
    taken += world.states_taken();
    if (HasFailure()) {
      return;
    }
  }
  EXPECT_GT(taken, 20U);  // something did happen
}

}  // namespace
}  // namespace krait::coordinator
