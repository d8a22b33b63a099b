// Links and their routes on this kernel, on a veth in a network namespace of its own. Needs root.
#include "common/netlink/links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/fd.h"
#include "common/netlink/network.h"
#include "common/netlink/watch.h"
#include "tests/own_veth.h"

namespace netlink {
namespace {

using common::ErrorCode;
using common::Ip;
using common::Prefix;

constexpr std::uint8_t kProtocol = 98;

Ip ip(const std::string& text) { return Ip::parse(text).value(); }
Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }

class LinksTest : public krait::OwnVeth {
 protected:
  // How many IPv4 routes of ours go through the link.
  static std::size_t routes(std::uint32_t index) {
    auto network = Network::open();
    std::size_t ours = 0;
    EXPECT_TRUE(network && network->routes(
                               index, common::Family::v4, [&] { ours = 0; },
                               [&](const LinkRoute& route) { ours += route.protocol == kProtocol ? 1 : 0; }));
    return ours;
  }
};

TEST_F(LinksTest, FindsLinksAndSaysWhichDoNotExist) {
  EXPECT_EQ(link().kind, "veth");
  EXPECT_FALSE(link().up);
  const auto none = links_->find("nosuch0");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::not_found);
  for (const char* name : {"", "sixteen-letters-"}) {
    const auto refused = links_->find(name);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_input);
  }
}

TEST_F(LinksTest, GivesTheKernelsRefusals) {
  EXPECT_EQ(links_->add(kInterface, "veth", kGroup).error().sys_errno(), EEXIST);
  EXPECT_EQ(links_->add("other0", "nosuchkind", kGroup).error().sys_errno(), EOPNOTSUPP);
  const auto mtu = links_->set_mtu(link().index, 1);
  ASSERT_FALSE(mtu);
  EXPECT_NE(mtu.error().text().find("mtu"), std::string::npos) << "no extended ACK in: " << mtu.error().text();
}

TEST_F(LinksTest, MakesLinksWithTheMark) {
  EXPECT_EQ(link().group, kGroup);
  ASSERT_TRUE(links_->set_group(link().index, 7));
  EXPECT_EQ(link().group, 7U);
}

TEST_F(LinksTest, FollowsALinkToAnotherNamespace) {
  const common::Fd here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
  const common::Fd there(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::setns(here.get(), CLONE_NEWNET), 0) << std::strerror(errno);
  const std::uint32_t index = link().index;
  auto watch = Watch::open();
  auto socket = Socket::open(NETLINK_ROUTE);
  ASSERT_TRUE(watch && socket);
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  Message message(RTM_NEWLINK, 0);
  message.put_header(header);
  message.put_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(there.get()));
  ASSERT_TRUE(socket->request(message));

  const auto noticed = watch->read(kInterface, index);
  ASSERT_TRUE(noticed && noticed->moved_to);
  const NewHome home = *noticed->moved_to;
  EXPECT_FALSE(links_->find(kInterface));
  ASSERT_TRUE(links_->find(home)) << links_->find(home).error().text();
  EXPECT_EQ(links_->find(home)->name, kInterface);
  ASSERT_TRUE(links_->remove(home));
  EXPECT_EQ(links_->find(home).error().code(), ErrorCode::not_found);
}

TEST_F(LinksTest, SaysWhichPrivilegeIsMissing) {
  // As nobody: the kernel must refuse, and we must say what is missing.
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) {
      ::_exit(2);
    }
    auto links = Links::open();
    const auto refused = links->set_mtu(links->find(kInterface)->index, 1300);
    const bool good = !refused && refused.error().code() == ErrorCode::permission &&
                      refused.error().text().find("CAP_NET_ADMIN") != std::string::npos;
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// More than the kernel is sent at once.
TEST_F(LinksTest, ChangesManyRoutesAndFindsThem) {
  constexpr std::size_t kMany = 100;
  const auto index = link().index;
  ASSERT_TRUE(links_->set_up(index));
  std::vector<LinkRoute> even;
  std::vector<common::Ip> all;
  for (std::size_t i = 0; i < kMany; ++i) {
    all.push_back(ip(fmt::format("10.40.{}.1", i)));
    if (i % 2 == 0) {
      even.push_back({prefix(fmt::format("10.40.{}.0/24", i)), std::nullopt, kProtocol});
    }
  }
  ASSERT_TRUE(links_->change_routes(index, RouteChange::add, even));
  EXPECT_EQ(routes(index), even.size());
  auto network = Network::open();
  const auto ways = network->ways_to(all).value();
  for (std::size_t i = 0; i < kMany; ++i) {
    EXPECT_EQ(ways[i].reachable, i % 2 == 0) << i;
  }

  const LinkRoute taken = even[40];
  ASSERT_TRUE(links_->change_routes(index, RouteChange::remove, even));
  ASSERT_TRUE(links_->change_routes(index, RouteChange::add, {taken}));
  const auto refused = links_->change_routes(index, RouteChange::add, even);
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->size(), 1U) << "and all the others are there";
  EXPECT_EQ(refused->front().sys_errno(), EEXIST);
  EXPECT_NE(refused->front().text().find(taken.prefix.text() + ": this host"), std::string::npos)
      << refused->front().text();
  EXPECT_EQ(routes(index), even.size());
  ASSERT_TRUE(links_->change_routes(index, RouteChange::remove, even)) << "some of them are gone";
  EXPECT_EQ(routes(index), 0U) << "and no answer was left for the next request";
}

}  // namespace
}  // namespace netlink
