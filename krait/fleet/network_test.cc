#include "krait/fleet/network.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <random>

#include "krait/fleet/rows.h"
#include "krait/fleet/test_author.h"
#include "krait/trust/naive_state.h"

namespace krait::fleet {
namespace {

class Networks : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(network.absorb(author.found()));
    apply("web db office", "web db");
  }

  Concerned absorb(const common::Result<std::vector<Row>>& rows) {
    EXPECT_TRUE(rows) << rows.error().text();
    auto concerned = network.absorb(rows ? *rows : std::vector<Row>{});
    EXPECT_TRUE(concerned) << concerned.error().text();
    for (const Row& row : rows ? *rows : std::vector<Row>{}) {
      log.push_back(row);
    }
    return concerned ? *concerned : Concerned{};
  }
  Concerned apply(const std::string& identities, const std::string& allowed) {
    return absorb(author.apply(network, identities, allowed));
  }
  // Joins with a new token for that identity.
  Concerned join(const std::string& name, const std::string& identity, std::uint8_t number) {
    absorb(network.add_token(author.token(identity, number)));
    const auto offer = network.offer(author.applicant(name, number), {}, kNow);
    EXPECT_TRUE(offer) << offer.error().text();
    return absorb(network.enrol(*offer, author.applicant(name, number), author.seal(*offer, number), kNow));
  }
  std::vector<std::string> peers_of(const std::string& name) {
    const auto state = trust::parse_state(trust::encode_view(network.telling_for(*network.find_host(name)).view()));
    EXPECT_TRUE(state) << state.error().text();
    std::vector<std::string> names;
    for (const trust::Joined& joined : state->joined) {
      names.push_back(joined.host.value.binding.name);
    }
    return names;
  }

  TestAuthor author;
  Network network;
  std::vector<Row> log;
};

TEST_F(Networks, TellAHostOfThoseAloneWithWhomItMayTalk) {
  join("web1", "web", 1);
  join("db1", "db", 2);
  join("office1", "office", 3);
  EXPECT_EQ(peers_of("web1"), (std::vector<std::string>{"db1", "web1"}));
  EXPECT_EQ(peers_of("db1"), (std::vector<std::string>{"db1", "web1"}));  // whoever opens
  EXPECT_EQ(peers_of("office1"), std::vector<std::string>{"office1"});
  const Concerned concerned = apply("web db office", "office db");
  EXPECT_FALSE(concerned.all);
  EXPECT_TRUE(concerned.identities.contains("web"));
  EXPECT_EQ(peers_of("web1"), std::vector<std::string>{"web1"});
  EXPECT_EQ(peers_of("office1"), (std::vector<std::string>{"db1", "office1"}));
}

TEST_F(Networks, ConcernThoseWhoMayTalkWithAHostThatJoins) {
  join("web1", "web", 1);
  const Concerned concerned = join("db1", "db", 2);
  EXPECT_TRUE(concerned.hosts.contains("db1"));
  EXPECT_TRUE(concerned.identities.contains("web"));
  EXPECT_FALSE(concerned.identities.contains("office"));
}

// It stands in the settings, which belong to no identity.
TEST_F(Networks, ConcernEverybodyByAnotherLease) {
  join("office1", "office", 1);
  const std::string former = network.last_policy_text();
  const auto rows = author.apply_text(network, "lease = \"7d\"\n" + former);
  ASSERT_TRUE(rows) << rows.error().text();
  const auto concerned = network.absorb(*rows);
  ASSERT_TRUE(concerned);
  EXPECT_TRUE(concerned->all);
  EXPECT_EQ(network.trusted().policy_book.settings().lease_s, 7U * 86'400);
}

TEST_F(Networks, ConcernEverybodyByKeysOfPairs) {
  join("office1", "office", 1);
  const auto rows = author.apply_text(network, "preshared_keys = true\n" + network.last_policy_text());
  ASSERT_TRUE(rows) << rows.error().text();
  const auto concerned = network.absorb(*rows);
  ASSERT_TRUE(concerned);
  EXPECT_TRUE(concerned->all);
  EXPECT_TRUE(network.trusted().policy_book.settings().preshared_keys);
}

// A host that lies about a peer can spoil its port, and send nobody elsewhere.
TEST_F(Networks, BelieveWhatAPeerSeesWhereTheCoordinatorSeesTheSameAddress) {
  join("web1", "web", 1);
  join("db1", "db", 2);
  join("office1", "office", 3);
  Host db = *network.find_host("db1");
  db.endpoints.clear();
  db.behind_nat = true;
  db.seen = common::Ip::parse("198.51.100.7");
  absorb(common::Result<std::vector<Row>>(Network::update_host(db)));
  const auto seen = [&](const std::string& by, const std::string& peer, const std::string& at) {
    return network.as_seen(*network.find_host(by), peer, *common::Endpoint::parse(at));
  };
  EXPECT_FALSE(network.find_host("db1")->endpoint());
  EXPECT_FALSE(seen("web1", "db1", "203.0.113.9:53"));        // another address: somebody's who never asked for it
  EXPECT_FALSE(seen("office1", "db1", "198.51.100.7:4000"));  // no peer of its
  EXPECT_FALSE(seen("db1", "db1", "198.51.100.7:4000"));
  EXPECT_FALSE(seen("web1", "nobody", "198.51.100.7:4000"));
  EXPECT_FALSE(seen("db1", "web1", "192.0.2.1:4000"));  // it says itself where it is
  const auto moved = seen("web1", "db1", "198.51.100.7:4000");
  ASSERT_TRUE(moved);
  absorb(common::Result<std::vector<Row>>(Network::update_host(*moved)));
  EXPECT_EQ(network.find_host("db1")->endpoint()->text(), "198.51.100.7:4000");
  EXPECT_FALSE(seen("web1", "db1", "198.51.100.7:4000"));  // known
}

// Hosts refuse a state that shows a prefix twice or an identity that the policy lacks, and every later one with it.
TEST_F(Networks, RefuseWhatEveryHostWouldRefuse) {
  const auto route = [](const char* prefix, const char* identity) {
    return std::vector<trust::Route>{{*common::Prefix::parse(prefix), identity}};
  };
  const auto with_routes = [&](std::uint8_t number, std::vector<trust::Route> routes) {
    trust::Grant grant = author.token("web", number).grant.value;
    grant.routes = std::move(routes);
    return Token{.grant = trust::sign(grant, author.signing_key(200)), .note = "", .who = "alice", .uses_left = 1};
  };
  const auto comes = [&](const Token& token, std::uint8_t number, const std::vector<Offer>& reserved = {}) {
    absorb(network.add_token(token));
    const auto name = "host" + std::to_string(number);
    return network.offer(author.applicant(name, number), reserved, kNow);
  };
  const auto put = [&](const std::string& name, const auto& change) {
    HostsEdit edit{.put = {*network.binding(name)}};
    change(edit.put.front());
    const auto rows = network.edit_hosts(edit, author.statement(network, edit), kNow);
    return rows ? std::string() : rows.error().text();
  };
  join("db1", "db", 1);
  const std::string db_address = network.binding("db1")->addresses.front().text() + "/32";
  // By a token.
  EXPECT_NE(network.add_token(with_routes(2, route(db_address.c_str(), "office")))
                .error()
                .text()
                .find("is host db1's already"),
            std::string::npos);
  const auto unknown = comes(with_routes(3, route("10.30.0.0/16", "cellar")), 3);
  EXPECT_NE(unknown.error().text().find("does not know the identity cellar"), std::string::npos);
  const auto first = comes(with_routes(4, route("10.20.0.0/16", "office")), 4);
  const auto second = comes(with_routes(5, route("10.20.0.0/16", "office")), 5, {*first});
  absorb(network.enrol(*first, author.applicant("host4", 4), author.seal(*first, 4), kNow));
  const auto late = network.enrol(*second, author.applicant("host5", 5), author.seal(*second, 5), kNow);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().text().find("10.20.0.0/16 is host host4's already"), std::string::npos);
  // An address that somebody's route is already is not given away.
  const auto next = comes(author.token("web", 6), 6);
  ASSERT_TRUE(next);
  const auto routed = comes(with_routes(7, route((next->addresses.front().text() + "/32").c_str(), "office")), 7);
  absorb(network.enrol(*routed, author.applicant("host7", 7), author.seal(*routed, 7), kNow));
  EXPECT_NE(comes(author.token("web", 8), 8)->addresses.front(), next->addresses.front());
  // By an administrator.
  const auto set_routes = [&](const char* prefix, const char* identity) {
    return put("db1", [&](trust::HostBinding& bound) { bound.routes = route(prefix, identity); });
  };
  EXPECT_NE(set_routes("10.20.0.0/16", "office").find("is host host4's already"), std::string::npos);
  EXPECT_NE(set_routes(db_address.c_str(), "office").find("is the host's own address"), std::string::npos);
  EXPECT_NE(set_routes("10.40.0.0/16", "cellar").find("does not know the identity cellar"), std::string::npos);
  EXPECT_NE(put("db1", [](trust::HostBinding& bound) { bound.identity = "cellar"; }).find("identity cellar"),
            std::string::npos);
  EXPECT_EQ(set_routes("10.40.0.0/16", "office"), "");
  // By a policy.
  const auto without = author.apply(network, "web db", "web db");
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().text().find("has the identity office"), std::string::npos);
  EXPECT_TRUE(author.apply(network, "web db office", "office db"));
}

// Whoever did not hear the answer asks once more, of another coordinator perhaps.
TEST_F(Networks, TakeTheSameChangeOnce) {
  const auto makes_nothing = [](const common::Result<std::vector<Row>>& rows) { return rows && rows->empty(); };
  const PolicyText policy{.text = network.last_policy_text(), .who = "alice", .what = "apply", .at_s = kNow};
  EXPECT_TRUE(makes_nothing(network.apply_policy(policy, network.trusted().policy)));
  const Token token = author.token("web", 1);
  absorb(network.add_token(token));
  EXPECT_TRUE(makes_nothing(network.add_token(token)));
  EXPECT_FALSE(network.add_token(author.token("db", 1)));  // another one with its key
  const auto offer = network.offer(author.applicant("web1", 1), {}, kNow);
  ASSERT_TRUE(offer) << offer.error().text();
  absorb(network.enrol(*offer, author.applicant("web1", 1), author.seal(*offer, 1), kNow));
  EXPECT_TRUE(makes_nothing(network.add_token(token)));  // it stays spent
  EXPECT_EQ(network.tokens().begin()->second.uses_left, 0U);
  const HostsEdit edit{.put = {*network.binding("web1")}};
  const auto statement = author.statement(network, edit);
  absorb(network.edit_hosts(edit, statement, kNow));
  EXPECT_TRUE(makes_nothing(network.edit_hosts(edit, statement, kNow)));
}

// A state that shows one key twice is refused by whoever verifies it: one host could keep all changes from its peers.
TEST_F(Networks, RefuseAKeyThatIsAnotherHosts) {
  join("web1", "web", 1);
  join("db1", "db", 2);
  const auto announced = [&](const std::string& host, std::uint8_t number, const model::PublicKey& key,
                             std::optional<model::PublicKey> next, std::uint64_t serial = 1) {
    trust::KeyChange change{
        .network = TestAuthor::network_id(), .host = host, .serial = serial, .key = key, .next_key = next};
    return network.change_key(*network.find_host(host),
                              trust::sign(change, TestAuthor::signing_key(static_cast<std::uint8_t>(number + 100))));
  };
  const model::PublicKey web_key = network.binding("web1")->key;
  const model::PublicKey db_key = network.binding("db1")->key;
  model::PublicKey fresh{};
  fresh.fill(77);
  const auto refused = [](const common::Result<std::vector<Row>>& rows, std::string_view why) {
    ASSERT_FALSE(rows);
    EXPECT_NE(rows.error().text().find(why), std::string::npos) << rows.error().text();
  };
  refused(announced("db1", 2, web_key, {}), "another host's");
  refused(announced("db1", 2, db_key, web_key), "another host's");
  refused(announced("db1", 2, model::PublicKey{}, {}), "the WireGuard key is none");
  refused(announced("db1", 2, db_key, model::PublicKey{1}), "the WireGuard key is none");
  refused(announced("db1", 1, fresh, {}), "not this host's");  // signed by web1
  absorb(announced("web1", 1, web_key, fresh));
  refused(announced("db1", 2, fresh, {}), "another host's");
  refused(announced("web1", 1, web_key, fresh), "older than the one that is known");  // replayed
  Applicant late = author.applicant("web2", 3);
  late.key = fresh;
  absorb(network.add_token(author.token("web", 3)));
  EXPECT_FALSE(network.offer(late, {}, kNow));
  absorb(announced("web1", 1, fresh, {}, 2));
  refused(announced("db1", 2, fresh, {}), "another host's");
}

// Its peers would leave it out, without a word.
TEST_F(Networks, RefuseAHostWhoseKeysAreNone) {
  absorb(network.add_token(author.token("web", 1)));
  Applicant low = author.applicant("web1", 1);
  low.key = {1};  // of small order
  const auto no_offer = network.offer(low, {}, kNow);
  ASSERT_FALSE(no_offer);
  EXPECT_NE(no_offer.error().text().find("the WireGuard key is none"), std::string::npos) << no_offer.error().text();
  const auto offer = network.offer(author.applicant("web1", 1), {}, kNow);
  ASSERT_TRUE(offer);
  constexpr std::array<std::uint8_t, 3> kNone{0, 1, 2};  // of order 4, of order 1, off the curve
  for (const std::uint8_t first : kNone) {
    trust::JoinedHost joined = author.seal(*offer, 1).value;
    joined.binding.host_key = {{first}};
    const auto rows =
        network.enrol(*offer, author.applicant("web1", 1), trust::sign(joined, TestAuthor::signing_key(1)), kNow);
    ASSERT_FALSE(rows) << int{first};
    EXPECT_NE(rows.error().text().find("the key that web1 signs with is none"), std::string::npos)
        << rows.error().text();
  }
  absorb(network.enrol(*offer, author.applicant("web1", 1), author.seal(*offer, 1), kNow));
  const auto put = [&](const auto& change) {
    HostsEdit edit{.put = {*network.binding("web1")}};
    change(edit.put.front());
    const auto rows = network.edit_hosts(edit, author.statement(network, edit), kNow);
    return rows ? std::string() : rows.error().text();
  };
  EXPECT_NE(put([](auto& bound) { bound.key = {1}; }).find("web1: the WireGuard key is none"), std::string::npos);
  EXPECT_NE(put([](auto& bound) { bound.host_key = {{2}}; }).find("signs with is none"), std::string::npos);
  EXPECT_EQ(put([](auto& /*bound*/) {}), "");
}

TEST_F(Networks, RefuseTokensThatDoNotHold) {
  const auto refused = [&](const Applicant& applicant, std::int64_t now_s, std::string_view why) {
    const auto offer = network.offer(applicant, {}, now_s);
    ASSERT_FALSE(offer);
    EXPECT_NE(offer.error().text().find(why), std::string::npos) << offer.error().text();
  };
  refused(author.applicant("web1", 1), kNow, "none of this network's");
  absorb(network.add_token(author.token("web", 1)));
  refused(author.applicant("web1", 1), kNow + 86'400, "expired");
  refused(author.applicant("no/name", 1), kNow, "no/name");
  const auto offer = network.offer(author.applicant("web1", 1), {}, kNow);
  ASSERT_TRUE(offer);
  // It is offered to one at a time.
  const auto second = network.offer(author.applicant("web2", 1), {*offer}, kNow);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("spent"), std::string::npos);
  const auto rows = network.enrol(*offer, author.applicant("web1", 1), author.seal(*offer, 1), kNow);
  absorb(rows);
  refused(author.applicant("web2", 1), kNow, "spent");
  // The very same once more.
  EXPECT_FALSE(network.enrol(*offer, author.applicant("web1", 1), author.seal(*offer, 1), kNow));
}

TEST_F(Networks, RefuseAHostThatSignsSomethingElse) {
  absorb(network.add_token(author.token("web", 1)));
  const auto offer = network.offer(author.applicant("web1", 1), {}, kNow);
  ASSERT_TRUE(offer);
  const auto enrolled = [&](const Offer& other) {
    return network.enrol(*offer, author.applicant("web1", 1), author.seal(other, 1), kNow).has_value();
  };
  Offer liar = *offer;
  liar.addresses = {*common::Ip::parse("10.90.0.77")};
  EXPECT_FALSE(enrolled(liar));
  liar = *offer;
  liar.name = "db1";
  EXPECT_FALSE(enrolled(liar));
  EXPECT_FALSE(
      network.enrol(*offer, author.applicant("web1", 1), author.seal(*offer, 9), kNow));  // another token's key
  const auto says = [&](const std::function<void(trust::HostBinding&)>& lie) {
    trust::JoinedHost joined = author.seal(*offer, 1).value;
    lie(joined.binding);
    const auto rows =
        network.enrol(*offer, author.applicant("web1", 1), trust::sign(joined, TestAuthor::signing_key(1)), kNow);
    return rows ? std::string("believed") : rows.error().text();
  };
  EXPECT_NE(says([](auto& bound) { bound.identity = "db"; }).find("the token is for web"), std::string::npos);
  EXPECT_NE(says([](auto& bound) {
              bound.routes = {{*common::Prefix::parse("10.20.0.0/16"), "office"}};
            }).find("its routes are not those of the token"),
            std::string::npos);
  EXPECT_NE(says([](auto& bound) { bound.key.fill(9); }).find("something else than it was offered"), std::string::npos);
  EXPECT_NE(says([](auto& bound) { bound.key_serial = 7; }).find("something else"), std::string::npos);
  EXPECT_TRUE(enrolled(*offer));
}

TEST_F(Networks, GiveEachHostAddressesOfItsOwnAndKeepThoseOfTheGoneForAWhile) {
  for (std::uint8_t i = 1; i <= 6; ++i) {
    join("web" + std::to_string(i), "web", i);
  }
  std::set<common::Ip> all;
  for (const auto& [number, host] : network.hosts()) {
    const auto& addresses = network.binding(host.name)->addresses;
    ASSERT_EQ(addresses.size(), 2U);
    all.insert(addresses.begin(), addresses.end());
  }
  EXPECT_EQ(all.size(), 12U);
  const common::Ip gone = network.binding("web6")->addresses[0];
  absorb(author.remove(network, "web6", kNow));
  EXPECT_EQ(network.find_host("web6"), nullptr);
  // 10.90.0.0/29 has six addresses: the seventh host has to wait until the gone one's has rested.
  absorb(network.add_token(author.token("web", 7)));
  EXPECT_FALSE(network.offer(author.applicant("web7", 7), {}, kNow));
  absorb(network.add_token(author.token("web", 8, kNow + kAddressRestS)));
  const auto later = network.offer(author.applicant("web7", 8), {}, kNow + kAddressRestS);
  ASSERT_TRUE(later) << later.error().text();
  EXPECT_EQ(later->addresses[0], gone);
  EXPECT_GT(network.settings().last_host, 5U);  // numbers are not given again
}

TEST_F(Networks, LeaveAHostTheAddressesThatItHasWhereTheyAreFree) {
  join("web1", "web", 1);
  const auto of_web1 = network.binding("web1")->addresses;
  const auto offered = [&](std::uint8_t number, const std::vector<std::string>& kept) {
    absorb(network.add_token(author.token("web", number)));
    Applicant applicant = author.applicant("db" + std::to_string(number), number);
    for (const std::string& text : kept) {
      applicant.addresses.push_back(*common::Ip::parse(text));
    }
    const auto offer = network.offer(applicant, {}, kNow);
    EXPECT_TRUE(offer);
    std::vector<std::string> texts;
    for (const common::Ip& address : offer->addresses) {
      texts.push_back(address.text());
    }
    return texts;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(offered(2, {"10.90.0.5", "fd90::77"}), (Texts{"10.90.0.5", "fd90::77"}));
  EXPECT_EQ(offered(3, {"10.90.0.5"}).front(), "10.90.0.5") << "what was offered only is nobody's yet";
  const Texts others = offered(4, {});
  EXPECT_EQ(offered(5, {of_web1[0].text(), of_web1[1].text()}), others) << "another host's";
  EXPECT_EQ(offered(6, {"10.91.0.5", "192.0.2.1", "fd91::1"}), others) << "none of the network's";
  EXPECT_EQ(offered(7, {"10.90.0.0", "10.90.0.7", "fd90::"}), others) << "nobody's to have";
}

TEST_F(Networks, RefuseChangesThatNoAdminSigned) {
  join("web1", "web", 1);
  const auto refused = [&](const common::Result<std::vector<Row>>& rows, std::string_view why) {
    ASSERT_FALSE(rows);
    EXPECT_NE(rows.error().text().find(why), std::string::npos) << rows.error().text();
  };
  TestAuthor stranger(99);
  refused(stranger.apply(network, "web db", "web db"), "not signed");
  refused(stranger.remove(network, "web1", kNow), "not signed");
  refused(network.add_token(stranger.token("web", 5)), "not signed");
  // Signed for another edit than the one that came with it.
  const HostsEdit other{.take_back = {trust::joined_id(network.trusted().joined.at("web1").host)}};
  auto statement = author.statement(network, other);
  refused(network.edit_hosts({}, statement, kNow), "changed meanwhile");
}

TEST_F(Networks, MoveAHostIntoTheTreeWhenAnAdminSignsIt) {
  join("web1", "web", 1);
  trust::HostBinding bound = *network.binding("web1");
  bound.identity = "office";
  const HostsEdit edit{.put = {bound}};
  const Concerned concerned = absorb(network.edit_hosts(edit, author.statement(network, edit), kNow));
  EXPECT_TRUE(concerned.hosts.contains("web1"));
  EXPECT_TRUE(concerned.identities.contains("db"));  // it could talk with it before
  EXPECT_TRUE(network.trusted().joined.empty());
  EXPECT_EQ(network.identities_of("web1"), std::set<std::string>{"office"});
}

TEST_F(Networks, AreTheSameWhenReadBack) {
  join("web1", "web", 1);
  join("db1", "db", 2);
  apply("web db office", "office db");
  Network again;
  std::vector<Row> rows = author.found();
  std::map<std::pair<Kind, std::string>, Row> last;
  rows.insert(rows.end(), log.begin(), log.end());
  for (const Row& row : rows) {
    last[{row.kind, row.key}] = row;
  }
  rows.clear();
  for (const auto& [key, row] : last) {
    if (row.value) {
      rows.push_back(row);
    }
  }
  ASSERT_TRUE(again.absorb(rows));
  EXPECT_EQ(again.hosts(), network.hosts());
  EXPECT_EQ(again.settings(), network.settings());
  for (const char* name : {"web1", "db1"}) {
    EXPECT_EQ(trust::encode_view(again.telling_for(*again.find_host(name)).view()),
              trust::encode_view(network.telling_for(*network.find_host(name)).view()));
  }
  // A row that somebody has changed in the store.
  rows.push_back({Kind::binding, "spy", string_of(trust::encode(*network.binding("web1")))});
  Network other;
  EXPECT_FALSE(other.absorb(rows));
}

// What hosts are told, whole and as differences, one for all with the same identities among them, against a state that
// is put together for each host by itself.
class Told : public Networks {
 protected:
  struct Held {
    Telling telling;
    trust::State state;
  };

  trust::State naive(const Host& host) const {
    std::vector<trust::Advice> advice;
    const std::uint16_t keepalive_s = host.behind_nat ? network.settings().keepalive_s : std::uint16_t{0};
    const auto state = trust::state_for(network.trusted(), host.name, 0);
    EXPECT_TRUE(state) << state.error().text();
    for (const auto& [number, peer] : network.hosts()) {
      const bool is_shown =
          std::ranges::any_of(state->joined,
                              [&](const auto& joined) { return joined.host.value.binding.name == peer.name; }) ||
          state->hosts_part.look_up(trust::host_place(peer.name)).what == trust::Shown::What::present;
      if (is_shown && peer.name != host.name && (peer.endpoint() || keepalive_s != 0)) {
        advice.push_back({.host = peer.name, .endpoint = peer.endpoint(), .keepalive_s = keepalive_s});
      }
    }
    return *trust::state_for(network.trusted(), host.name, 0, std::move(advice));
  }

  // Tells each host what has changed since it was told last, as the service does.
  void tell_all() {
    for (const auto& [number, host] : network.hosts()) {
      if (host.left || host.waits_for_approval) {
        continue;
      }
      const Telling telling = network.telling_for(host);
      const trust::Bytes whole = trust::encode_view(telling.view());
      ASSERT_EQ(whole, trust::encode_state(naive(host))) << host.name;
      if (const auto known = held.find(host.name); known != held.end()) {
        const trust::View then = known->second.telling.view();
        trust::Bytes bytes = trust::encode_view(telling.view(), &then);
        const auto read = trust::parse_state(bytes, &known->second.state);
        ASSERT_TRUE(read) << host.name << ": " << read.error().text();
        ASSERT_EQ(trust::encode_state(*read), whole) << host.name;
        const trust::View nobody{.told = *known->second.telling.told};
        if (trust::is_common(telling.view(), then)) {
          ++common;
          ASSERT_EQ(trust::encode_view({.told = *telling.told}, &nobody), bytes) << host.name;
        } else {
          ++apart;
        }
      }
      held[host.name] = {telling, *trust::parse_state(whole)};
    }
  }

  void change_something(std::mt19937& random) {
    const auto pick = [&](std::size_t count) { return random() % count; };
    const std::array<const char*, 3> identities{"web", "db", "office"};
    std::vector<Host> hosts;
    for (const auto& [number, host] : network.hosts()) {
      hosts.push_back(host);
    }
    Host host = hosts[pick(hosts.size())];
    switch (pick(6)) {
      case 0: {
        const std::array<const char*, 6> allowed{"web db", "db web", "office db", "web web", "office office", "* db"};
        apply("web db office", allowed[pick(allowed.size())]);
        return;
      }
      case 1: {
        host.endpoints = {*common::Endpoint::parse("192.0.2." + std::to_string(1 + pick(200)) + ":51820")};
        absorb(Network::update_host(host));
        return;
      }
      case 2: {
        host.behind_nat = !host.behind_nat;
        absorb(Network::update_host(host));
        return;
      }
      case 3: {
        host.waits_for_approval = network.joined(host.name) != nullptr && !host.waits_for_approval;
        absorb(Network::update_host(host));
        return;
      }
      default: {
        const trust::HostBinding* bound = network.binding(host.name);
        if (bound == nullptr || host.waits_for_approval) {
          return;
        }
        HostsEdit edit{.put = {*bound}};
        edit.put.front().identity = identities[pick(3)];
        if (pick(2) == 0) {
          edit.put.front().routes = {{*common::Prefix::parse("10.20.0.0/16"), identities[pick(3)]}};
        } else {
          edit.put.front().routes.clear();
        }
        const auto rows = network.edit_hosts(edit, author.statement(network, edit), kNow);
        if (rows) {  // the route may be another's
          absorb(rows);
        }
      }
    }
  }

  std::map<std::string, Held> held;
  std::size_t common = 0;
  std::size_t apart = 0;
};

TEST_F(Told, IsWhatAStateForEachHostWouldBe) {
  for (std::uint8_t i = 1; i <= 6; ++i) {
    join("host" + std::to_string(i), std::array<const char*, 3>{"web", "db", "office"}[i % 3], i);
    tell_all();
  }
  std::mt19937 random(7);
  for (int round = 0; round < 120 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    change_something(random);
    if (random() % 3 != 0) {
      tell_all();
    }
  }
  EXPECT_GT(common, 100U);
  EXPECT_GT(apart, 50U);
}

// One copy for all who have the same identities, and the same one while nothing that concerns them changes.
TEST_F(Told, IsHeldOnceForHostsWithTheSameIdentities) {
  join("web1", "web", 1);
  join("web2", "web", 2);
  join("db1", "db", 3);
  const auto told_to = [&](const std::string& name) { return network.telling_for(*network.find_host(name)).told; };
  const auto first = told_to("web1");
  EXPECT_EQ(first, told_to("web2"));
  EXPECT_NE(first, told_to("db1"));
  absorb(network.add_token(author.token("office", 9)));  // concerns nobody
  EXPECT_EQ(first, told_to("web1"));
  const auto circle = first->circle;
  apply("web db office", "web db");
  EXPECT_NE(first, told_to("web1"));  // another root
  EXPECT_EQ(circle, told_to("web1")->circle);
}

// A host that came with a token which is taken back is shown to nobody any more, and they are told.
TEST_F(Told, LosesHostsWhoseTokenIsTakenBack) {
  join("web1", "web", 1);
  join("db1", "db", 2);
  EXPECT_EQ(peers_of("db1"), (std::vector<std::string>{"db1", "web1"}));
  HostsEdit edit{.take_back = {trust::grant_id(network.joined("web1")->grant)}};
  const Concerned concerned = absorb(network.edit_hosts(edit, author.statement(network, edit), kNow));
  EXPECT_TRUE(concerned.hosts.contains("web1"));
  EXPECT_TRUE(concerned.identities.contains("db"));
  EXPECT_EQ(peers_of("db1"), std::vector<std::string>{"db1"});
}

}  // namespace
}  // namespace krait::fleet
