#include "krait/wireguard/path_mtu.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <vector>

namespace krait::wireguard {
namespace {

using common::Endpoint;
using common::Family;
using common::Ip;
using netlink::Message;
using netlink::parse_way;

std::uint32_t fitting(std::vector<Path> paths) { return fitting_mtu(paths); }

TEST(FittingMtu, IsWhatTheNarrowestPathLeaves) {
  EXPECT_EQ(fitting({{Family::v4, 1500}}), 1440U);
  EXPECT_EQ(fitting({{Family::v6, 1500}}), 1420U);
  EXPECT_EQ(fitting({{Family::v4, 1500}, {Family::v4, 1400}, {Family::v6, 1500}}), 1340U);
  EXPECT_EQ(fitting({{Family::v4, 1470}, {Family::v6, 1480}}), 1400U);
  EXPECT_EQ(fitting({{Family::v4, 9000}}), 8940U);
}

TEST(FittingMtu, StaysWithinItsBounds) {
  EXPECT_EQ(fitting({}), 1420U);
  EXPECT_EQ(fitting({{Family::v4, 1340}}), 1280U);
  EXPECT_EQ(fitting({{Family::v4, 1339}}), 1280U);
  EXPECT_EQ(fitting({{Family::v6, 0}}), 1280U);
  EXPECT_EQ(fitting({{Family::v4, 65536}}), 65476U);
  EXPECT_EQ(fitting({{Family::v4, 0xffffffff}}), 65535U);
}

PeerState peer(std::uint8_t key, const char* endpoint) {
  PeerState peer;
  peer.public_key = {key};
  peer.endpoint = Endpoint::parse(endpoint);
  return peer;
}

PeerUpdate update(std::uint8_t key, const char* endpoint) {
  PeerUpdate update;
  update.public_key = {key};
  update.endpoint = Endpoint::parse(endpoint);
  return update;
}

TEST(DestinationsOf, AreTheEndpointsAfterTheUpdate) {
  DeviceState device;
  device.peers = {peer(1, "192.0.2.1:1"), peer(2, "192.0.2.2:1"), peer(3, "192.0.2.2:9"), peer(4, "192.0.2.4:1")};
  const std::vector<PeerUpdate> updates{update(2, "[2001:db8::2]:1"), update(4, ""), update(5, "192.0.2.5:1")};
  const Destinations to = destinations_of(device, updates);
  const std::set<Ip> expected{*Ip::parse("192.0.2.1"), *Ip::parse("192.0.2.2"), *Ip::parse("2001:db8::2"),
                              *Ip::parse("192.0.2.4"), *Ip::parse("192.0.2.5")};
  EXPECT_EQ(to.endpoints, expected);
  EXPECT_FALSE(to.others);
}

TEST(DestinationsOf, KnowsPeersWithoutEndpoint) {
  DeviceState device;
  EXPECT_FALSE(destinations_of(device, {}).others);
  EXPECT_TRUE(destinations_of(device, std::vector{update(1, "")}).others);
  device.peers = {peer(1, "")};
  EXPECT_TRUE(destinations_of(device, {}).others);
  EXPECT_FALSE(destinations_of(device, std::vector{update(1, "192.0.2.1:1")}).others);
}

// A message from the kernel, as bytes that may be cut.
Message route_answer(std::uint32_t link_index, std::optional<std::uint32_t> mtu_bytes) {
  Message message(RTM_NEWROUTE, 0);
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  message.put_header(header);
  message.put_number(RTA_OIF, link_index);
  if (mtu_bytes) {
    const auto nest = message.begin_nest(RTA_METRICS);
    message.put_number(RTAX_HOPLIMIT, std::uint32_t{64});
    message.put_number(RTAX_MTU, *mtu_bytes);
    message.end_nest(nest);
  }
  return message;
}

TEST(ParseWay, ReadsLinkAndMtu) {
  EXPECT_EQ(parse_way(route_answer(7, 1400).header())->index, 7U);
  EXPECT_EQ(parse_way(route_answer(7, 1400).header())->mtu_bytes, 1400U);
  EXPECT_EQ(parse_way(route_answer(7, std::nullopt).header())->mtu_bytes, 0U);
  EXPECT_EQ(parse_way(route_answer(7, 0).header())->mtu_bytes, 0U);
}

TEST(ParseWay, TakesAnyCutMessage) {
  const Message whole = route_answer(7, 1400);
  for (std::uint32_t length = sizeof(nlmsghdr); length < whole.header().nlmsg_len; ++length) {
    Message cut = route_answer(7, 1400);
    cut.header().nlmsg_len = length;
    const auto way = parse_way(cut.header());
    EXPECT_TRUE(!way || way->index == 7 || way->index == 0) << length;
  }
  Message other = route_answer(7, 1400);
  other.header().nlmsg_type = RTM_DELROUTE;
  EXPECT_FALSE(parse_way(other.header()));
}

}  // namespace
}  // namespace krait::wireguard
