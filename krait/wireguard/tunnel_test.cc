// Two WireGuard interfaces with a real tunnel between them: what changes to one do to packets under way. Needs root.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stop_token>
#include <thread>

#include "common/fd.h"
#include "common/netlink/links.h"
#include "common/netlink/socket.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {
namespace {

using common::Endpoint;
using common::ErrorCode;
using common::Fd;
using common::Ip;
using common::Prefix;
using model::WireguardImage;
using netlink::Links;
using netlink::Message;
using netlink::Socket;

constexpr std::uint16_t kUdpPort = 7000;
constexpr int kArrival_ms = 10'000;  // an emulated guest may be slow; a lost packet never arrives

Fd this_namespace() { return Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

Fd udp_socket(const char* address) {
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(kUdpPort);
  ::inet_pton(AF_INET, address, &own.sin_addr);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0) << std::strerror(errno);
  return fd;
}

// Sends one datagram and waits until it is there.
bool arrives(const Fd& from, const char* address, const Fd& to, std::uint32_t number) {
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(kUdpPort);
  ::inet_pton(AF_INET, address, &there.sin_addr);
  if (::sendto(from.get(), &number, sizeof number, 0, reinterpret_cast<const sockaddr*>(&there), sizeof there) < 0) {
    return false;
  }
  pollfd wait{.fd = to.get(), .events = POLLIN, .revents = 0};
  std::uint32_t got = ~number;
  return ::poll(&wait, 1, kArrival_ms) == 1 && ::recv(to.get(), &got, sizeof got, 0) == sizeof got && got == number;
}

// wga (10.90.0.1) and wgb (10.90.0.2). WireGuard sends its own packets in the namespace where the interface was made:
// both are made in one, so that they meet on its loopback, and then wgb moves to another.
class Tunnel : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    b_namespace_ = this_namespace();
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    a_namespace_ = this_namespace();
    const auto made = ensure_link("wga");
    if (!made && made.error().code() == ErrorCode::unsupported) {
      GTEST_SKIP() << "skipped: this kernel has no WireGuard";
    }
    ASSERT_TRUE(made) << made.error().text();
    const auto other = ensure_link("wgb");
    ASSERT_TRUE(other) << other.error().text();
    move_to_b(*other);
    auto links = Links::open();
    ASSERT_TRUE(links->set_up(links->find("lo")->index));

    a_ = image("wga", 51820, "10.90.0.1", b_key_.public_key(), "127.0.0.1:51821", "10.90.0.2/32");
    b_ = image("wgb", 51821, "10.90.0.2", a_key_.public_key(), "127.0.0.1:51820", "10.90.0.1/32");
    apply_b(nullptr);
    apply_a(nullptr);
    a_socket_ = udp_socket("10.90.0.1");
    enter(b_namespace_);
    b_socket_ = udp_socket("10.90.0.2");
    enter(a_namespace_);
  }

  static WireguardImage image(const char* name, std::uint16_t port, const char* address, const model::PublicKey& peer,
                              const char* endpoint, const char* allowed_ip) {
    WireguardImage result;
    result.interface = name;
    result.listen_port = port;
    result.addresses = {Ip::parse(address).value()};
    result.routes = {Prefix::parse(allowed_ip).value()};
    result.peers = {{peer, Endpoint::parse(endpoint), {Prefix::parse(allowed_ip).value()}}};
    return result;
  }

  void move_to_b(std::uint32_t index) {
    auto socket = Socket::open(NETLINK_ROUTE);
    ASSERT_TRUE(socket);
    Message message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(index);
    message.put_header(header);
    message.put_number<std::uint32_t>(IFLA_NET_NS_FD, static_cast<std::uint32_t>(b_namespace_.get()));
    const auto moved = socket->request(message);
    ASSERT_TRUE(moved) << moved.error().text();
  }

  static void enter(const Fd& name_space) { ASSERT_EQ(::setns(name_space.get(), CLONE_NEWNET), 0); }

  void apply_a(const WireguardImage* previous) {
    const auto done = apply(a_, &a_key_, previous);
    ASSERT_TRUE(done) << done.error().text();
  }

  void apply_b(const WireguardImage* previous) {
    enter(b_namespace_);
    const auto done = apply(b_, &b_key_, previous);
    enter(a_namespace_);
    ASSERT_TRUE(done) << done.error().text();
  }

  PeerStatus peer_of_a() {
    const auto seen = status("wga");
    EXPECT_TRUE(seen && seen->peers.size() == 1);
    return seen && !seen->peers.empty() ? seen->peers[0] : PeerStatus{};
  }

  Fd a_namespace_;
  Fd b_namespace_;
  PrivateKey a_key_ = PrivateKey::generate();
  PrivateKey b_key_ = PrivateKey::generate();
  WireguardImage a_;
  WireguardImage b_;
  Fd a_socket_;
  Fd b_socket_;
};

TEST_F(Tunnel, CarriesPacketsAndSaysSo) {
  ASSERT_TRUE(arrives(a_socket_, "10.90.0.2", b_socket_, 1));
  ASSERT_TRUE(arrives(b_socket_, "10.90.0.1", a_socket_, 2));
  const PeerStatus peer = peer_of_a();
  EXPECT_GT(peer.last_handshake_s, 0);
  EXPECT_GT(peer.sent_bytes, 0U);
  EXPECT_GT(peer.received_bytes, 0U);
}

TEST_F(Tunnel, KeepsTheEndpointOfAPeerThatReallyRoamed) {
  ASSERT_TRUE(arrives(a_socket_, "10.90.0.2", b_socket_, 1));
  b_.listen_port = 51999;
  apply_b(&b_);
  ASSERT_TRUE(arrives(b_socket_, "10.90.0.1", a_socket_, 2));
  const auto roamed = Endpoint::parse("127.0.0.1:51999");
  ASSERT_EQ(peer_of_a().endpoint, roamed);
  apply_a(&a_);
  EXPECT_EQ(peer_of_a().endpoint, roamed);
  apply_a(nullptr);
  EXPECT_EQ(peer_of_a().endpoint, roamed) << "its session lives, though nobody remembers what was applied before";
  EXPECT_TRUE(arrives(a_socket_, "10.90.0.2", b_socket_, 3));
}

TEST_F(Tunnel, ChangesToOtherAddressesLoseNoPacketOfThePeer) {
  // Many addresses that stay, and stand before the one in use: a list that the kernel takes away and fills again would
  // leave that one without a peer for long enough to be seen.
  for (std::uint32_t i = 2000; i-- > 0;) {
    Prefix host = Prefix::parse("10.80.0.0/32").value();
    host.ip.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
    host.ip.bytes[3] = static_cast<std::uint8_t>(i);
    a_.peers[0].allowed_ips.insert(a_.peers[0].allowed_ips.begin(), host);
  }
  apply_a(nullptr);
  ASSERT_TRUE(arrives(a_socket_, "10.90.0.2", b_socket_, 0));
  std::atomic<std::uint32_t> arrived = 0;
  std::atomic<bool> lost = false;
  std::jthread traffic([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && !lost) {
      if (arrives(a_socket_, "10.90.0.2", b_socket_, arrived + 1)) {
        ++arrived;
      } else {
        lost = true;
      }
    }
  });
  const WireguardImage lean = a_;
  WireguardImage rich = a_;
  for (std::uint8_t i = 0; i < 200; ++i) {
    Prefix network = Prefix::parse("10.91.0.0/24").value();
    network.ip.bytes[2] = i;
    rich.peers[0].allowed_ips.push_back(network);
  }
  const std::uint32_t before = arrived;
  for (int i = 0; i < 30; ++i) {
    a_ = rich;
    apply_a(&lean);
    a_ = lean;
    const auto withdrawn = withdraw(a_);
    ASSERT_TRUE(withdrawn) << withdrawn.error().text();
    EXPECT_EQ(withdrawn->peers_changed, 1U);
  }
  traffic.request_stop();
  traffic.join();
  EXPECT_GT(arrived, before) << "no packet passed while the addresses changed";
  EXPECT_FALSE(lost) << "packet " << arrived + 1;
}

}  // namespace
}  // namespace krait::wireguard
