// What we send, read back by our own readers, where the kernel's answers have the same shape.
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <vector>

#include "common/netlink/attributes.h"
#include "common/netlink/route.h"
#include "common/netlink/socket.h"
#include "common/netlink/tc.h"

namespace netlink {
namespace {

using common::Prefix;

constexpr std::uint16_t kType = 0x20;
constexpr std::uint32_t kIndex = 7;
constexpr std::uint8_t kProtocol = 98;

Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

TEST(Message, RefusesWhatDoesNotFit) {
  Message message(RTM_NEWLINK, 0, 64);
  message.put_header(ifinfomsg{});
  message.put_text(IFLA_IFNAME, "wg0");
  EXPECT_FALSE(message.overflown());
  message.put_text(IFLA_IFALIAS, "a text that is longer than what is left");
  EXPECT_TRUE(message.overflown());
  EXPECT_LE(message.header().nlmsg_len, 64U);
  auto socket = Socket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  const auto sent = socket->request(message);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code(), common::ErrorCode::limit);
}

TEST(Message, RefusesANestBeyondWhatItsLengthCanSay) {
  Message message(kType, 0, 200'000);
  const auto nest = message.begin_nest(1);
  const std::vector<std::byte> block(30'000);
  for (int i = 0; i < 3; ++i) {
    message.put(2, block);
  }
  EXPECT_FALSE(message.overflown());
  message.end_nest(nest);
  EXPECT_TRUE(message.overflown());
}

// An NLMSG_ERROR with the kernel's own words, with or without the request in it.
Message error_message(int error, bool capped, const char* text) {
  Message message(NLMSG_ERROR, static_cast<std::uint16_t>(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0)));
  nlmsgerr header{};
  header.error = error;
  header.msg.nlmsg_len = sizeof(nlmsghdr) + 12;
  message.put_header(header);
  if (!capped) {
    message.put_header(std::array<std::uint8_t, 12>{});
  }
  message.put_text(NLMSGERR_ATTR_MSG, text);
  return message;
}

TEST(ParseAcknowledgement, FindsTheKernelsWords) {
  for (const bool capped : {true, false}) {
    const auto answer = parse_acknowledgement(error_message(-EINVAL, capped, "Nexthop has invalid gateway").header());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->sys_errno, EINVAL);
    EXPECT_EQ(answer->text, "Nexthop has invalid gateway");
  }
}

TEST(ParseAcknowledgement, RefusesWhatIsTooShortOrNoErrno) {
  EXPECT_FALSE(parse_acknowledgement(Message(NLMSG_ERROR, 0).header()));
  EXPECT_FALSE(parse_acknowledgement(error_message(1, true, "").header()));
  const auto done = parse_acknowledgement(Message(NLMSG_DONE, 0).header());
  ASSERT_TRUE(done);
  EXPECT_EQ(done->sys_errno, 0);
}

TEST(ForEachMessage, RefusesATornDatagram) {
  Message message(kType, 0);
  message.put_number(1, std::uint64_t{7});
  const std::span whole(reinterpret_cast<const std::byte*>(&message.header()), message.header().nlmsg_len);
  const auto ignore = [](const nlmsghdr&) { return common::Result<void>{}; };
  EXPECT_TRUE(for_each_message(whole, ignore));
  EXPECT_TRUE(for_each_message({}, ignore));
  EXPECT_FALSE(for_each_message(whole.first(whole.size() - 4), ignore));
  EXPECT_FALSE(for_each_message(whole.first(8), ignore));
  for (const std::uint32_t length : {0U, 15U, 0x80000000U, 0xffffffffU}) {
    Message wrong(kType, 0);
    wrong.header().nlmsg_len = length;
    EXPECT_FALSE(for_each_message({reinterpret_cast<const std::byte*>(&wrong.header()), 32}, ignore)) << length;
  }
}

// A route as the kernel lists it.
struct RouteText {
  const char* destination = "10.1.0.0/16";
  std::uint32_t table = RT_TABLE_MAIN;
  std::uint32_t interface_index = kIndex;
  std::uint32_t metric = 0;
  std::uint8_t type = RTN_UNICAST;
};

std::optional<LinkRoute> read_route(const RouteText& text) {
  const Prefix destination = prefix(text.destination);
  Message message(RTM_NEWROUTE, 0);
  rtmsg header{};
  header.rtm_family = address_family(destination.ip.family);
  header.rtm_dst_len = destination.length;
  header.rtm_type = text.type;
  header.rtm_protocol = kProtocol;
  message.put_header(header);
  message.put_number(RTA_TABLE, text.table);
  message.put_ip(RTA_DST, destination.ip);
  message.put_number(RTA_OIF, text.interface_index);
  message.put_number(RTA_PRIORITY, text.metric);
  const auto route = parse_route(message.header());
  return route ? through_link(*route, kIndex) : std::nullopt;
}

TEST(ThroughLink, TakesOnlyRoutesOfConcern) {
  EXPECT_EQ(read_route({}), (LinkRoute{prefix("10.1.0.0/16"), std::nullopt, kProtocol}));
  EXPECT_TRUE(read_route({.destination = "fd00::/64", .metric = 1024}));
  EXPECT_FALSE(read_route({.destination = "fd00::/64"}));
  EXPECT_FALSE(read_route({.table = RT_TABLE_LOCAL}));
  EXPECT_FALSE(read_route({.interface_index = kIndex + 1}));
  EXPECT_FALSE(read_route({.metric = 5}));
  EXPECT_FALSE(read_route({.type = RTN_LOCAL}));
}

TEST(ParseRoute, ListsTheLinksOfAllNextHops) {
  Message message(RTM_NEWROUTE, 0);
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  message.put_header(header);
  std::array<rtnexthop, 2> hops{};
  for (int i = 0; i < 2; ++i) {
    hops[static_cast<std::size_t>(i)].rtnh_len = sizeof(rtnexthop);
    hops[static_cast<std::size_t>(i)].rtnh_ifindex = 7 + i;
  }
  message.put(RTA_MULTIPATH, std::as_bytes(std::span(hops)));
  const auto several = parse_route(message.header());
  ASSERT_TRUE(several);
  EXPECT_EQ(several->index, 0U);
  EXPECT_TRUE(std::ranges::equal(several->links(), std::array{7U, 8U}));
  message.put_number(RTA_OIF, std::uint32_t{9});
  const auto one = parse_route(message.header());
  ASSERT_TRUE(one);
  EXPECT_TRUE(std::ranges::equal(one->links(), std::array{9U}));
}

TEST(FirstPrograms, AreTheFirstFiltersOfEachDirection) {
  const auto filter = [](bool ingress, std::uint32_t program_id) {
    Filter made;
    made.ingress = ingress;
    made.program_id = program_id;
    return made;
  };
  const std::vector<Filter> filters{filter(true, 5), filter(true, 6), filter(false, 0), filter(false, 7)};
  EXPECT_EQ(first_programs(filters).ingress_id, 5U);
  EXPECT_EQ(first_programs(filters).egress_id, 0U) << "it is no BPF filter, and stands first";
  EXPECT_EQ(first_programs({}).ingress_id, 0U);
}

}  // namespace
}  // namespace netlink
