#include <gtest/gtest.h>

#include <set>

#include "krait/trust/network_test.h"

namespace krait::trust {
namespace {

class VerifyTest : public testing::Test {
 protected:
  VerifyTest() : network_(authors_.network()), anchor_{.list = network_.lists[0]} {}

  State state(const std::string& name) {
    auto made = state_for(network_, name, anchor_.list.value.version);
    EXPECT_TRUE(made) << made.error().text();
    return made ? std::move(*made) : State();
  }

  // Through its bytes, as a host gets it.
  common::Result<Verified> judge(const State& state, const std::string& name, bool may_go_back = false) {
    const auto read = parse_state(encode_state(state));
    if (!read) {
      return read.error();
    }
    Asker who = asker(network_, name);
    who.may_go_back = may_go_back;
    return verify_state(*read, anchor_, who);
  }

  Verified accepted(const std::string& name) {
    auto verified = judge(state(name), name);
    EXPECT_TRUE(verified) << verified.error().text();
    return verified ? std::move(*verified) : Verified();
  }

  std::string refusal(const State& state, const std::string& name = "web1", bool may_go_back = false) {
    const auto verified = judge(state, name, may_go_back);
    return verified ? "accepted" : verified.error().text();
  }

  void expect_refusal(const State& state, std::string_view why, const std::string& name = "web1") {
    const std::string text = refusal(state, name);
    EXPECT_NE(text.find(why), std::string::npos) << text;
  }

  Authors authors_;
  Network network_;
  Anchor anchor_;
};

std::vector<std::string> names_of(const Verified& verified) {
  std::vector<std::string> names;
  for (const KnownHost& peer : verified.peers) {
    names.push_back(peer.binding.name);
  }
  return names;
}

const KnownRule* rule_of(const Verified& verified, std::string_view name) {
  const auto found = std::ranges::find(verified.rules, name, &KnownRule::name);
  return found == verified.rules.end() ? nullptr : &*found;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST_F(VerifyTest, GivesAHostItsPeersAndTheRulesThatConcernIt) {
  const Verified web = accepted("web1");
  EXPECT_EQ(web.self.binding, *network_.hosts_book.find("web1"));
  EXPECT_EQ(names_of(web), (std::vector<std::string>{"db1", "jump1"}));
  ASSERT_NE(rule_of(web, "web to db"), nullptr);
  EXPECT_EQ(rule_of(web, "web to db")->pairs, (Pairs{{"web", "db"}}));
  EXPECT_TRUE(rule_of(web, "web to db")->as.log);
  ASSERT_NE(rule_of(web, "no telnet for web"), nullptr);
  EXPECT_EQ(rule_of(web, "no telnet for web")->pairs, (Pairs{{"web", "*"}}));
  EXPECT_EQ(rule_of(web, "no telnet for web")->as.action, model::Action::deny);
  EXPECT_EQ(rule_of(web, "not to db by night"), nullptr);
  EXPECT_EQ(web.revision(), 2U);
  const std::map<std::string, std::uint32_t> tags(web.identities.begin(), web.identities.end());
  EXPECT_EQ(tags.at("db"), 77U);
}

TEST_F(VerifyTest, GivesAGatewayTheRulesOfTheNetworkBehindIt) {
  const Verified gateway = accepted("gate1");
  EXPECT_EQ(names_of(gateway), (std::vector<std::string>{"db1", "jump1"}));
  ASSERT_NE(rule_of(gateway, "not to db by night"), nullptr);
  EXPECT_EQ(rule_of(gateway, "not to db by night")->pairs, (Pairs{{"office", "db"}}));
}

TEST_F(VerifyTest, TellsWhoTalksWithNobodyOfNobody) { EXPECT_TRUE(accepted("lonely1").peers.empty()); }

TEST_F(VerifyTest, GoesOnFromWhatItHasSeen) {
  anchor_ = accepted("web1").anchor;
  EXPECT_EQ(accepted("web1").revision(), 2U) << "the same once more";
  const State former = state("web1");
  authors_.set_policy(network_, kPolicy);
  EXPECT_EQ(accepted("web1").revision(), 3U);
  anchor_ = accepted("web1").anchor;
  expect_refusal(former, "the rules are those of revision 1, and this host has seen 3");
  EXPECT_EQ(refusal(former, "web1", true), "accepted") << "somebody on the host has said so";
}

TEST_F(VerifyTest, RefusesAnotherContentOfARevision) {
  anchor_ = accepted("web1").anchor;
  network_.hosts_book.remove("lonely1");
  Authors other;
  other.set_policy(network_, kPolicy);
  other.sign_hosts(network_);
  expect_refusal(state("web1"), "the hosts of revision 2 are not those that this host has seen");
}

TEST_F(VerifyTest, RefusesRevisionsThatDoNotBelongTogether) {
  const State former = state("web1");
  network_.hosts_book.remove("jump1");
  authors_.sign_hosts(network_);
  authors_.set_policy(network_, kPolicy);
  State mixed = state("web1");
  mixed.hosts = former.hosts;
  mixed.hosts_part = former.hosts_part;
  expect_refusal(mixed, "the hosts of revision 2 and the rules of revision 4 do not belong together");
}

TEST_F(VerifyTest, TakesASignatureOnlyFromWhoMayGiveIt) {
  authors_.set_policy(network_, kPolicy, kPolicyAdmin);
  EXPECT_EQ(refusal(state("web1")), "accepted");
  authors_.sign_hosts(network_, kPolicyAdmin);
  expect_refusal(state("web1"), "the hosts are not signed by an administrator who may");
  authors_.sign_hosts(network_);
  authors_.set_policy(network_, kPolicy, kReader);
  expect_refusal(state("web1"), "the policy is not signed by an administrator who may");
  authors_.set_policy(network_, kPolicy, 99);
  expect_refusal(state("web1"), "the policy is not signed by an administrator who may");
}

TEST_F(VerifyTest, RefusesAStatementThatWasChanged) {
  State changed = state("web1");
  changed.hosts.value.made_s += 1;
  expect_refusal(changed, "the hosts are not signed");
  // Signed by one administrator, and said to be by another.
  changed = state("web1");
  changed.policy.signer = key_of(kPolicyAdmin).verify_key();
  expect_refusal(changed, "the policy is not signed");
}

TEST_F(VerifyTest, RefusesAPartOfAnotherTree) {
  State changed = state("web1");
  changed.policy_part = Part();
  expect_refusal(changed, "the identities are not those under the signed root");
  changed = state("web1");
  network_.hosts_book.remove("jump1");
  changed.hosts_part = part_of(network_.hosts_book.tree(), {host_place("web1"), host_place("db1")});
  expect_refusal(changed, "the hosts are not those under the signed root");
}

TEST_F(VerifyTest, NoticesARuleThatIsLeftOut) {
  const Tree& row = network_.policy_book.rows().at("web");
  State changed = state("web1");
  changed.rows.at("web") = part_of(row, {pair_place("db")});
  expect_refusal(changed, "rules of web were left out");
  changed = state("web1");
  changed.rows.erase("*");
  expect_refusal(changed, "the rules of * are not those under the signed root");
  changed = state("web1");
  Tree without_denial = row;
  without_denial.erase(pair_place("*"));
  changed.rows.at("web") = whole_of(without_denial);
  expect_refusal(changed, "the rules of web are not those under the signed root");
  changed = state("web1");
  changed.rows.at("web") = whole_of(network_.policy_book.rows().at("db"));
  expect_refusal(changed, "the rules of web are not those under the signed root");
}

TEST_F(VerifyTest, RefusesARowThatIsNotItsOwn) {
  State changed = state("web1");
  changed.rows.emplace("db", whole_of(network_.policy_book.rows().at("db")));
  expect_refusal(changed, "identities that are not this host's");
}

TEST_F(VerifyTest, HidesNoSettings) {
  State changed = state("web1");
  changed.policy_part = part_of(network_.policy_book.tree(), {identity_place("web"), identity_place("*"),
                                                              identity_place("db"), identity_place("jump")});
  expect_refusal(changed, "the settings are not shown");
}

// Neither may a coordinator turn the keys of pairs off, nor on.
TEST_F(VerifyTest, TakesSettingsAsTheyWereSigned) {
  for (const bool is_on : {false, true}) {
    authors_.set_policy(network_, (is_on ? "preshared_keys = true\n" : "") + std::string(kPolicy));
    const auto verified = verify_state(state("web1"), anchor_, asker(network_, "web1"));
    ASSERT_TRUE(verified) << verified.error().text();
    EXPECT_EQ(verified->settings.preshared_keys, is_on);
    Tree flipped = network_.policy_book.tree();
    flipped.put(settings_place(), encode(Settings{.lease_s = 0, .preshared_keys = !is_on}));
    State changed = state("web1");
    changed.policy_part = whole_of(flipped);
    expect_refusal(changed, "the identities are not those under the signed root");
    flipped.erase(settings_place());
    changed.policy_part = whole_of(flipped);
    expect_refusal(changed, "the identities are not those under the signed root");
  }
}

TEST_F(VerifyTest, KnowsWhenItIsNoHostAnyMore) {
  network_.hosts_book.remove("web2");
  authors_.sign_hosts(network_);
  State without = state("web1");
  const Asker who{.name = "web2", .key = wireguard_key(12)};
  without.hosts_part = part_of(network_.hosts_book.tree(), {host_place("web2")});
  auto verdict = verify_state(without, anchor_, who);
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().text().find("web2 is not one of the hosts any more"), std::string::npos);
  without.hosts_part = part_of(network_.hosts_book.tree(), {});
  verdict = verify_state(without, anchor_, who);
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().text().find("it does not show this host, web2"), std::string::npos);
}

TEST_F(VerifyTest, RefusesABindingToAnotherKey) {
  HostBinding other = *network_.hosts_book.find("web1");
  other.key = wireguard_key(99);
  ASSERT_TRUE(network_.hosts_book.put(other));
  authors_.sign_hosts(network_);
  const auto verdict = verify_state(state("web1"), anchor_, {.name = "web1", .key = wireguard_key(11)});
  ASSERT_FALSE(verdict);
  EXPECT_NE(verdict.error().text().find("web1 is bound to the key"), std::string::npos);
}

TEST_F(VerifyTest, FollowsTheAdministrators) {
  AdminList next = authors_.list();
  next.version = 2;
  std::erase_if(next.administrators, [](const auto& one) { return one.role != Role::admin; });
  next.administrators.push_back({key_of(40).verify_key(), Role::admin, "bob"});
  std::ranges::sort(next.administrators, {}, &Administrator::key);
  network_.lists.push_back(sign(next, key_of(kAdmin)));
  AdminList last = next;
  last.version = 3;
  last.administrators = {{key_of(40).verify_key(), Role::admin, "bob"}};
  network_.lists.push_back(sign(last, key_of(40)));
  expect_refusal(state("web1"), "the hosts are not signed by an administrator who may");
  authors_.set_policy(network_, kPolicy, 40);
  authors_.sign_hosts(network_, 40);
  const Verified verified = accepted("web1");
  EXPECT_EQ(verified.anchor.list.value, last);

  State gap = state("web1");
  gap.lists.erase(gap.lists.begin());
  expect_refusal(gap, "the list of administrators 2 is missing");
  State forged = state("web1");
  forged.lists[0] = sign(next, key_of(kPolicyAdmin));
  expect_refusal(forged, "not signed by an admin of the one before");
  // Of the list that they are on themselves only.
  forged.lists[0] = sign(next, key_of(40));
  expect_refusal(forged, "not signed by an admin of the one before");

  anchor_ = verified.anchor;
  EXPECT_EQ(refusal(state("web1")), "accepted");
  State older = state("web1");
  older.lists = network_.lists;
  EXPECT_EQ(refusal(older), "accepted") << "lists that it has seen";
  last.administrators[0].name = "mallory";
  older.lists[2] = sign(last, key_of(40));
  expect_refusal(older, "there are two lists of administrators of version 3");
}

TEST_F(VerifyTest, TakesAHostThatCameWithAToken) {
  const HostBinding binding = host("web9", "web", 20);
  network_.joined.emplace("web9", authors_.joined(binding, authors_.grant()));
  EXPECT_EQ(names_of(accepted("db1")), (std::vector<std::string>{"gate1", "jump1", "web1", "web2", "web9"}));
  const auto verdict = verify_state(state("web9"), anchor_, {.name = "web9", .key = wireguard_key(20)});
  ASSERT_TRUE(verdict) << verdict.error().text();
  EXPECT_TRUE(verdict->self.joined);
  const Verified db = accepted("db1");
  const auto found = std::ranges::find(db.peers, "web9", [](const KnownHost& peer) { return peer.binding.name; });
  ASSERT_NE(found, db.peers.end());
  EXPECT_TRUE(found->joined);
  EXPECT_EQ(found->binding, binding);
}

TEST_F(VerifyTest, RefusesAHostWhoseTokenDoesNotVouchForIt) {
  // With the proofs that there is nothing against it, or something.
  const auto with = [&](const Joined& joined) {
    State changed = state("db1");
    const HostBinding& binding = joined.host.value.binding;
    std::vector<Key> keys{host_place("db1"),
                          host_place("web1"),
                          host_place("web9"),
                          host_place(binding.name),
                          removed_place(grant_id(joined.grant)),
                          removed_place(joined_id(joined.host))};
    for (const common::Ip& address : binding.addresses) {
      keys.push_back(address_place(address));
    }
    for (const char* name : {"web7", "web8"}) {
      const Joined other = authors_.joined(host(name, "web", name[3] == '8' ? 21 : 22), joined.grant.value);
      keys.push_back(host_place(name));
      keys.push_back(removed_place(joined_id(other.host)));
      keys.push_back(address_place(other.host.value.binding.addresses[0]));
      keys.push_back(address_place(other.host.value.binding.addresses[1]));
    }
    changed.hosts_part = part_of(network_.hosts_book.tree(), keys);
    changed.joined = {joined};
    return changed;
  };
  const Grant grant = authors_.grant();
  const HostBinding good = host("web9", "web", 20);
  EXPECT_EQ(refusal(with(authors_.joined(good, grant)), "db1"), "accepted");

  HostBinding lies = good;
  lies.identity = "jump";
  expect_refusal(with(authors_.joined(lies, grant)), "the token is for web, not for jump", "db1");
  lies = good;
  lies.addresses = {ip("10.91.0.20")};
  expect_refusal(with(authors_.joined(lies, grant)), "its address 10.91.0.20 is not one of the token's", "db1");
  Grant everything = grant;
  everything.pools = {*common::Prefix::parse("0.0.0.0/0")};
  lies.addresses = {ip("8.8.8.8")};
  expect_refusal(with(authors_.joined(lies, everything)), "its address 8.8.8.8 is not a private network's", "db1");
  lies.addresses = {ip("10.90.0.11")};
  expect_refusal(with(authors_.joined(lies, grant)), "its address 10.90.0.11 is taken", "db1");
  lies = good;
  lies.routes = {{*common::Prefix::parse("10.20.0.0/16"), "office"}};
  expect_refusal(with(authors_.joined(lies, grant)), "its routes are not those of the token", "db1");
  lies = good;
  lies.name = "web1";
  expect_refusal(with(authors_.joined(lies, grant)), "an administrator's host has that name", "db1");
  lies = good;
  lies.key = wireguard_key(11);
  expect_refusal(with(authors_.joined(lies, grant)), "has the key of another host", "db1");

  Joined forged = authors_.joined(good, grant);
  forged.grant = sign(grant, key_of(kPolicyAdmin));
  expect_refusal(with(forged), "not signed by an admin of this network", "db1");
  forged = authors_.joined(good, grant);
  forged.host = sign(forged.host.value, key_of(20));
  expect_refusal(with(forged), "the token did not sign for it", "db1");
  Grant wider = grant;
  wider.identity = "jump";
  forged = authors_.joined(good, grant);
  forged.grant.value = wider;
  expect_refusal(with(forged), "not signed by an admin of this network", "db1");
  forged = authors_.joined(good, grant);
  JoinedHost late = forged.host.value;
  late.made_s = 5001;
  forged.host = sign(late, key_of(kToken));
  expect_refusal(with(forged), "the token was not valid then", "db1");

  State many = with(authors_.joined(good, grant));
  many.joined.push_back(authors_.joined(host("web8", "web", 21), grant));
  many.joined.push_back(authors_.joined(host("web7", "web", 22), grant));
  std::ranges::sort(many.joined, {}, [](const Joined& one) { return one.host.value.binding.name; });
  expect_refusal(many, "more hosts than the 2 that it may", "db1");

  HostBinding same_address = host("web8", "web", 21);
  same_address.addresses = good.addresses;
  State twice = with(authors_.joined(same_address, grant));
  twice.hosts_part = whole_of(network_.hosts_book.tree());
  twice.joined.push_back(authors_.joined(good, grant));
  expect_refusal(twice, "has the address 10.90.0.20 of another host", "db1");
}

TEST_F(VerifyTest, NoticesThatATokenOrAHostWasTakenBack) {
  const Joined joined = authors_.joined(host("web9", "web", 20), authors_.grant());
  network_.joined.emplace("web9", joined);
  const State before = state("db1");
  ASSERT_EQ(before.joined.size(), 1U);
  network_.hosts_book.take_back(grant_id(joined.grant));
  authors_.sign_hosts(network_);
  EXPECT_TRUE(state("db1").joined.empty());
  State lie = state("db1");
  lie.joined = {joined};
  lie.hosts_part = part_of(network_.hosts_book.tree(), {host_place("db1"), removed_place(grant_id(joined.grant))});
  expect_refusal(lie, "the token was taken back", "db1");
  lie.hosts_part = part_of(network_.hosts_book.tree(), {host_place("db1")});
  expect_refusal(lie, "it is not shown whether the token was taken back", "db1");
}

TEST_F(VerifyTest, FollowsAHostsOwnKeys) {
  const auto change = [&](std::uint64_t serial, std::uint8_t key) {
    return sign(KeyChange{.network = authors_.list().network,
                          .host = "web1",
                          .serial = serial,
                          .key = wireguard_key(key),
                          .next_key = {}},
                key_of(11));
  };
  const State before = state("db1");
  network_.key_changes.emplace("web1", change(1, 50));
  const Verified verified = accepted("db1");
  const auto web1 = std::ranges::find(verified.peers, "web1", [](const KnownHost& peer) { return peer.binding.name; });
  ASSERT_NE(web1, verified.peers.end());
  EXPECT_EQ(web1->binding.key, wireguard_key(50));
  anchor_ = verified.anchor;
  expect_refusal(before, "the key of web1 is older than the one that this host has seen", "db1");

  State forged = state("db1");
  forged.key_changes = {sign(change(2, 51).value, key_of(12))};
  expect_refusal(forged, "the new key of web1 is not signed by that host", "db1");
  forged.key_changes = {change(2, 13)};
  expect_refusal(forged, "has the key of another host", "db1");
  forged.key_changes = {change(0, 51)};
  expect_refusal(forged, "one that an administrator has replaced", "db1");

  // An administrator's word is the last.
  HostBinding replaced = *network_.hosts_book.find("web1");
  replaced.key = wireguard_key(52);
  replaced.key_serial = 2;
  ASSERT_TRUE(network_.hosts_book.put(replaced));
  authors_.sign_hosts(network_);
  EXPECT_TRUE(state("db1").key_changes.empty());
  EXPECT_EQ(refusal(state("db1"), "db1"), "accepted");
}

TEST_F(VerifyTest, SendsWhatHasChanged) {
  for (int i = 0; i < 200; ++i) {
    HostBinding many = host("web" + std::to_string(100 + i), "web", 20);
    many.key.fill(0);
    many.key[0] = static_cast<std::uint8_t>(i);
    many.key[1] = 1;
    many.addresses = {ip("10.90.1." + std::to_string(i))};
    ASSERT_TRUE(network_.hosts_book.put(many));
  }
  authors_.sign_hosts(network_);
  const State before = state("db1");
  ASSERT_TRUE(network_.hosts_book.put(host("web3", "web", 30)));
  authors_.sign_hosts(network_);
  State after = state("db1");
  after.advice = {{.host = "web3", .endpoint = common::Endpoint{ip("192.0.2.3"), 51820}, .keepalive_s = 25}};
  const Bytes delta = encode_state(after, &before);
  EXPECT_GT(encode_state(after).size(), 20'000U);
  EXPECT_LT(delta.size(), 1500U);
  const auto read = parse_state(delta, &before);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(encode_state(*read), encode_state(after));
  const auto verdict = judge(*read, "db1");
  ASSERT_TRUE(verdict) << verdict.error().text();
  const auto web3 = std::ranges::find(verdict->peers, "web3", [](const KnownHost& peer) { return peer.binding.name; });
  ASSERT_NE(web3, verdict->peers.end());
  EXPECT_EQ(web3->keepalive_s, 25);
}

TEST_F(VerifyTest, SaysWhoMayJoin) {
  const AdminList list = authors_.list();
  const Grant grant = authors_.grant();
  const Joined joined = authors_.joined(host("web9", "web", 20), grant);
  const auto why = [&](std::int64_t now_s) {
    const auto may = check_join(joined.grant, joined.host, list, network_.hosts_book, now_s);
    return may ? "" : may.error().text();
  };
  EXPECT_EQ(why(3000), "");
  EXPECT_NE(why(5001).find("expired"), std::string::npos);
  network_.hosts_book.take_back(joined_id(joined.host));
  EXPECT_NE(why(3000).find("taken back"), std::string::npos);
}

// What an administrator asks before it signs over a book that a coordinator shows.
TEST_F(VerifyTest, GoesOnFromStatementsAlone) {
  const auto follow = [&](const Network& network) {
    return follow_statements(anchor_, {network.lists, network.hosts, network.policy});
  };
  const auto next = follow(network_);
  ASSERT_TRUE(next) << next.error().text();
  EXPECT_EQ(next->hosts_root, network_.hosts_book.root());
  Network forged = network_;
  AdminList list = authors_.list();
  list.administrators = {{key_of(66).verify_key(), Role::admin, "mallory"}};
  forged.lists = {sign(list, key_of(66))};
  forged.hosts = sign(network_.hosts.value, key_of(66));
  const auto refused = follow(forged);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("there are two lists of administrators of version 1"), std::string::npos);
  forged.lists.clear();
  const auto unsigned_by_admin = follow(forged);
  ASSERT_FALSE(unsigned_by_admin);
  EXPECT_NE(unsigned_by_admin.error().text().find("the hosts are not signed"), std::string::npos);
}

TEST_F(VerifyTest, KeepsItsBooks) {
  network_.hosts_book.take_back(crypto::hash_of("krait test", "a token"));
  const auto hosts = HostsBook::load(network_.hosts_book.save());
  ASSERT_TRUE(hosts) << hosts.error().text();
  EXPECT_EQ(hosts->root(), network_.hosts_book.root());
  EXPECT_EQ(hosts->save(), network_.hosts_book.save());
  const auto rules = PolicyBook::load(network_.policy_book.save());
  ASSERT_TRUE(rules) << rules.error().text();
  EXPECT_EQ(rules->root(), network_.policy_book.root());
  EXPECT_EQ(rules->save(), network_.policy_book.save());
  EXPECT_TRUE(rules->may_talk("db", "web"));
  EXPECT_FALSE(rules->may_talk("lonely", "web"));
  HostBinding thief = host("thief", "web", 30);
  thief.addresses = {ip("10.90.0.11")};
  const auto taken = network_.hosts_book.put(thief);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().text().find("the address 10.90.0.11 of thief is that of web1"), std::string::npos);
}

}  // namespace
}  // namespace krait::trust
