// Whom the service lets in, hears, refuses and cuts off.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "krait/coordinator/simulated_ports.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {
namespace {

using common::Result;
using fleet::Row;

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
