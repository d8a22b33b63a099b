#include <gtest/gtest.h>

#include "krait/doctor/facts_by_hand.h"

namespace krait::doctor {
namespace {

TEST(CheckInterfaceTest, WantsItThereUpAndWireguard) {
  Facts facts = facts_by_hand();
  facts.link.link->up = false;
  EXPECT_EQ(only(check_interface(facts)).hint, "ip link set wg0 up");
  facts.link.link->kind = "dummy";
  EXPECT_TRUE(speaks_of(only(check_interface(facts)).found, "dummy"));
  facts.link.link.reset();
  EXPECT_EQ(only(check_interface(facts)).grade, Grade::problem);
}

TEST(CheckInterfaceTest, SaysThatAStrangersIsLeftAlone) {
  Facts facts = facts_by_hand();
  facts.link.foreign = true;
  EXPECT_EQ(only(check_interface(facts)).grade, Grade::ok) << "the agent that answers would say so";
  facts.agent = {};
  EXPECT_EQ(only(check_interface(facts)).grade, Grade::problem);
  EXPECT_TRUE(speaks_of(only(check_interface(facts)).found, "krait did not make"));
  EXPECT_TRUE(speaks_of(only(check_interface(facts)).hint, "krait-agent --iface wg0"));
}

TEST(CheckInterfaceTest, NamesWhoManagesItToo) {
  for (const char* manager : {"systemd-networkd", "NetworkManager"}) {
    Facts facts = facts_by_hand();
    facts.link.manager = manager;
    EXPECT_EQ(only(check_interface(facts)).grade, Grade::warning);
    EXPECT_TRUE(speaks_of(only(check_interface(facts)).found, manager));
    facts.agent.mode = "guard";  // somebody has to
    EXPECT_EQ(only(check_interface(facts)).grade, Grade::ok);
  }
}

TEST(CheckInterfaceTest, WarnsOfThreadedNapiOnKernelsThatStallWithIt) {
  Facts facts = facts_by_hand();
  facts.link.threaded = true;
  facts.kernel.release = "6.1.0-38-amd64";
  EXPECT_EQ(only(check_interface(facts)).grade, Grade::warning);
  EXPECT_EQ(only(check_interface(facts)).hint, "echo 0 >/sys/class/net/wg0/threaded");
  facts.kernel.release = "6.16.0";
  EXPECT_EQ(only(check_interface(facts)).grade, Grade::ok);
}

TEST(CheckPortTest, TellsOursFromTakenOnes) {
  Facts facts = facts_by_hand();
  facts.link.listen_port = 4000;
  facts.port = {.used = true, .by_kernel = false, .process = "named"};
  EXPECT_EQ(only(check_port(facts)).found, "UDP port 51820 is taken by named");
  facts.port.by_kernel = true;
  EXPECT_TRUE(speaks_of(only(check_port(facts)).found, "another interface"));
  facts.port.used = false;
  EXPECT_TRUE(speaks_of(only(check_port(facts)).found, "4000"));
  facts.link.listen_port.reset();
  facts.port = {};
  EXPECT_TRUE(speaks_of(only(check_port(facts)).found, "free"));
}

TEST(CheckPortTest, WithoutPrivilegeNobodySeesWhoListens) {
  Facts facts = facts_by_hand();
  facts.root = false;
  facts.link.listen_port.reset();
  facts.port = {.used = true, .by_kernel = false, .process = ""};
  EXPECT_EQ(only(check_port(facts)).grade, Grade::skipped);
  facts.port = {.used = true, .by_kernel = false, .process = "named"};
  EXPECT_EQ(only(check_port(facts)).grade, Grade::problem);
}

TEST(CheckPortTest, ALinkThatIsDownDoesNotListen) {
  Facts facts = facts_by_hand();
  facts.link.link->up = false;
  facts.port = {.used = true, .by_kernel = false, .process = "named"};
  EXPECT_EQ(only(check_port(facts)).grade, Grade::problem);
}

TEST(CheckProgramsTest, NamesATcxProgramAheadAndOneBehind) {
  Facts facts = facts_by_hand();
  facts.link.tcx_ingress.insert(facts.link.tcx_ingress.begin(), {30, "sniffer", "00"});
  const Finding ahead = only(check_programs(facts));
  EXPECT_EQ(ahead.grade, Grade::problem);
  EXPECT_TRUE(speaks_of(ahead.found, "sniffer runs ahead of krait on wg0's ingress")) << ahead.found;
  facts = facts_by_hand();
  facts.link.tcx_egress.push_back({30, "sniffer", "00"});
  EXPECT_EQ(only(check_programs(facts)).grade, Grade::warning);
}

TEST(CheckProgramsTest, MissesOurProgramAndTheGuard) {
  Facts facts = facts_by_hand();
  facts.link.tcx_ingress.clear();
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "gone from wg0's ingress"));
  facts = facts_by_hand();
  facts.link.filters.pop_back();
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "the guard is missing behind wg0's egress"));
  facts = facts_by_hand();
  facts.link.tcx_error = "not permitted";
  facts.link.tcx_ingress.clear();
  EXPECT_EQ(only(check_programs(facts)).grade, Grade::skipped) << "what cannot be seen is not gone";
}

TEST(CheckProgramsTest, LooksWithoutAnAgentToo) {
  Facts facts = facts_by_hand();
  facts.agent.answers = false;
  facts.agent.attachment.clear();
  EXPECT_EQ(only(check_programs(facts)).grade, Grade::ok);
  facts.link.filters.pop_back();
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "the guard is missing"));
}

TEST(CheckProgramsTest, ReadsTheOrderOfClsactFilters) {
  Facts facts = facts_by_hand();
  facts.agent.attachment = "clsact";
  facts.link.tcx_ingress.clear();
  facts.link.tcx_egress.clear();
  auto ours = guard_by_hand(true);
  ours.priority = 1;
  ours.program = "krait_ingress:[8]";
  auto other = ours;
  other.program = "shaper:[4]";
  auto egress = ours;
  egress.ingress = false;
  facts.link.filters = {ours, guard_by_hand(true), egress, guard_by_hand(false)};
  EXPECT_EQ(only(check_programs(facts)).grade, Grade::ok);
  facts.link.filters.insert(facts.link.filters.begin(), other);
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "shaper:[4] runs ahead"));
  facts.link.filters = {ours, other, guard_by_hand(true), egress, guard_by_hand(false)};
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "stands behind"));
  facts.link.filters = {guard_by_hand(true), egress, guard_by_hand(false)};
  EXPECT_TRUE(speaks_of(only(check_programs(facts)).found, "krait's filter is gone from wg0's ingress"));
}

TEST(CheckMtuTest, CountsWhatWireguardAdds) {
  Facts facts = facts_by_hand();
  facts.link.link->mtu_bytes = 1440;  // and 60 for IPv4 are 1500
  EXPECT_EQ(only(check_mtu(facts)).grade, Grade::ok);
  facts.link.link->mtu_bytes = 1441;
  EXPECT_EQ(only(check_mtu(facts)).hint, "ip link set wg0 mtu 1440");
  facts.network.endpoints[0].way.mtu_bytes = 1400;
  EXPECT_EQ(only(check_mtu(facts)).hint, "ip link set wg0 mtu 1340");
  facts.network.endpoints[0].endpoint.ip = ip("2001:db8::1");
  EXPECT_EQ(only(check_mtu(facts)).hint, "ip link set wg0 mtu 1320");
}

TEST(CheckReversePathTest, TakesTheGreaterValue) {
  Facts facts = facts_by_hand();
  facts.sysctls.rp_filter_all = 1;
  EXPECT_EQ(only(check_reverse_path(facts)).grade, Grade::warning);
  facts.sysctls.rp_filter_interface = 2;  // loose wins over strict
  EXPECT_EQ(only(check_reverse_path(facts)).grade, Grade::ok);
  facts.sysctls = {.rp_filter_all = 0, .rp_filter_interface = 1, .forward_v4 = {}, .forward_v6 = {}};
  EXPECT_EQ(only(check_reverse_path(facts)).hint, "sysctl -w net.ipv4.conf.wg0.rp_filter=2");
}

TEST(CheckForwardingTest, IsNeededWithANetworkBehind) {
  Facts facts = facts_by_hand();
  facts.sysctls.forward_v4 = 0;
  EXPECT_TRUE(speaks_of(only(check_forwarding(facts)).hint, "sysctl -w net.ipv4.ip_forward=1"));
  facts.config.mesh->host.routes.clear();
  EXPECT_EQ(only(check_forwarding(facts)).grade, Grade::ok);
}

}  // namespace
}  // namespace krait::doctor
