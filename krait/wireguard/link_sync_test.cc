// An image applied to a veth on this kernel, in a network namespace of its own. Needs root.
#include "krait/wireguard/link_sync.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "common/netlink/attributes.h"
#include "common/netlink/socket.h"
#include "krait/wireguard/path_mtu.h"
#include "krait/wireguard/wireguard.h"
#include "tests/own_veth.h"

namespace krait::wireguard {
namespace {

using common::ErrorCode;
using common::Ip;
using common::Prefix;
using model::WireguardImage;
using netlink::Address;
using netlink::Link;
using netlink::LinkRoute;
using netlink::Links;
using netlink::Message;
using netlink::Network;
using netlink::RouteChange;
using netlink::Socket;

static_assert(OwnVeth::kGroup == kLinkGroup);

Ip ip(const std::string& text) { return Ip::parse(text).value(); }
Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }

class LinkSyncTest : public OwnVeth {
 protected:
  void SetUp() override {
    OwnVeth::SetUp();
    if (is_unprepared()) {
      return;
    }
    auto network = Network::open();
    ASSERT_TRUE(network) << network.error().text();
    network_.emplace(std::move(*network));
    image_.interface = kInterface;
    image_.addresses = {ip("10.90.0.1"), ip("fd90::1")};
    image_.routes = {prefix("10.20.0.0/16"), prefix("10.90.0.2/32"), prefix("fd90::2/128")};
  }

  common::Result<void> apply_image(Changes& changes) {
    const Link present = link();
    return apply_link({*links_, *network_, present}, image_, changes);
  }

  // Applies the image and expects these numbers of changes.
  void apply(std::uint32_t addresses, std::uint32_t routes, bool device = false) {
    Changes changes;
    const auto done = apply_image(changes);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(changes.refused.empty());
    EXPECT_EQ(changes.addresses, addresses);
    EXPECT_EQ(changes.routes, routes);
    EXPECT_EQ(changes.device, device);
  }

  // The link's addresses without the link-local ones, as text.
  std::vector<std::string> addresses() {
    std::vector<std::string> texts;
    const auto found = network_->addresses(link().index).value();
    for (const Address& address : found) {
      if (!prefix("fe80::/10").contains(address.prefix.ip)) {
        texts.push_back(address.prefix.text());
      }
    }
    std::ranges::sort(texts);
    return texts;
  }

  std::vector<LinkRoute> routes_through(std::uint32_t index) {
    std::vector<LinkRoute> found;
    for (const common::Family family : {common::Family::v4, common::Family::v6}) {
      std::vector<LinkRoute> listed;
      EXPECT_TRUE(network_->routes(
          index, family, [&] { listed.clear(); }, [&](const LinkRoute& route) { listed.push_back(route); }));
      found.insert(found.end(), listed.begin(), listed.end());
    }
    return found;
  }

  // Our routes through the link as text: "prefix source".
  std::vector<std::string> routes() {
    std::vector<std::string> texts;
    const auto found = routes_through(link().index);
    for (const LinkRoute& route : found) {
      if (route.protocol == kRouteProtocol) {
        texts.push_back(fmt::format("{} {}", route.prefix.text(), route.source ? route.source->text() : "none"));
      }
    }
    std::ranges::sort(texts);
    return texts;
  }

  void add_route(const Prefix& to, std::uint8_t protocol) {
    ASSERT_TRUE(links_->change_routes(link().index, RouteChange::add, {{to, std::nullopt, protocol}}));
  }

  using Texts = std::vector<std::string>;
  using Refusals = std::vector<Refusal>;
  std::optional<Network> network_;
  WireguardImage image_;
};

TEST_F(LinkSyncTest, RefusesToTakeAnotherKindsName) {
  const auto taken = ensure_link(kInterface);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), ErrorCode::invalid_input);
  EXPECT_NE(taken.error().text().find("veth"), std::string::npos) << taken.error().text();
  for (const char* way_out : {"krait-agent --iface kraittest0", "`interface`"}) {
    EXPECT_NE(taken.error().text().find(way_out), std::string::npos) << taken.error().text();
  }
  const auto removed = remove_link(kInterface);
  ASSERT_FALSE(removed);
  EXPECT_EQ(link().kind, "veth");
}

TEST_F(LinkSyncTest, AppliesTheImageAndThenTouchesNothing) {
  apply(2, 3, true);
  EXPECT_TRUE(link().up);
  EXPECT_EQ(addresses(), (Texts{"10.90.0.1/32", "fd90::1/128"}));
  EXPECT_EQ(routes(), (Texts{"10.20.0.0/16 10.90.0.1", "10.90.0.2/32 10.90.0.1", "fd90::2/128 fd90::1"}));
  apply(0, 0);
}

TEST_F(LinkSyncTest, FindsTheWayAndItsMtu) {
  apply(2, 3, true);
  ASSERT_TRUE(links_->set_mtu(link().index, 1400));
  const auto ways = network_->ways_to({ip("192.0.2.1"), ip("10.20.0.1")});
  ASSERT_TRUE(ways) << ways.error().text();
  EXPECT_FALSE((*ways)[0].reachable);
  EXPECT_TRUE((*ways)[1].reachable);
  EXPECT_EQ((*ways)[1].index, link().index);
  EXPECT_EQ((*ways)[1].mtu_bytes, 0U);

  auto socket = Socket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  for (const char* text : {"198.51.100.7/32", "2001:db8::7/128"}) {
    const Prefix to = prefix(text);
    rtmsg header{};
    header.rtm_family = netlink::address_family(to.ip.family);
    header.rtm_dst_len = to.length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_UNICAST;
    header.rtm_scope = RT_SCOPE_LINK;
    Message message(RTM_NEWROUTE, NLM_F_CREATE);
    message.put_header(header);
    message.put_ip(RTA_DST, to.ip);
    message.put_number(RTA_OIF, link().index);
    const auto metrics = message.begin_nest(RTA_METRICS);
    message.put_number(RTAX_MTU, std::uint32_t{1340});
    message.end_nest(metrics);
    ASSERT_TRUE(socket->request(message)) << text;
    const auto by_route = network_->ways_to({to.ip});
    ASSERT_TRUE(by_route && by_route->front().reachable) << text;
    EXPECT_EQ(by_route->front().mtu_bytes, 1340U) << text;
  }
  const Underlay underlay{*network_, *links_};
  constexpr std::uint32_t kOther = 9999;
  EXPECT_EQ(find_fitting_mtu(underlay, kOther, {{ip("10.20.0.1")}, false}).value(), 1340U);
  EXPECT_EQ(find_fitting_mtu(underlay, kOther, {{ip("10.20.0.1"), ip("198.51.100.7")}, false}).value(), 1280U);
  EXPECT_EQ(find_fitting_mtu(underlay, kOther, {{}, true}).value(), 1420U) << "there is no default route";
  EXPECT_EQ(find_fitting_mtu(underlay, link().index, {{ip("10.20.0.1")}, false}).value(), 1420U) << "into itself";
  add_route(prefix("0.0.0.0/0"), kRouteProtocol);
  EXPECT_EQ(find_fitting_mtu(underlay, kOther, {{}, true}).value(), 1320U);
}

TEST_F(LinkSyncTest, FollowsTheImage) {
  apply(2, 3, true);
  image_.addresses = {ip("10.90.0.7"), ip("fd90::7")};
  image_.routes = {prefix("10.21.0.0/16"), prefix("10.90.0.2/32"), prefix("fd90::2/128")};
  apply(4, 3);
  EXPECT_EQ(addresses(), (Texts{"10.90.0.7/32", "fd90::7/128"}));
  EXPECT_EQ(routes(), (Texts{"10.21.0.0/16 10.90.0.7", "10.90.0.2/32 10.90.0.7", "fd90::2/128 fd90::7"}));
  apply(0, 0);
}

// What another tool left: addresses with the length of their network.
void add_with_length(std::uint32_t index, const Prefix& address, std::optional<Ip> other_end = {}) {
  auto socket = Socket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg header{};
  header.ifa_family = netlink::address_family(address.ip.family);
  header.ifa_prefixlen = address.length;
  header.ifa_index = index;
  message.put_header(header);
  message.put_ip(IFA_LOCAL, address.ip);
  message.put_ip(IFA_ADDRESS, other_end.value_or(address.ip));
  const auto added = socket->request(message);
  ASSERT_TRUE(added) << added.error().text();
}

TEST_F(LinkSyncTest, AdoptsALinkWithAddressesOfOtherLengths) {
  for (const char* text : {"10.90.0.9/24", "10.90.0.1/24", "10.90.0.8/24", "fd90::1/64", "fd90::9/64"}) {
    add_with_length(link().index, prefix(text));
  }
  add_with_length(link().index, prefix("10.90.0.1/16"), ip("10.90.3.3"));
  Changes changes;
  const auto done = apply_image(changes);
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(addresses(), (Texts{"10.90.0.1/32", "fd90::1/128"}));
  EXPECT_EQ(routes(), (Texts{"10.20.0.0/16 10.90.0.1", "10.90.0.2/32 10.90.0.1", "fd90::2/128 fd90::1"}));
  apply(0, 0);
}

TEST_F(LinkSyncTest, PutsBackWhatSomebodyTookAway) {
  apply(2, 3, true);
  ASSERT_TRUE(links_->remove_address(link().index, {link().index, prefix("10.90.0.1/32"), ip("10.90.0.1")}));
  for (const char* text : {"it is there", "gone already"}) {
    ASSERT_TRUE(links_->change_routes(link().index, RouteChange::remove, {{prefix("fd90::2/128"), {}, kRouteProtocol}}))
        << text;
  }
  apply(1, 3);  // both IPv4 routes had gone with their source
  apply(0, 0);
}

TEST_F(LinkSyncTest, LeavesOthersRoutesAlone) {
  apply(2, 3, true);
  constexpr std::uint8_t kStatic = RTPROT_STATIC;
  const auto index = link().index;
  add_route(prefix("10.30.0.0/16"), kStatic);
  image_.routes.clear();
  apply(0, 3);
  const auto left = routes_through(index);
  EXPECT_EQ(std::ranges::count(left, prefix("10.30.0.0/16"), &LinkRoute::prefix), 1);
  // Another's route through our link to a prefix that we want becomes ours.
  image_.routes = {prefix("10.30.0.0/16")};
  apply(0, 1);
  EXPECT_EQ(routes(), Texts{"10.30.0.0/16 10.90.0.1"});
}

TEST_F(LinkSyncTest, LeavesOutAPrefixThatAnotherLinkRoutes) {
  ASSERT_TRUE(links_->add("other0", "veth", 0));
  const auto other = links_->find("other0").value();
  ASSERT_TRUE(links_->set_up(other.index));
  const netlink::LinkRoute others{prefix("10.20.0.0/16"), std::nullopt, RTPROT_STATIC};
  ASSERT_TRUE(links_->change_routes(other.index, RouteChange::add, {others}).value().empty());
  Changes changes;
  ASSERT_TRUE(apply_image(changes));
  EXPECT_EQ(changes.refused,
            (Refusals{{"add the route to 10.20.0.0/16: this host has a route to it already (File exists)",
                       "remove that route, or take the prefix from the file"}}));
  EXPECT_EQ(routes(), (Texts{"10.90.0.2/32 10.90.0.1", "fd90::2/128 fd90::1"})) << "the rest is there";
  EXPECT_EQ(routes_through(other.index).size(), 1U) << "the other's route is untouched";
  ASSERT_TRUE(links_->change_routes(other.index, RouteChange::remove, {others}).value().empty());
  apply(0, 1);
}

TEST_F(LinkSyncTest, GoesOnWithoutIpv6) {
  const auto switch_off = [](const char* value) {
    std::ofstream("/proc/sys/net/ipv6/conf/kraittest0/disable_ipv6") << value;
  };
  switch_off("1");
  Changes changes;
  ASSERT_TRUE(apply_image(changes));
  EXPECT_EQ(changes.refused, (Refusals{{"add the address fd90::1 to kraittest0: IPv6 is switched off",
                                        "sysctl net.ipv6.conf.kraittest0.disable_ipv6=0"}}));
  EXPECT_TRUE(link().up);
  EXPECT_EQ(addresses(), Texts{"10.90.0.1/32"});
  EXPECT_EQ(routes(), (Texts{"10.20.0.0/16 10.90.0.1", "10.90.0.2/32 10.90.0.1"}));
  switch_off("0");
  apply(1, 1);
}

TEST_F(LinkSyncTest, NamesSomeOfManyRoutesThatAreRefused) {
  image_.addresses = {ip("10.90.0.1")};
  image_.routes.clear();
  for (int i = 1; i <= 9; ++i) {
    image_.routes.push_back(prefix(fmt::format("fd9{}::/64", i)));
  }
  std::ofstream("/proc/sys/net/ipv6/conf/kraittest0/disable_ipv6") << "1";
  Changes changes;
  ASSERT_TRUE(apply_image(changes));
  ASSERT_EQ(changes.refused.size(), 4U);
  EXPECT_EQ(changes.refused.back().what, "so it is with 6 more routes");
  EXPECT_EQ(addresses(), Texts{"10.90.0.1/32"});
}

}  // namespace
}  // namespace krait::wireguard
