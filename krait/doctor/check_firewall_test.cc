// The rules here are written as libnftables 1.0.6 wrote them for the commands in the comments.
#include <gtest/gtest.h>

#include "krait/doctor/dropped_by.h"
#include "krait/doctor/facts_by_hand.h"

namespace krait::doctor {
namespace {

struct Made {
  std::string family = "inet";
  std::string table = "filter";
  std::string text;

  Made& chain(const std::string& name, const std::string& hook = "", const std::string& policy = "accept") {
    text += R"(,{"chain":{"family":")" + family + R"(","table":")" + table + R"(","name":")" + name + "\"";
    if (!hook.empty()) {
      text += R"(,"type":"filter","hook":")" + hook + R"(","prio":0,"policy":")" + policy + "\"";
    }
    text += "}}";
    return *this;
  }
  Made& rule(const std::string& chain_name, const std::string& expressions) {
    text += R"(,{"rule":{"family":")" + family + R"(","table":")" + table + R"(","chain":")" + chain_name +
            R"(","expr":[)" + expressions + "]}}";
    return *this;
  }
  Made& set(const std::string& name, const std::string& elements) {
    text += R"(,{"set":{"family":")" + family + R"(","table":")" + table + R"(","name":")" + name + R"(","elem":[)" +
            elements + "]}}";
    return *this;
  }
  [[nodiscard]] Ruleset ruleset() const {
    auto parsed = parse_ruleset(R"({"nftables":[{"metainfo":{}})" + text + "]}");
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Ruleset{};
  }
};

// EXPR of "FIELD == RIGHT".
std::string match(const std::string& left, const std::string& right, const std::string& op = "==") {
  return R"({"match":{"op":")" + op + R"(","left":)" + left + R"(,"right":)" + right + "}},";
}
const std::string kUdpPort = R"({"payload":{"protocol":"udp","field":"dport"}})";
const std::string kTcpPort = R"({"payload":{"protocol":"tcp","field":"dport"}})";
const std::string kIn = R"({"meta":{"key":"iifname"}})";
const std::string kState = R"({"ct":{"key":"state"}})";
const std::string kAccept = R"({"accept":null})";
const std::string kDrop = R"({"drop":null})";

// A chain on input that drops what `expressions` does not accept.
Made closed(const std::string& expressions = "") {
  Made made;
  made.chain("input", "input", "drop");
  if (!expressions.empty()) {
    made.rule("input", expressions);
  }
  return made;
}

Finding port_finding(const Made& made) {
  Facts facts = facts_by_hand();
  facts.firewall.ruleset = made.ruleset();
  return only(check_firewall_port(facts));
}
bool drops_port(const Made& made) { return port_finding(made).grade == Grade::problem; }

TEST(FirewallPortTest, APolicyOfDropDropsIt) {
  const Finding finding = port_finding(closed());
  EXPECT_EQ(finding.grade, Grade::problem);
  EXPECT_TRUE(speaks_of(finding.found, "chain input of table inet filter")) << finding.found;
  EXPECT_EQ(finding.hint, "nft insert rule inet filter input udp dport 51820 accept");
}

TEST(FirewallPortTest, OneRuleOpensIt) {
  EXPECT_FALSE(drops_port(closed(match(kUdpPort, "51820") + kAccept)));
  EXPECT_FALSE(drops_port(closed(match(kUdpPort, R"({"range":[51000,52000]})") + kAccept)));
  EXPECT_FALSE(drops_port(closed(match(kUdpPort, R"({"set":[53,51820]})") + kAccept)));
  EXPECT_FALSE(drops_port(closed(match(R"({"meta":{"key":"l4proto"}})", R"("udp")") + kAccept)));
  EXPECT_FALSE(drops_port(closed(match(R"({"payload":{"protocol":"th","field":"dport"}})", "51820") + kAccept)));
  EXPECT_FALSE(drops_port(closed(match(kIn, R"("eth*")") + kAccept)));
}

TEST(FirewallPortTest, WhatIsForOthersDoesNotOpenIt) {
  EXPECT_TRUE(drops_port(closed(match(kUdpPort, "51821") + kAccept)));
  EXPECT_TRUE(drops_port(closed(match(kUdpPort, "51820", "!=") + kAccept)));
  EXPECT_TRUE(drops_port(closed(match(kTcpPort, "51820") + kAccept)));
  EXPECT_TRUE(drops_port(closed(match(kIn, R"("lo")") + kAccept)));
  EXPECT_TRUE(drops_port(closed(match(kState, R"(["established","related"])", "in") + kAccept)));
  EXPECT_TRUE(drops_port(closed(R"({"xt":{"type":"match","name":"conntrack"}},)" + kAccept))) << "names no port";
}

TEST(FirewallPortTest, AConditionThatIsNotKnownIsTakenForTheBetter) {
  const std::string source = match(R"({"payload":{"protocol":"ip","field":"saddr"}})", R"("192.0.2.1")");
  EXPECT_FALSE(drops_port(closed(source + match(kUdpPort, "51820") + kAccept)));
  Made made;
  made.chain("input", "input").rule("input", source + kDrop);
  EXPECT_FALSE(drops_port(made));
}

// ufw's chain ufw-not-local: what is for this host returns (xt addrtype, which is not known), the rest is dropped.
TEST(FirewallPortTest, AReturnThatIsNotKnownIsTaken) {
  Made made;
  made.chain("input", "input", "accept").chain("not-local");
  made.rule("input", R"({"jump":{"target":"not-local"}})");
  made.rule("not-local", R"({"xt":{"type":"match","name":"addrtype"}},{"return":null})").rule("not-local", kDrop);
  EXPECT_FALSE(drops_port(made));
}

TEST(FirewallPortTest, FollowsJumpsSetsAndMaps) {
  Made made;
  made.chain("input", "input", "drop").chain("mesh").set("ports", "22,{\"range\":[51800,51900]}");
  made.rule("input", R"({"jump":{"target":"mesh"}})").rule("mesh", match(kUdpPort, R"("@ports")") + kAccept);
  EXPECT_FALSE(drops_port(made));
  made.text.replace(made.text.find("51800"), 5, "51850");
  EXPECT_TRUE(drops_port(made));
  EXPECT_FALSE(drops_port(closed(R"({"vmap":{"key":)" + kState + R"(,"data":{"set":[["established",{"drop":null}],)" +
                                 R"(["new",{"accept":null}]]}}})")));
  EXPECT_TRUE(
      drops_port(closed(R"({"vmap":{"key":)" + kState + R"(,"data":{"set":[["established",{"accept":null}]]}}})")));
}

TEST(FirewallPortTest, ADropBeforeTheAcceptWins) {
  Made made;
  made.chain("input", "input", "accept");
  made.rule("input", match(kUdpPort, "51820") + R"({"reject":null})").rule("input", match(kUdpPort, "51820") + kAccept);
  EXPECT_TRUE(drops_port(made));
}

TEST(FirewallPortTest, EveryTableMustLetItPass) {
  Made made = closed(match(kUdpPort, "51820") + kAccept);
  made.table = "other";
  made.chain("late", "input", "drop");
  EXPECT_TRUE(speaks_of(port_finding(made).found, "chain late of table inet other"));
}

TEST(FirewallPortTest, OtherFamiliesAndHooksDoNotMatter) {
  Made made;
  made.family = "ip6";
  made.chain("input", "input", "drop");
  EXPECT_FALSE(drops_port(made)) << "the endpoint is IPv4";
  Made output;
  output.chain("output", "output", "drop");
  EXPECT_FALSE(drops_port(output));
}

TEST(FirewallPortTest, TheMendIsTheOwners) {
  Made ufw;
  ufw.family = "ip";
  ufw.chain("INPUT", "input", "drop")
      .chain("ufw-before-input")
      .rule("INPUT", R"({"jump":{"target":"ufw-before-input"}})");
  EXPECT_EQ(port_finding(ufw).hint, "ufw allow 51820/udp");
  Made iptables;
  iptables.family = "ip";
  iptables.chain("INPUT", "input").rule("INPUT", R"({"counter":{}},{"xt":{"type":"target","name":"REJECT"}})");
  EXPECT_EQ(port_finding(iptables).hint, "iptables -I INPUT -p udp --dport 51820 -j ACCEPT");
  Made firewalld;
  firewalld.table = "firewalld";
  firewalld.chain("filter_INPUT", "input")
      .rule("filter_INPUT", R"({"reject":{"type":"icmpx","expr":"admin-prohibited"}})");
  EXPECT_TRUE(speaks_of(port_finding(firewalld).hint, "firewall-cmd --permanent --add-port=51820/udp"));
}

TEST(FirewallPortTest, SaysWhatItCannotSee) {
  Facts facts = facts_by_hand();
  facts.firewall.legacy_tables = true;
  EXPECT_EQ(only(check_firewall_port(facts)).grade, Grade::warning);
  facts.firewall.ruleset.reset();
  facts.firewall.error = "not permitted";
  EXPECT_EQ(only(check_firewall_port(facts)).grade, Grade::skipped);
  EXPECT_FALSE(parse_ruleset("nonsense"));
}

Finding input_finding(const Made& made) {
  Facts facts = facts_by_hand();
  facts.firewall.ruleset = made.ruleset();
  return only(check_firewall_input(facts));
}

TEST(FirewallInputTest, WhatThePolicyLetsInMustPassBehindUs) {
  const Finding finding = input_finding(closed());
  EXPECT_EQ(finding.grade, Grade::warning);
  EXPECT_TRUE(speaks_of(finding.found, "the policy lets tcp/5432 in")) << finding.found;
  EXPECT_EQ(finding.hint, "nft insert rule inet filter input iifname wg0 accept");
  EXPECT_EQ(input_finding(closed(match(kIn, R"("wg0")") + kAccept)).grade, Grade::ok);
  EXPECT_EQ(input_finding(closed(match(kTcpPort, "5432") + kAccept)).grade, Grade::ok) << "that is all that is open";
}

// ufw accepts pings by a match of iptables-nft's that libnftables cannot show.
TEST(FirewallInputTest, TakesAMatchOnIcmpForTheBetter) {
  Facts facts = facts_by_hand();
  facts.config.policy->rules[0].selectors = {{196608 + 8, 196608 + 8}};
  facts.firewall.ruleset = closed(match(R"({"meta":{"key":"l4proto"}})", R"("icmp")") +
                                  R"({"xt":{"type":"match","name":"icmp"}},)" + kAccept)
                               .ruleset();
  EXPECT_EQ(only(check_firewall_input(facts)).grade, Grade::ok);
}

TEST(FirewallInputTest, LooksAtTheHardestPortOfARange) {
  Facts facts = facts_by_hand();
  facts.config.policy->rules[0].selectors = {{0, 65535}};
  facts.firewall.ruleset = closed(match(kTcpPort, "22") + kAccept).ruleset();
  EXPECT_TRUE(speaks_of(only(check_firewall_input(facts)).found, "tcp/65535"));
}

Finding forward_finding(const Made& made) {
  Facts facts = facts_by_hand();
  facts.firewall.ruleset = made.ruleset();
  return only(check_firewall_forward(facts));
}

TEST(FirewallForwardTest, DockersPolicyDropsWhatIsRouted) {
  Made docker;
  docker.family = "ip";
  docker.chain("FORWARD", "forward", "drop")
      .chain("DOCKER-USER")
      .rule("FORWARD", R"({"jump":{"target":"DOCKER-USER"}})");
  const Finding finding = forward_finding(docker);
  EXPECT_EQ(finding.grade, Grade::problem);
  EXPECT_EQ(finding.hint, "iptables -I DOCKER-USER -i wg0 -j ACCEPT && iptables -I DOCKER-USER -o wg0 -j ACCEPT");
  docker.rule("DOCKER-USER", match(kIn, R"("wg0")") + kAccept);
  EXPECT_TRUE(speaks_of(forward_finding(docker).found, "from 10.30.0.0/24")) << "one way is open";
  docker.rule("DOCKER-USER", match(R"({"meta":{"key":"oifname"}})", R"("wg0")") + kAccept);
  EXPECT_EQ(forward_finding(docker).grade, Grade::ok);
}

TEST(FirewallForwardTest, MattersWithANetworkBehindOnly) {
  Made made;
  made.chain("forward", "forward", "drop");
  Facts facts = facts_by_hand();
  facts.firewall.ruleset = made.ruleset();
  facts.config.mesh->host.routes.clear();
  EXPECT_EQ(only(check_firewall_forward(facts)).grade, Grade::ok);
}

// A condition that took all the steps there are is not known to fail, and its rule accepts.
TEST(CheckFirewallTest, SaysNothingOfRulesThatItCouldNotWalkToTheirEnd) {
  std::string itself = R"("@many")";
  for (int i = 1; i < 12; ++i) {
    itself += R"(,"@many")";
  }
  Made made = closed(match(kUdpPort, R"("@many")") + kAccept);
  made.set("many", itself);
  const Packet packet{.family = common::Family::v4,
                      .protocol = 17,
                      .port = 51820,
                      .icmp_type = {},
                      .source = {},
                      .destination = {},
                      .in = "eth0",
                      .out = {}};
  EXPECT_EQ(dropped_by(made.ruleset(), packet, "input"), nullptr);
}

}  // namespace
}  // namespace krait::doctor
