#include <gtest/gtest.h>

#include "krait/doctor/facts_by_hand.h"

namespace krait::doctor {
namespace {

TEST(CheckEndpointsTest, NamesUnreachableOnesAndLoops) {
  Facts facts = facts_by_hand();
  facts.network.endpoints[0].way.index = kWg0;
  EXPECT_TRUE(speaks_of(only(check_endpoints(facts)).found, "through wg0 itself"));
  facts.network.endpoints[0].way.reachable = false;
  EXPECT_TRUE(speaks_of(only(check_endpoints(facts)).found, "no route to the endpoint 192.0.2.1:51820 (web)"));
}

TEST(CheckAddressesTest, NamesASecondHolder) {
  Facts facts = facts_by_hand();
  facts.network.addresses.push_back(address_by_hand(kEth0, "10.90.0.2/32"));
  EXPECT_EQ(only(check_addresses(facts)).grade, Grade::problem);
}

TEST(CheckAddressesTest, NamesANetworkThatHoldsOverlayAddresses) {
  Facts facts = facts_by_hand();
  facts.network.addresses.push_back(address_by_hand(kEth0, "10.90.0.77/24"));
  EXPECT_EQ(only(check_addresses(facts)).grade, Grade::warning);
  facts = facts_by_hand();
  facts.network.addresses.push_back(address_by_hand(kEth0, "10.20.9.9/32"));
  EXPECT_TRUE(speaks_of(only(check_addresses(facts)).found, "10.20.0.0/16"));
}

TEST(CheckRoutesTest, NamesARouteInsideANetworkOfAPeer) {
  Facts facts = facts_by_hand();
  facts.network.routes.push_back(route_by_hand(254, "10.20.7.0/24", kEth0));
  EXPECT_EQ(only(check_routes(facts)).found,
            "the route 10.20.7.0/24 through eth0 takes a part of 10.20.0.0/16, which is behind a peer");
}

TEST(CheckRoutesTest, NamesARouteOfTheSamePrefixWithABetterMetric) {
  Facts facts = facts_by_hand();
  facts.network.routes[1].metric = 100;
  facts.network.routes.push_back(route_by_hand(254, "10.90.0.1/32", kEth0));
  EXPECT_EQ(only(check_routes(facts)).grade, Grade::problem);
  facts.network.routes.back().metric = 200;
  EXPECT_EQ(only(check_routes(facts)).grade, Grade::ok);
}

TEST(CheckRoutesTest, MissesARouteOfOurs) {
  Facts facts = facts_by_hand();
  facts.network.routes.erase(facts.network.routes.begin() + 1);
  EXPECT_EQ(only(check_routes(facts)).found, "the default route through eth0 takes 10.90.0.1/32 instead of wg0");
}

TEST(CheckRoutesTest, FollowsARuleForEverythingToItsTable) {
  Facts facts = facts_by_hand();
  facts.network.rules.insert(facts.network.rules.begin() + 1, rule_by_hand(100, 200));
  EXPECT_EQ(only(check_routes(facts)).grade, Grade::ok) << "an empty table";
  facts.network.routes.push_back(route_by_hand(200, "0.0.0.0/0", kEth0));
  EXPECT_EQ(check_routes(facts).size(), 2U);
  EXPECT_TRUE(speaks_of(check_routes(facts)[0].found,
                        "the routing rule 100 and the default route through eth0 of table "
                        "200 takes 10."));
  facts.network.rules[1].suppressed_length = 0;
  EXPECT_EQ(only(check_routes(facts)).grade, Grade::ok) << "its default route is suppressed";
}

TEST(CheckRoutesTest, WarnsOfARuleForSomePackets) {
  Facts facts = facts_by_hand();
  facts.network.rules.insert(facts.network.rules.begin() + 1, rule_by_hand(100, 200));
  facts.network.rules[1].source = prefix("192.168.0.0/16");
  facts.network.routes.push_back(route_by_hand(200, "0.0.0.0/0", kEth0));
  EXPECT_EQ(check_routes(facts)[0].grade, Grade::warning);
  facts.network.rules[1].source = prefix("10.90.0.2/32");  // our own address
  EXPECT_EQ(check_routes(facts)[0].grade, Grade::problem);
  facts.network.rules[1].destination = prefix("203.0.113.0/24");
  EXPECT_EQ(only(check_routes(facts)).grade, Grade::ok) << "not where the overlay is";
}

TEST(CheckRoutesTest, NamesARuleThatRefuses) {
  Facts facts = facts_by_hand();
  auto rule = rule_by_hand(50, 0);
  rule.action = netlink::RuleAction::refuse;
  rule.destination = prefix("10.90.0.0/24");
  facts.network.rules.insert(facts.network.rules.begin() + 1, rule);
  EXPECT_EQ(only(check_routes(facts)).found, "the routing rule 50 refuses 10.90.0.1/32");
}

}  // namespace
}  // namespace krait::doctor
