// The coordinator's service and the links' cores, the real ones, with a network between them that delays, breaks and
// reorders, agents that refuse, a store that others commit to, and restarts of everything; by seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "krait/coordinator/service.h"
#include "krait/fleet/rows.h"
#include "krait/fleet/test_author.h"
#include "krait/link/core.h"

namespace krait::coordinator {
namespace {

using common::Error;
using common::ErrorCode;
using common::Result;
using fleet::Row;

struct SimulatedClock final : Clock {
  [[nodiscard]] std::int64_t unix_s() const override { return fleet::kNow; }
  [[nodiscard]] std::int64_t steady_us() const override { return now_us; }
  std::int64_t now_us = 0;
};

// What outlives a coordinator.
struct MemoryLedger final : Ledger {
  Result<std::optional<std::uint64_t>> commit(const Commit& commit) override {
    if (commit.base != log.size()) {
      return std::optional<std::uint64_t>();
    }
    if (fails > 0) {
      --fails;
      return Error(ErrorCode::limit, "the disk is full");
    }
    log.push_back(commit.rows);
    return std::optional(static_cast<std::uint64_t>(log.size()));
  }
  // As a store does: of a row only the last value is left.
  Result<std::uint64_t> read_since(std::uint64_t revision, std::vector<Row>& rows) override {
    std::map<std::pair<fleet::Kind, std::string>, std::pair<std::uint64_t, Row>> last;
    for (std::uint64_t i = 0; i < log.size(); ++i) {
      for (const Row& row : log[i]) {
        last[{row.kind, row.key}] = {i + 1, row};
      }
    }
    std::multimap<std::uint64_t, Row> sorted;
    for (const auto& [key, entry] : last) {
      if (entry.first > revision && (revision != 0 || entry.second.value)) {
        sorted.insert(entry);
      }
    }
    for (auto& [number, row] : sorted) {
      rows.push_back(std::move(row));
    }
    return static_cast<std::uint64_t>(log.size());
  }
  std::vector<std::vector<Row>> log;
  int fails = 0;
};

class World;

// One connection: two queues of messages, each of which keeps its order.
struct Wire final : Peer {
  void send(const wire::Message& message) override { to_host.push_back(wire::encode(message)); }
  void send(const wire::Frame& frame) override {
    to_host.push_back(frame->substr(4));
    frames.push_back(frame);
  }
  void finish() override { finishing = true; }
  [[nodiscard]] bool idle() const override { return to_host.empty(); }
  std::deque<std::string> to_host;
  std::vector<wire::Frame> frames;  // that others may have been sent too
  std::deque<std::string> to_coordinator;
  bool finishing = false;
  SessionId session = 0;
};

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
        text += " " + from + ">" + to;
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

// A coordinator with hosts whose connections are plain queues.
class Hosts : public ::testing::Test {
 protected:
  struct Host {
    std::string name;
    Wire wire;
    SessionId session = 0;
  };

  void SetUp() override {
    ledger.log.push_back(author.found("10.90.0.0/24"));
    ASSERT_TRUE(service.load());
    apply("web db");
  }

  void apply(const std::string& allowed) {
    ASSERT_TRUE(service.change("alice", "apply", [&](const fleet::Network& network) {
      return author.apply(network, "web db office", allowed);
    }));
  }

  // One that has joined, and watches.
  Host& add(const std::string& identity, std::uint8_t number) {
    Host& host = hosts.emplace_back();
    host.name = identity + std::to_string(number);
    EXPECT_TRUE(service.change("alice", "token", [&](const fleet::Network& network) {
      return network.add_token(author.token(identity, number));
    }));
    const auto applicant = fleet::TestAuthor::applicant(host.name, number);
    EXPECT_TRUE(service.change("token", "joins", [&](const fleet::Network& network) -> Result<std::vector<Row>> {
      KRAIT_TRY(const auto offer, network.offer(applicant, {}, fleet::kNow));
      return network.enrol(offer, applicant, fleet::TestAuthor::seal(offer, number), fleet::kNow);
    }));
    host.session = service.on_connected(host.wire, applicant.link_key, std::nullopt);
    say(host, wire::Hello{});
    say(host, wire::Watch{});
    return host;
  }

  void say(Host& host, wire::Message message) { service.on_message(host.session, message); }

  // Reads all that waits, and says that it is enforced; the states among it.
  std::vector<wire::State> read(Host& host) {
    std::vector<wire::State> states;
    while (!host.wire.to_host.empty()) {
      const auto message = wire::decode(host.wire.to_host.front());
      host.wire.to_host.pop_front();
      if (const auto* state = std::get_if<wire::State>(&*message)) {
        states.push_back(*state);
        say(host, wire::Enforced{state->revision, ""});
      }
      if (host.wire.to_host.empty()) {
        service.on_drained(host.session);
      }
    }
    return states;
  }

  fleet::TestAuthor author;
  SimulatedClock clock;
  MemoryLedger ledger;
  Service service{ledger, clock};
  std::deque<Host> hosts;
};

// Nothing piles up for who does not read, and nobody waits for it.
TEST_F(Hosts, AreToldTheNewestStateAloneWhereTheyAreSlow) {
  Host& slow = add("web", 1);
  Host& quick = add("db", 2);
  read(slow);
  read(quick);
  apply("db web");
  const std::size_t waits = slow.wire.to_host.size();
  std::size_t told = read(quick).size();
  for (int i = 0; i < 50; ++i) {
    apply(i % 2 == 0 ? "web db" : "db web");
    told += read(quick).size();
    EXPECT_EQ(slow.wire.to_host.size(), waits);
  }
  EXPECT_EQ(told, 51U);
  Spread spread;
  bool done = false;
  const auto id = service.wait([&](const Spread& all) {
    spread = all;
    done = true;
  });
  EXPECT_FALSE(done);
  const Spread meanwhile = service.give_up(id);
  EXPECT_EQ(meanwhile.enforcing + meanwhile.failing.size(), meanwhile.concerned);
  ASSERT_EQ(meanwhile.failing.size(), 1U);
  EXPECT_EQ(meanwhile.failing.front().first, slow.name);
  const auto states = read(slow);
  ASSERT_EQ(states.size(), 2U);  // the one that waited, and the newest
  EXPECT_EQ(states.back().base, states.front().revision);
  EXPECT_EQ(states.back().revision, service.revision());
}

// A host that was another coordinator's when the change was made.
TEST_F(Hosts, AreWaitedForWhereTheyComeMeanwhile) {
  Host& here = add("web", 1);
  Host& comes = add("db", 2);
  read(here);
  read(comes);
  service.on_gone(comes.session);
  comes.wire.to_host.clear();
  apply("db web");
  Spread spread;
  bool done = false;
  service.wait([&](const Spread& all) {
    spread = all;
    done = true;
  });
  comes.session = service.on_connected(comes.wire, fleet::TestAuthor::applicant(comes.name, 2).link_key, std::nullopt);
  say(comes, wire::Hello{});
  say(comes, wire::Watch{});
  read(here);
  EXPECT_FALSE(done);
  read(comes);
  EXPECT_TRUE(done);
  EXPECT_EQ(spread.concerned, 2U);
  EXPECT_EQ(spread.enforcing, 2U);
  EXPECT_TRUE(spread.failing.empty());
}

// Whoever does not enforce a change yet is waited for after the next one too, though that does not concern it.
TEST_F(Hosts, AreWaitedForUntilTheyEnforceTheChangeBefore) {
  Host& web = add("web", 1);
  Host& db = add("db", 2);
  read(web);
  read(db);
  apply("db web");
  apply("db web");
  Spread spread;
  const Service::WaitId early = service.wait([](const Spread&) {});
  spread = service.give_up(early);
  EXPECT_EQ(spread.enforcing, 0U);
  EXPECT_EQ(spread.failing.size(), 2U);
  bool done = false;
  service.wait([&](const Spread& all) {
    spread = all;
    done = true;
  });
  read(web);
  EXPECT_FALSE(done);
  read(db);
  EXPECT_TRUE(done);
  EXPECT_EQ(spread.concerned, 2U);
  EXPECT_EQ(spread.enforcing, 2U);
}

// A store that was put back: everybody calls again, and is told what it holds; changes go on from there.
TEST_F(Hosts, CallAgainWhereTheStoreHasGoneBack) {
  Host& host = add("web", 1);
  read(host);
  const std::uint64_t before = service.revision();
  apply("db web");
  read(host);
  ledger.log.pop_back();
  ASSERT_TRUE(service.catch_up());
  EXPECT_EQ(service.revision(), before);
  EXPECT_TRUE(host.wire.finishing);
  EXPECT_EQ(std::get<wire::Refused>(*wire::decode(host.wire.to_host.back())).code, wire::RefusalCode::later);
  service.on_gone(host.session);
  host.wire.to_host.clear();
  host.session = service.on_connected(host.wire, fleet::TestAuthor::applicant(host.name, 1).link_key, std::nullopt);
  say(host, wire::Hello{});
  say(host, wire::Watch{.holds = before + 1, .digest = std::string(32, 'x')});
  const auto states = read(host);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states.front().base, 0U);
  EXPECT_EQ(states.front().revision, before);
  apply("db web");
  EXPECT_EQ(service.revision(), before + 1);
  EXPECT_EQ(read(host).size(), 1U);
}

// A whole state is sent to whoever holds something else than it was told here last.
TEST_F(Hosts, AreToldWhatHasChangedWhileTheyWereAway) {
  Host& host = add("web", 1);
  const auto first = read(host);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first.front().base, 0U);
  const wire::KeyHash hash = wire::hash_of(first.front().bytes);
  const std::string digest(hash.begin(), hash.end());
  const auto call_again = [&](std::uint64_t holds, const std::string& what) {
    service.on_gone(host.session);
    host.wire.to_host.clear();
    host.session = service.on_connected(host.wire, fleet::TestAuthor::applicant(host.name, 1).link_key, std::nullopt);
    say(host, wire::Hello{});
    say(host, wire::Watch{.holds = holds, .digest = what});
    return *wire::decode(host.wire.to_host.back());
  };
  EXPECT_TRUE(std::holds_alternative<wire::Confirmed>(call_again(first.front().revision, digest)));
  service.on_gone(host.session);
  apply("db web");
  host.session = service.on_connected(host.wire, fleet::TestAuthor::applicant(host.name, 1).link_key, std::nullopt);
  const auto difference = std::get<wire::State>(call_again(service.revision() - 1, digest));
  EXPECT_EQ(difference.base, service.revision() - 1);
  EXPECT_LT(difference.bytes.size(), first.front().bytes.size());
  EXPECT_EQ(std::get<wire::State>(call_again(service.revision(), digest)).base, 0U);  // it lost what it was sent since
}

// Of all who have the same identities each gets the very bytes, which were made once.
TEST_F(Hosts, WithTheSameIdentitiesAreSentTheSameFrame) {
  Host& one = add("web", 1);
  Host& other = add("web", 2);
  Host& third = add("db", 3);
  for (Host* host : {&one, &other, &third}) {
    read(*host);
  }
  apply("db web");
  for (Host* host : {&one, &other, &third}) {  // none of them has been told at another revision than the others
    read(*host);
  }
  apply("web db");
  ASSERT_EQ(one.wire.to_host.size(), 1U);
  EXPECT_EQ(one.wire.frames.back(), other.wire.frames.back());
  EXPECT_NE(one.wire.frames.back(), third.wire.frames.back());
}

// A service whose network was just founded.
struct Founded {
  Founded() {
    ledger.log.push_back(author.found());
    EXPECT_TRUE(service.load());
  }

  void add_web1() {
    const auto change = [&](const Service::Make& make) { ASSERT_TRUE(service.change("alice", "change", make)); };
    change([&](const fleet::Network& network) { return author.apply(network, "web db", "web db"); });
    change([&](const fleet::Network& network) { return network.add_token(author.token("web", 1)); });
    change([&](const fleet::Network& network) -> Result<std::vector<Row>> {
      KRAIT_TRY(const auto offer, network.offer(author.applicant("web1", 1), {}, fleet::kNow));
      return network.enrol(offer, author.applicant("web1", 1), author.seal(offer, 1), fleet::kNow);
    });
  }

  fleet::TestAuthor author;
  SimulatedClock clock;
  MemoryLedger ledger;
  Service service{ledger, clock};
};

// A host whose key was struck off is told so, and gets nothing.
TEST(Service, RefusesKeysThatItDoesNotKnow) {
  Founded founded;
  auto& [author, clock, ledger, service] = founded;
  Wire wire;
  const SessionId id = service.on_connected(wire, {}, std::nullopt);
  const auto say = [&](wire::Message message) {
    wire.to_host.clear();
    service.on_message(id, message);
    return wire.to_host.empty() ? wire::Message() : *wire::decode(wire.to_host.back());
  };
  EXPECT_FALSE(std::get<wire::Welcome>(say(wire::Hello{})).known);
  const auto refused = std::get<wire::Refused>(say(wire::Watch{}));
  EXPECT_EQ(refused.code, wire::RefusalCode::unknown_key);
  EXPECT_TRUE(wire.finishing);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(say(wire::Watch{})));  // it is not listened to any more
}

// Each change of a host's is a revision on disk that its peers are told of: nobody makes the others pay for one after
// the other.
TEST(Service, CutsOffAHostThatChangesAllTheTime) {
  Founded founded;
  auto& [author, clock, ledger, service] = founded;
  founded.add_web1();
  Wire wire;
  const SessionId id = service.on_connected(wire, author.applicant("web1", 1).link_key, std::nullopt);
  wire::Message hello = wire::Hello{};
  service.on_message(id, hello);
  const std::size_t before = ledger.log.size();
  for (int i = 0; i < 100; ++i) {
    wire::Message here =
        wire::Here{.endpoints = {"192.0.2.1:" + std::to_string(1000 + i)}, .listen_port = 51820, .seen = {}};
    service.on_message(id, here);
  }
  EXPECT_EQ(ledger.log.size() - before, 30U);
  EXPECT_TRUE(wire.finishing);
  // By another connection either.
  Wire again;
  const SessionId next = service.on_connected(again, author.applicant("web1", 1).link_key, std::nullopt);
  wire::Message once_more = wire::Hello{};
  service.on_message(next, once_more);
  once_more = wire::Here{.endpoints = {"192.0.2.1:7"}, .listen_port = 51820, .seen = {}};
  service.on_message(next, once_more);
  EXPECT_EQ(ledger.log.size() - before, 30U);
  clock.now_us += 61'000'000;
  service.on_gone(next);
  const SessionId later = service.on_connected(again, author.applicant("web1", 1).link_key, std::nullopt);
  for (wire::Message said :
       {wire::Message(wire::Hello{}),
        wire::Message(wire::Here{.endpoints = {"192.0.2.1:7"}, .listen_port = 51820, .seen = {}})}) {
    service.on_message(later, said);
  }
  EXPECT_EQ(ledger.log.size() - before, 31U);
  const auto refused = wire::decode(wire.to_host.back());
  EXPECT_EQ(std::get<wire::Refused>(*refused).code, wire::RefusalCode::later);
}

// Whoever has a key, and that is anybody, may not stay without saying which host they are.
TEST(Service, EndsStrangers) {
  Founded founded;
  auto& [author, clock, ledger, service] = founded;
  std::vector<Wire> wires(1026);
  const auto connect = [&](Wire& wire, std::uint8_t key) {
    fleet::LinkKey link{};
    link.fill(key);
    return service.on_connected(wire, link, std::nullopt);
  };
  for (Wire& wire : wires) {
    connect(wire, 7);
  }
  EXPECT_TRUE(wires[0].finishing);
  EXPECT_TRUE(wires[1].finishing);
  EXPECT_FALSE(wires[2].finishing);
  EXPECT_EQ(service.end_strangers(), 1024U);
  clock.now_us += 29'000'000;
  Wire late;
  const SessionId id = connect(late, 8);
  clock.now_us += 2'000'000;
  EXPECT_EQ(service.end_strangers(), 1U);
  EXPECT_TRUE(wires.back().finishing);
  EXPECT_FALSE(late.finishing);
  service.on_gone(id);
  EXPECT_EQ(service.end_strangers(), 0U);
}

// What a host says is shown on administrators' terminals.
TEST_F(Hosts, SayNothingThatATerminalObeys) {
  Host& host = add("web", 1);
  read(host);
  say(host, wire::Enforced{1, "\x1b[2Jno\nweb2  web  online"});
  const std::string failure = service.state_of(*service.network().find_host(host.name)).failure;
  EXPECT_NE(failure.find("no"), std::string::npos);
  EXPECT_TRUE(std::ranges::none_of(failure, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) << failure;
}

// Short messages with long answers are answered once a connection.
TEST(Service, IsAskedOnceForWhatIsLong) {
  Founded founded;
  auto& [author, clock, ledger, service] = founded;
  founded.add_web1();
  for (const wire::Message& message : {wire::Message(wire::Hello{}), wire::Message(wire::Watch{})}) {
    Wire wire;
    const SessionId id = service.on_connected(wire, author.applicant("web1", 1).link_key, std::nullopt);
    for (wire::Message said : {wire::Message(wire::Hello{}), wire::Message(wire::Watch{}), message, message}) {
      service.on_message(id, said);
    }
    ASSERT_EQ(wire.to_host.size(), 3U);
    const auto refused = wire::decode(wire.to_host.back());
    EXPECT_EQ(std::get<wire::Refused>(*refused).code, wire::RefusalCode::wrong);
    EXPECT_TRUE(wire.finishing);
    service.on_gone(id);
  }
}

TEST(Service, HoldsNoConversationWithoutACommonVersion) {
  Founded founded;
  auto& [author, clock, ledger, service] = founded;
  for (auto message : {wire::Message(wire::Hello{.least_version = 99, .most_version = 100}),
                       wire::Message(wire::Watch{}), wire::Message(wire::Leave{})}) {
    Wire wire;
    const SessionId id = service.on_connected(wire, {}, std::nullopt);
    service.on_message(id, message);
    ASSERT_EQ(wire.to_host.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<wire::Refused>(*wire::decode(wire.to_host.front())));
    service.on_gone(id);
  }
}

}  // namespace
}  // namespace krait::coordinator
