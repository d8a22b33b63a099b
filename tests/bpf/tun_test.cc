// What test runs cannot present: packets whose bytes lie in pieces, and packets of many segments. A TUN with a virtio
// header makes both; it stands in a network and mount namespace of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "common/fd.h"
#include "krait/abi/selector.h"
#include "krait/compile/compile.h"
#include "krait/datapath/datapath.h"
#include "tests/model/naive.h"
#include "tests/own_namespaces.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {
namespace {

using packets::Packet;

constexpr const char* kInterface = "tun0";
constexpr std::uint32_t kWeb = 10;
constexpr std::uint32_t kDb = 20;  // this host
// The kernel puts smaller packets into one piece (drivers/net/tun.c, tun_alloc_skb: less than a page).
constexpr std::size_t kPayloadBytes = 6000;

// struct virtio_net_hdr; <linux/virtio_net.h> is no C++.
struct VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t head_bytes = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

struct Mesh {
  model::Policy policy;
  std::vector<compile::Binding> bindings;
};

// web may reach db's tcp/5432 and udp/53, db may send web udp/9 and learns at once that it may not reach its port 81.
Mesh mesh() {
  const auto bind = [](std::string_view address, std::uint32_t identity) {
    return compile::Binding{common::Prefix::host(*common::Ip::parse(address)), identity, 1 - identity, false};
  };
  const auto rule = [](std::uint32_t from, std::uint32_t selector) {
    return model::Rule{.name = "r",
                       .action = model::Action::allow,
                       .from = {false, {from}},
                       .to = {false, {1 - from}},
                       .selectors = {{selector, selector}},
                       .expires = {},
                       .at = {}};
  };
  model::Rule no_entry = rule(1, KRAIT_SELECTOR_TCP + 81);
  no_entry.selectors.push_back({KRAIT_SELECTOR_UDP + 81, KRAIT_SELECTOR_UDP + 81});
  no_entry.action = model::Action::deny;
  no_entry.reject = true;
  Mesh mesh;
  mesh.policy.identities = {{"web", kWeb, {}}, {"db", kDb, {}}};
  mesh.policy.rules = {rule(0, KRAIT_SELECTOR_TCP + 5432), rule(0, KRAIT_SELECTOR_UDP + 53),
                       rule(1, KRAIT_SELECTOR_UDP + 9), no_entry};
  mesh.bindings = {bind("10.90.0.1", 0), bind("fd90::1", 0), bind("10.90.0.2", 1), bind("fd90::2", 1)};
  return mesh;
}

class Tun : public OwnNamespaces {
 protected:
  void SetUp() override {
    OwnNamespaces::SetUp();
    if (is_unprepared()) {
      return;
    }
    make_tun();
    add_ipv6();
    guard();
  }

  // What became of a packet that arrives with its first `head_bytes` in the head and the rest in pages.
  std::optional<krait_reason> arrive(const packets::Bytes& ip, std::uint16_t head_bytes) {
    const datapath::Counters before = counters();
    VirtioHeader header;
    header.head_bytes = head_bytes;
    packets::Bytes bytes = ip;
    iovec parts[] = {{&header, sizeof(header)}, {bytes.data(), bytes.size()}};
    if (::writev(tun_.get(), parts, 2) != static_cast<ssize_t>(sizeof(header) + bytes.size())) {
      ADD_FAILURE() << "write: " << std::strerror(errno);
      return std::nullopt;
    }
    return reason_between(before, counters());
  }

  // What the model says of the same packet.
  krait_reason model_says(const Packet& packet) { return model_.run(packet.frame(), KRAIT_INGRESS, {}).reason; }

  datapath::Counters counters() {
    auto counters = datapath_->counters();
    EXPECT_TRUE(counters) << counters.error().text();
    return counters ? std::move(*counters) : datapath::Counters{};
  }

  static krait_count pair(const datapath::Counters& all, std::uint32_t source, krait_direction direction,
                          krait_verdict verdict) {
    for (const datapath::PairCount& pair : all.pairs) {
      if (pair.source_tag == source) {
        return pair.count[direction][verdict];
      }
    }
    return {};
  }

 private:
  static std::optional<krait_reason> reason_between(const datapath::Counters& before, const datapath::Counters& after) {
    for (int reason = 1; reason < KRAIT_REASON_COUNT; ++reason) {
      if (after.drops[reason].by_direction[KRAIT_INGRESS].packets !=
          before.drops[reason].by_direction[KRAIT_INGRESS].packets) {
        return static_cast<krait_reason>(reason);
      }
    }
    if (pair(after, kWeb, KRAIT_INGRESS, KRAIT_ALLOW).packets !=
        pair(before, kWeb, KRAIT_INGRESS, KRAIT_ALLOW).packets) {
      return KRAIT_ALLOWED;
    }
    return std::nullopt;  // it never came to the program
  }

  void make_tun() {
    tun_.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(tun_.valid());
    ifreq request{};
    std::strcpy(request.ifr_name, kInterface);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    ASSERT_EQ(::ioctl(tun_.get(), TUNSETIFF, &request), 0);
    ASSERT_EQ(::ioctl(tun_.get(), TUNSETOFFLOAD, TUN_F_CSUM), 0);
    const common::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    address->sin_family = AF_INET;
    ASSERT_EQ(::inet_pton(AF_INET, "10.90.0.2", &address->sin_addr), 1);
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &request), 0);
    ASSERT_EQ(::inet_pton(AF_INET, "255.255.255.0", &address->sin_addr), 1);
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFNETMASK, &request), 0);
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0);
    ASSERT_EQ(::ioctl(socket.get(), SIOCGIFINDEX, &request), 0);
    index_ = static_cast<std::uint32_t>(request.ifr_ifindex);
  }

  // Its peer on the link answers nothing, so duplicate address detection has to be left out.
  void add_ipv6() {
    const common::Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct {
      in6_addr address;
      std::uint32_t prefix_length;
      int interface_index;
    } request{};  // struct in6_ifreq; <linux/ipv6.h> is no C++
    ASSERT_EQ(::inet_pton(AF_INET6, "fd90::2", &request.address), 1);
    request.prefix_length = 64;
    request.interface_index = static_cast<int>(index_);
    std::ofstream("/proc/sys/net/ipv6/conf/tun0/accept_dad") << 0;
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
  }

  void guard() {
    const Mesh mine = mesh();
    const auto snapshot = compile::compile_snapshot(mine.bindings, mine.policy, 1);
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    auto opened = datapath::Datapath::open({kInterface, (directory_ / "bpf").string(), 0, 4});
    ASSERT_TRUE(opened) << opened.error().text();
    datapath_ = std::move(*opened);
    ASSERT_TRUE(datapath_->publish(snapshot->image));
    const auto attached = datapath_->attach(index_);
    ASSERT_TRUE(attached) << attached.error().text();
    model_.publish(mine.policy, mine.bindings);
  }

  common::Fd tun_;
  std::uint32_t index_ = 0;
  std::optional<datapath::Datapath> datapath_;
  naive::Evaluator model_{{.seeds = {}, .buckets = 1024}};
};

Packet v4() { return {"10.90.0.1", "10.90.0.2"}; }
Packet v6() { return {"fd90::1", "fd90::2"}; }

TEST_F(Tun, PiecesAreJudgedAsTheWhole) {
  const packets::Bytes nops(12, std::byte{1});
  const Packet quoted = Packet("10.90.0.2", "10.90.0.1").tcp(5432, 40000, packets::kAck);
  const Packet quoted_v6 = Packet("fd90::2", "fd90::1").extension(packets::kDestinationOptions).tcp(5432, 40000, 0);
  const std::pair<const char*, Packet> all[] = {
      {"tcp", v4().tcp(40000, 5432, packets::kAck)},
      {"tcp, denied", v4().tcp(40000, 5433, packets::kAck)},
      {"tcp with options", v4().options(nops).tcp(40000, 5432, packets::kAck)},
      {"tcp with options, denied", v4().options(nops).tcp(40000, 5433, packets::kAck)},
      {"udp", v4().udp(5353, 53)},
      {"udp, denied", v4().udp(5353, 54)},
      {"first fragment", v4().udp(5353, 53).fragment(7, 0, true)},
      {"later fragment", v4().udp(5353, 53).fragment(7, 6008, false)},
      {"unknown fragment", v4().udp(5353, 53).fragment(8, 6008, false)},
      {"icmp, denied", v4().icmp(8)},
      {"tcp6", v6().tcp(40000, 5432, packets::kAck)},
      {"tcp6, denied", v6().tcp(40000, 5433, packets::kAck)},
      {"udp6 behind extensions",
       v6().extension(packets::kHopByHop).extension(packets::kDestinationOptions, 5).udp(1, 53)},
      {"udp6 behind extensions, denied", v6().extension(packets::kDestinationOptions, 5).udp(1, 54)},
      {"first fragment 6", v6().extension(packets::kHopByHop).fragment(9, 0, true).udp(1, 53)},
      {"later fragment 6", v6().fragment(9, 6008, false).udp(1, 53)},
      {"neighbour discovery", v6().icmp(135)},
      {"routing header 0", v6().extension(packets::kRouting).udp(1, 53)},
      {"unknown source", Packet("10.90.0.7", "10.90.0.2").udp(1, 53)},
  };
  for (const auto& [name, plain] : all) {
    Packet packet = plain;
    packet.payload(kPayloadBytes);
    for (std::uint16_t head_bytes = 1; head_bytes < 120; ++head_bytes) {
      ASSERT_EQ(arrive(packet.ip(), head_bytes), model_says(packet))
          << name << ", " << head_bytes << " bytes in the head";
    }
  }
  for (const Packet& error : {v4().icmp_error(3, 4, quoted), v6().icmp_error(2, 0, quoted_v6)}) {
    // So long that it goes to pages: what is quoted comes first, and then whatever.
    packets::Bytes bytes = error.ip();
    const std::size_t lengths_at = (bytes[0] & std::byte{0xf0}) == std::byte{0x40} ? 2 : 4;
    const std::size_t counted_from = lengths_at == 2 ? 0 : 40;
    bytes.resize(kPayloadBytes);
    bytes[lengths_at] = static_cast<std::byte>((bytes.size() - counted_from) >> 8U);
    bytes[lengths_at + 1] = static_cast<std::byte>((bytes.size() - counted_from) & 0xffU);
    for (std::uint16_t head_bytes = 1; head_bytes < 120; ++head_bytes) {
      ASSERT_EQ(arrive(bytes, head_bytes), KRAIT_ALLOWED) << "icmp error, " << head_bytes << " bytes in the head";
    }
  }
}

TEST_F(Tun, SegmentsAreCountedOnTheWayOut) {
  constexpr std::size_t kSegments = 10;
  constexpr int kSegmentBytes = 1000;
  const common::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in web{};
  web.sin_family = AF_INET;
  web.sin_port = htons(9);
  ASSERT_EQ(::inet_pton(AF_INET, "10.90.0.1", &web.sin_addr), 1);
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&web), sizeof(web)), 0);
  ASSERT_EQ(::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &kSegmentBytes, sizeof(kSegmentBytes)), 0);
  const datapath::Counters before = counters();
  const packets::Bytes bytes(kSegments * kSegmentBytes);
  ASSERT_EQ(::send(socket.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  const krait_count sent = pair(counters(), kDb, KRAIT_EGRESS, KRAIT_ALLOW);
  const krait_count sent_before = pair(before, kDb, KRAIT_EGRESS, KRAIT_ALLOW);
  EXPECT_EQ(sent.packets - sent_before.packets, kSegments);
  EXPECT_EQ(sent.bytes - sent_before.bytes, bytes.size() + 28);
}

// What connecting to web's port 81 comes to, and for UDP what the socket hears after it has sent.
int error_of_connecting(int family, int type) {
  const common::Fd socket(::socket(family, type | SOCK_CLOEXEC, 0));
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  v6.sin6_family = AF_INET6;
  v4.sin_family = AF_INET;
  v6.sin6_port = v4.sin_port = htons(81);
  EXPECT_EQ(::inet_pton(AF_INET6, "fd90::1", &v6.sin6_addr), 1);
  EXPECT_EQ(::inet_pton(AF_INET, "10.90.0.1", &v4.sin_addr), 1);
  const bool is_v4 = family == AF_INET;
  const int connected =
      ::connect(socket.get(), is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6),
                is_v4 ? sizeof(v4) : sizeof(v6));
  if (connected != 0 || type == SOCK_STREAM) {
    return connected == 0 ? 0 : errno;
  }
  char byte = 0;
  EXPECT_EQ(::send(socket.get(), &byte, 1, 0), 1);
  return ::recv(socket.get(), &byte, 1, 0) >= 0 ? 0 : errno;
}

// Without the answer each of these would wait for minutes, or for ever.
TEST_F(Tun, RejectedApplicationsHearAtOnce) {
  const datapath::Counters before = counters();
  EXPECT_EQ(error_of_connecting(AF_INET, SOCK_STREAM), ECONNREFUSED);
  EXPECT_EQ(error_of_connecting(AF_INET6, SOCK_STREAM), ECONNREFUSED);
  EXPECT_EQ(error_of_connecting(AF_INET, SOCK_DGRAM), EHOSTUNREACH);
  EXPECT_EQ(error_of_connecting(AF_INET6, SOCK_DGRAM), EACCES);
  const auto dropped = [](const datapath::Counters& all) {
    return all.drops[KRAIT_REASON_DENIED_BY_RULE].by_direction[KRAIT_EGRESS].packets;
  };
  EXPECT_EQ(dropped(counters()) - dropped(before), 4U);
}

}  // namespace
}  // namespace krait::bpf_test
