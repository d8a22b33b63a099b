// What the service tells hosts that are connected, and when.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>

#include "krait/coordinator/simulated_ports.h"
#include "krait/fleet/rows.h"
#include "krait/wire/key_pair.h"

namespace krait::coordinator {
namespace {

using common::Result;
using fleet::Row;

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

  // Until all who are concerned enforce what there is.
  struct Awaited {
    Spread spread{};
    bool done = false;
  };
  Service::WaitId await(Awaited& awaited) {
    return service.wait([&awaited](const Spread& spread) { awaited = {spread, true}; });
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
  Awaited all;
  const auto id = await(all);
  EXPECT_FALSE(all.done);
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
  Awaited all;
  await(all);
  comes.session = service.on_connected(comes.wire, fleet::TestAuthor::applicant(comes.name, 2).link_key, std::nullopt);
  say(comes, wire::Hello{});
  say(comes, wire::Watch{});
  read(here);
  EXPECT_FALSE(all.done);
  read(comes);
  EXPECT_TRUE(all.done);
  EXPECT_EQ(all.spread.concerned, 2U);
  EXPECT_EQ(all.spread.enforcing, 2U);
  EXPECT_TRUE(all.spread.failing.empty());
}

// Whoever does not enforce a change yet is waited for after the next one too, though that does not concern it.
TEST_F(Hosts, AreWaitedForUntilTheyEnforceTheChangeBefore) {
  Host& web = add("web", 1);
  Host& db = add("db", 2);
  read(web);
  read(db);
  apply("db web");
  apply("db web");
  const Service::WaitId early = service.wait([](const Spread&) {});
  const Spread meanwhile = service.give_up(early);
  EXPECT_EQ(meanwhile.enforcing, 0U);
  EXPECT_EQ(meanwhile.failing.size(), 2U);
  Awaited all;
  await(all);
  read(web);
  EXPECT_FALSE(all.done);
  read(db);
  EXPECT_TRUE(all.done);
  EXPECT_EQ(all.spread.concerned, 2U);
  EXPECT_EQ(all.spread.enforcing, 2U);
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

// What a host says is shown on administrators' terminals.
TEST_F(Hosts, SayNothingThatATerminalObeys) {
  Host& host = add("web", 1);
  read(host);
  say(host, wire::Enforced{1, "\x1b[2Jno\nweb2  web  online"});
  const std::string failure = service.state_of(*service.network().find_host(host.name)).failure;
  EXPECT_NE(failure.find("no"), std::string::npos);
  EXPECT_TRUE(std::ranges::none_of(failure, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) << failure;
}

}  // namespace
}  // namespace krait::coordinator
