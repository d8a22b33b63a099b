// What a signed state makes of the two files: the same verdicts as the administrator's own policy, and no more.
#include "krait/plan/joined.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/test_folder.h"
#include "krait/compile/evaluate.h"
#include "krait/crypto/pair.h"
#include "krait/trust/network_test.h"

namespace krait::plan {
namespace {

using trust::Anchor;
using trust::Authors;
using trust::Network;

class JoinedTest : public testing::Test {
 protected:
  JoinedTest() : network_(authors_.network()), anchor_{.list = network_.lists[0]} {}
  JoinedHost host(const std::string& name) {
    JoinedHost made{.file = folder_.at("host.json"),
                    .name = name,
                    .interface = "wg7",
                    .listen_port = 51821,
                    .private_key_file = folder_.at("host.key"),
                    .offered_file = folder_.at("offered")};
    std::ofstream(made.file) << joined_host_text(made);
    return made;
  }

  trust::State state(const std::string& name) {
    auto made = trust::state_for(network_, name, 1);
    EXPECT_TRUE(made) << made.error().text();
    return *made;
  }

  Plan plan(const std::string& name) {
    const auto verified = trust::verify_state(state(name), anchor_, trust::asker(network_, name));
    EXPECT_TRUE(verified) << verified.error().text();
    auto files = files_of(*verified, host(name));
    EXPECT_TRUE(files) << files.error().text();
    auto made = make_plan(std::move(*files), {});
    EXPECT_TRUE(made) << made.error().text();
    return std::move(*made);
  }

  void offer(const JoinedHost& of, const trust::State& what) {
    const trust::Bytes bytes = trust::encode_state(what);
    std::ofstream(of.offered_file, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  Authors authors_;
  Network network_;
  Anchor anchor_;
  common::TestFolder folder_;
};

TEST_F(JoinedTest, JudgesAsTheAdministratorsPolicyDoesAndDeniesWhatIsBetweenOthers) {
  const model::Policy policy = trust::policy_of(trust::kPolicy);
  const auto whole = compile::compile_snapshot({}, policy, 1, {});
  ASSERT_TRUE(whole);
  int judged = 0;
  int denied = 0;
  for (const std::string name : {"web1", "db1", "gate1", "jump1", "lonely1"}) {
    const Plan part = plan(name);
    std::set<std::string> own{part.mesh.host.identity.name};
    for (const model::Route& route : part.mesh.host.routes) {
      own.insert(route.identity.name);
    }
    for (std::uint32_t from = 0; from < part.policy.identities.size(); ++from) {
      for (std::uint32_t to = 0; to < part.policy.identities.size(); ++to) {
        const std::string& source = part.policy.identities[from].name;
        const std::string& target = part.policy.identities[to].name;
        for (const std::uint32_t selector : {22U, 23U, 5432U, 5500U, 80U, KRAIT_SELECTOR_ICMP + 8}) {
          const auto said = compile::evaluate(part.snapshot, {from, to, selector});
          const auto truth =
              compile::evaluate(*whole, {static_cast<std::uint32_t>(policy.find_identity(source)),
                                         static_cast<std::uint32_t>(policy.find_identity(target)), selector});
          const bool is_own = own.contains(source) || own.contains(target);
          ASSERT_EQ(said.action, is_own ? truth.action : model::Action::deny)
              << name << ": " << source << " to " << target << " " << selector;
          ++judged;
          denied += !is_own && truth.action == model::Action::allow ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(judged, 200);
  EXPECT_GT(denied, 0) << "no rule of others was seen to be denied";
}

TEST_F(JoinedTest, MakesTheMeshOfBindings) {
  const Plan part = plan("gate1");
  EXPECT_EQ(part.mesh.host.interface, "wg7");
  EXPECT_EQ(part.wireguard.listen_port, 51821);
  ASSERT_EQ(part.mesh.host.routes.size(), 1U);
  EXPECT_EQ(part.mesh.peers.size(), 2U);
  EXPECT_EQ(part.mesh.peers[0].public_key, trust::wireguard_key(13));
  EXPECT_EQ(part.policy.identities[static_cast<std::size_t>(part.policy.find_identity("db"))].tag, 77U);
}

TEST_F(JoinedTest, HasKeysOfPairsWhereThePolicySaysSo) {
  const Plan without = plan("web1");
  EXPECT_TRUE(without.wireguard.is_network);
  EXPECT_FALSE(without.wireguard.pair_keys);
  authors_.set_policy(network_, "preshared_keys = true\n" + std::string(trust::kPolicy));
  const Plan with = plan("web1");
  ASSERT_TRUE(with.wireguard.pair_keys);
  EXPECT_EQ(*with.wireguard.pair_keys, (model::PairKeys{.file = folder_.at("pair.key"),
                                                        .host_key = trust::key_of(11).verify_key().bytes,
                                                        .network = network_.lists[0].value.network}));
  ASSERT_EQ(with.mesh.peers.size(), 2U);
  for (const model::Peer& peer : with.mesh.peers) {
    EXPECT_EQ(peer.host_key, network_.hosts_book.find(peer.name)->host_key.bytes) << peer.name;
  }
  EXPECT_EQ(with.wireguard.peers[0].host_key, with.mesh.peers[0].host_key);
}

TEST_F(JoinedTest, MakesOfTheHostsSigningKeyWhatPairsNeed) {
  const JoinedHost web = host("web1");
  const auto none = make_pair_key(web);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), common::ErrorCode::not_found);
  make_missing_pair_key(web.file);  // nothing to make it of
  const auto made = [&] {
    const auto secret = crypto::Secret::load(web.pair_key_file(), "a test");
    return secret ? std::optional(secret->bytes()) : std::nullopt;
  };
  EXPECT_FALSE(made());
  ASSERT_TRUE(trust::key_of(11).save(web.host_key_file()));
  make_missing_pair_key(folder_.at("nobody.json"));
  EXPECT_FALSE(made());
  make_missing_pair_key(web.file);
  EXPECT_EQ(made(), crypto::pair_secret(trust::key_of(11)).bytes());
  EXPECT_TRUE(make_pair_key(web));
  std::filesystem::remove(web.host_key_file());
  ASSERT_TRUE(trust::key_of(12).save(web.host_key_file()));
  make_missing_pair_key(web.file);
  EXPECT_EQ(made(), crypto::pair_secret(trust::key_of(11)).bytes()) << "what is there stays";
  ASSERT_TRUE(make_pair_key(web));
  EXPECT_EQ(made(), crypto::pair_secret(trust::key_of(12)).bytes()) << "but who joins anew gets another";
}

TEST_F(JoinedTest, DoesNotBelieveAnEndpointInsideTheTunnel) {
  trust::State with_advice = state("web1");
  with_advice.advice = {{.host = "db1", .endpoint = common::Endpoint{trust::ip("10.90.0.13"), 51820}},
                        {.host = "jump1", .endpoint = common::Endpoint{trust::ip("192.0.2.1"), 51820}}};
  const auto verified = trust::verify_state(with_advice, anchor_, trust::asker(network_, "web1"));
  ASSERT_TRUE(verified) << verified.error().text();
  const auto files = files_of(*verified, host("web1"));
  ASSERT_TRUE(files);
  EXPECT_FALSE(files->mesh.peers[0].endpoint);
  EXPECT_TRUE(files->mesh.peers[1].endpoint);
}

TEST_F(JoinedTest, KeepsAStateAndTakesNewerOnesOnly) {
  const JoinedHost web = host("web1");
  const auto missing = load_signed_files(web);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), common::ErrorCode::not_found);
  const trust::State first = state("web1");
  ASSERT_TRUE(save_kept(web, kept_text(anchor_, first)));
  authors_.set_policy(network_, trust::kPolicy);
  offer(web, state("web1"));
  const auto offered = load_offered(web, trust::wireguard_key(11), false);
  ASSERT_TRUE(offered) << offered.error().text();
  EXPECT_EQ(offered->signed_files.anchor.policy_revision, 3U);
  ASSERT_TRUE(save_kept(web, offered->kept));
  const auto kept = load_signed_files(web);
  ASSERT_TRUE(kept) << kept.error().text();
  EXPECT_EQ(kept->anchor, offered->signed_files.anchor);
  EXPECT_EQ(kept->files.policy.digest, offered->signed_files.files.policy.digest);

  offer(web, first);
  const auto older = load_offered(web, trust::wireguard_key(11), false);
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().text().find("the rules are those of revision 1, and this host has seen 3"), std::string::npos)
      << older.error().text();
  EXPECT_TRUE(load_offered(web, trust::wireguard_key(11), true)) << "somebody on the host has said so";
}

TEST_F(JoinedTest, LetsRulesThatOpenEndWithTheLease) {
  model::Policy policy = trust::policy_of(trust::kPolicy);
  policy.rules[2].outlasts_lease = true;
  set_lease(policy, {.lease_s = 100}, 1000);
  EXPECT_EQ(policy.rules[0].lease_ends_s, 1100);
  EXPECT_FALSE(policy.rules[1].lease_ends_s) << "a denial never ends";
  EXPECT_FALSE(policy.rules[2].lease_ends_s);
  const auto verdict = [&](std::int64_t now_s) {
    const compile::Origin origin{.now = {.unix_ns = now_s * 1'000'000'000, .boot_ns = 7'000'000'000}, .former = {}};
    const auto snapshot = compile::compile_snapshot({}, policy, 1, origin);
    EXPECT_TRUE(snapshot);
    const auto at = [&](std::uint64_t later_ns) {
      return compile::evaluate(*snapshot, {0, 1, 5432}, origin.now.boot_ns + later_ns).action;
    };
    return std::pair(at(0), at(60'000'000'000));
  };
  using model::Action;
  EXPECT_EQ(verdict(1001), std::pair(Action::allow, Action::allow));
  EXPECT_EQ(verdict(1050), std::pair(Action::allow, Action::deny)) << "without anybody's help, when the time has come";
  EXPECT_EQ(verdict(1100), std::pair(Action::deny, Action::deny));
}

TEST_F(JoinedTest, ReadsItsFileStrictly) {
  const JoinedHost web = host("web1");
  const auto read = load_joined_host(web.file);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(joined_host_text(*read), joined_host_text(web));
  const std::string good = joined_host_text(web);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    const auto parsed = parse_joined_host(text, "host.json");
    return parsed ? "accepted" : parsed.error().text();
  };
  EXPECT_NE(with("51821", "0").find("no port"), std::string::npos);
  EXPECT_NE(with("51821", "65536").find("no port"), std::string::npos);
  EXPECT_NE(with("\"name\"", "\"nam\"").find("unknown member \"nam\""), std::string::npos);
  EXPECT_NE(with("\"version\":1", "\"version\":2").find("not of this version"), std::string::npos);
  EXPECT_NE(with("\"/", "\"").find("absolute"), std::string::npos);
  EXPECT_NE(with("wg7", "").find("interface is missing"), std::string::npos);
}

TEST_F(JoinedTest, RemembersWhenItWasConfirmed) {
  const JoinedHost web = host("web1");
  EXPECT_EQ(load_confirmed(web), 0);
  ASSERT_TRUE(save_confirmed(web, 1'700'000'000));
  EXPECT_EQ(load_confirmed(web), 1'700'000'000);
  std::ofstream(web.confirmed_file()) << "-5\n";
  EXPECT_EQ(load_confirmed(web), 0);
  std::ofstream(web.confirmed_file()) << "99999999999999\n";
  EXPECT_EQ(load_confirmed(web), 0);
}

}  // namespace
}  // namespace krait::plan
