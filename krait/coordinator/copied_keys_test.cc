#include "krait/coordinator/copied_keys.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "krait/coordinator/metrics.h"
#include "krait/coordinator/simulated_ports.h"

namespace krait::coordinator {
namespace {

using Verdict = CopiedKeys::Verdict;

constexpr std::int64_t kSecondUs = 1'000'000;

const CopiedKeys::Places kPlaces{.connected = common::Ip::parse("192.0.2.1"), .other = common::Ip::parse("192.0.2.9")};

TEST(CopiedKeysTest, AreNoneOfAHostThatLosesItsConnectionOnceInAWhile) {
  CopiedKeys keys;
  for (std::int64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(keys.on_second(1, kPlaces, i * 61 * kSecondUs), Verdict::take_over);
  }
  EXPECT_FALSE(keys.places_of(1, 6200 * kSecondUs));
}

TEST(CopiedKeysTest, AreToldOfOnceAndUntilBothHaveBeenQuiet) {
  CopiedKeys keys;
  std::int64_t now_us = kSecondUs;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(keys.on_second(1, kPlaces, now_us += kSecondUs), Verdict::take_over);
  }
  EXPECT_FALSE(keys.places_of(1, now_us));
  EXPECT_EQ(keys.on_second(1, kPlaces, now_us += kSecondUs), Verdict::refuse_and_tell);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(keys.on_second(1, kPlaces, now_us += 500 * kSecondUs), Verdict::refuse);
  }
  EXPECT_EQ(keys.places_of(1, now_us), kPlaces);
  EXPECT_EQ(keys.on_second(2, kPlaces, now_us), Verdict::take_over) << "another host";
  EXPECT_EQ(keys.places_of(1, now_us + 600 * kSecondUs), kPlaces);
  EXPECT_FALSE(keys.places_of(1, now_us + 601 * kSecondUs));
  EXPECT_EQ(keys.on_second(1, kPlaces, now_us + 601 * kSecondUs), Verdict::take_over);
}

TEST(CopiedKeysTest, AreForgottenWithTheirHost) {
  CopiedKeys keys;
  for (int i = 0; i <= 10; ++i) {
    keys.on_second(1, kPlaces, kSecondUs);
  }
  ASSERT_TRUE(keys.places_of(1, kSecondUs));
  keys.forget(1);
  EXPECT_FALSE(keys.places_of(1, kSecondUs));
}

TEST(CopiedKeysTest, AreSaidWithBothPlaces) {
  EXPECT_EQ(places_text(kPlaces), "192.0.2.1 and 192.0.2.9");
  EXPECT_EQ(places_text({}), "an address that is not known and an address that is not known");
}

// Two machines with the key of one host, that call again whenever they were cut off, as links do.
TEST(CopiedKeysTest, EndNoConnectionForEver) {
  fleet::TestAuthor author;
  SimulatedClock clock;
  MemoryLedger ledger;
  Service service(ledger, clock);
  std::vector<std::string> complaints;
  service.set_complain([&](const std::string& what) { complaints.push_back(what); });
  ledger.log.push_back(author.found());
  ASSERT_TRUE(service.load());
  const auto change = [&](const Service::Make& make) { ASSERT_TRUE(service.change("alice", "change", make)); };
  const auto applicant = fleet::TestAuthor::applicant("web1", 1);
  change([&](const fleet::Network& network) { return author.apply(network, "web db", "web db"); });
  change([&](const fleet::Network& network) { return network.add_token(author.token("web", 1)); });
  change([&](const fleet::Network& network) -> common::Result<std::vector<fleet::Row>> {
    KRAIT_TRY(const auto offer, network.offer(applicant, {}, fleet::kNow));
    return network.enrol(offer, applicant, fleet::TestAuthor::seal(offer, 1), fleet::kNow);
  });

  struct Machine {
    Wire wire{};
    std::optional<common::Ip> from{};
    SessionId session = 0;
    int welcomes = 0;
    int refusals = 0;
  };
  std::vector<Machine> machines(2);
  machines[0].from = common::Ip::parse("192.0.2.1");
  machines[1].from = common::Ip::parse("192.0.2.9");
  const auto call = [&](Machine& machine) {
    service.on_gone(machine.session);
    machine.wire = {};
    machine.session = service.on_connected(machine.wire, applicant.link_key, machine.from);
    wire::Message hello = wire::Hello{};
    service.on_message(machine.session, hello);
    const auto first = wire::decode(machine.wire.to_host.front());
    machine.welcomes += std::holds_alternative<wire::Welcome>(*first) ? 1 : 0;
    if (const auto* refused = std::get_if<wire::Refused>(&*first)) {
      EXPECT_EQ(refused->code, wire::RefusalCode::later);
      EXPECT_NE(refused->text.find("another machine is connected with this host's key"), std::string::npos);
      ++machine.refusals;
    }
  };
  call(machines[0]);
  call(machines[1]);
  for (int i = 0; i < 1000; ++i) {
    clock.now_us += 500'000;
    for (Machine& machine : machines) {
      if (machine.wire.finishing) {
        call(machine);
      }
    }
  }
  EXPECT_EQ(machines[0].welcomes + machines[1].welcomes, 11);
  EXPECT_GT(machines[0].refusals + machines[1].refusals, 100);
  EXPECT_NE(machines[0].wire.finishing, machines[1].wire.finishing) << "one stays";
  ASSERT_EQ(complaints.size(), 1U);
  EXPECT_NE(complaints.front().find("two machines call with the key of host web1, from 192.0.2."), std::string::npos)
      << complaints.front();
  EXPECT_NE(complaints.front().find("krait-coordinator host remove web1"), std::string::npos);
  const HostState state = service.state_of(*service.network().find_host("web1"));
  EXPECT_TRUE(state.online);
  EXPECT_TRUE(state.copied);
  EXPECT_NE(metrics_text(service, 0, true).find("\nkrait_coordinator_hosts_copied 1\n"), std::string::npos);
  // The one that stayed ends: the other is let in at once.
  Machine& stays = machines[0].wire.finishing ? machines[1] : machines[0];
  Machine& other = machines[0].wire.finishing ? machines[0] : machines[1];
  const int before = other.welcomes;
  service.on_gone(stays.session);
  call(other);
  EXPECT_EQ(other.welcomes, before + 1);
}

}  // namespace
}  // namespace krait::coordinator
