// The kernel as the judge of the judges: on a host with a LAN and a WAN, a packet that was judged as a network's has to
// be read from that network's interface, one that was judged as the host's by a socket of the host or by nobody, and
// nothing leaves the tunnel as somebody whom it did not come from. TUNs stand for the tunnel and both links; they lie
// in a network and mount namespace of their own.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <span>
#include <sstream>

#include "common/fd.h"
#include "common/netlink/network.h"
#include "krait/abi/selector.h"
#include "krait/compile/compile.h"
#include "krait/datapath/datapath.h"
#include "krait/enforce/ways_behind.h"
#include "tests/own_namespaces.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {

using packets::Packet;

// Where packets are put in and turn up again.
enum class Where : std::uint8_t { tunnel, lan, wan, socket };

// Identities by tag. Office lies behind this host on the LAN, depot on the WAN, branch behind bob.
inline constexpr std::uint32_t kSrv = 1;  // this host
inline constexpr std::uint32_t kBob = 2;
inline constexpr std::uint32_t kMallory = 3;
inline constexpr std::uint32_t kOffice = 4;
inline constexpr std::uint32_t kDepot = 5;
inline constexpr std::uint32_t kBranch = 6;
inline constexpr std::uint16_t kPort = 137;

inline constexpr const char* kAddresses = R"(
link set lo up
addr add 10.90.0.1/24 dev tunnel
addr add fd90::3/16 dev tunnel nodad
addr add 10.20.0.1/16 broadcast + dev lan
addr add fd20::1/32 dev lan nodad
addr add 198.51.100.1/24 dev wan
addr add 10.40.0.1/16 broadcast + dev wan
addr add fd40::1/32 dev wan nodad
link set tunnel up
link set lan up
link set wan up
route add fd8f::/16 dev tunnel
route add 10.50.0.0/16 dev tunnel
route add fd50::/32 dev tunnel
)";

inline std::vector<compile::Binding> bindings() {
  const auto bind = [](const char* prefix, std::uint32_t tag, std::uint32_t host, bool routed) {
    return compile::Binding{*common::Prefix::parse(prefix), tag - 1, host, routed};
  };
  return {bind("10.90.0.1/32", kSrv, 0, false),     bind("fd90::3/128", kSrv, 0, false),
          bind("10.90.0.2/32", kBob, 1, false),     bind("fd90::2/128", kBob, 1, false),
          bind("10.90.0.3/32", kMallory, 2, false), bind("fd8f::2/128", kMallory, 2, false),
          bind("10.20.0.0/16", kOffice, 0, true),   bind("fd20::/32", kOffice, 0, true),
          bind("10.40.0.0/16", kDepot, 0, true),    bind("fd40::/32", kDepot, 0, true),
          bind("10.50.0.0/16", kBranch, 1, true),   bind("fd50::/32", kBranch, 1, true)};
}

// May `from` send kPort of `to` UDP? 0: everybody's.
inline model::Rule allow(std::uint32_t from, std::uint32_t to) {
  const auto subjects = [](std::uint32_t tag) {
    return tag == 0 ? model::Subjects{true, {}} : model::Subjects{false, {tag - 1}};
  };
  return {.name = "rule",
          .action = model::Action::allow,
          .from = subjects(from),
          .to = subjects(to),
          .selectors = {{KRAIT_SELECTOR_UDP + kPort, KRAIT_SELECTOR_UDP + kPort}},
          .expires = {},
          .at = {}};
}

// A UDP packet whose checksums a stack accepts, and that can be told from all others.
inline packets::Bytes sealed(Packet packet, std::uint64_t number) {
  packets::Bytes mark(sizeof(number));
  std::memcpy(mark.data(), &number, sizeof(number));
  packets::Bytes bytes = packet.udp(kPort, kPort).payload(mark).ip();
  const bool v4 = (bytes[0] & std::byte{0xf0}) == std::byte{0x40};
  const std::size_t udp = v4 ? 4 * std::to_integer<std::size_t>(bytes[0] & std::byte{0x0f}) : 40;
  const auto rest = std::span(bytes).subspan(udp);
  const auto addresses = std::span(bytes).subspan(v4 ? 12 : 8, v4 ? 8 : 32);
  const std::uint32_t pseudo = packets::sum_of_words(addresses) + 17 + static_cast<std::uint32_t>(rest.size());
  packets::store16(bytes, udp + 6, packets::internet_checksum(pseudo + packets::sum_of_words(rest)));
  return bytes;
}

// What became of one packet.
struct Fate {
  std::set<Where> seen;  // where it turned up
  // What the programs said of it, in both directions. The pair is named when it passed.
  struct Judgement {
    std::optional<krait_reason> reason;  // nothing: the program did not see it
    std::uint32_t source = 0;
    std::uint32_t destination = 0;
  };
  Judgement in;
  Judgement out;
};

class Whereabouts : public OwnNamespaces {
 protected:
  void SetUp() override {
    OwnNamespaces::SetUp();
    if (is_unprepared()) {
      return;
    }
    for (const char* name : {"tunnel", "lan", "wan"}) {
      tuns_.push_back(make_device(name, IFF_TUN));
    }
    ip(kAddresses);
    set("ipv4/ip_forward", 1);
    set("ipv6/conf/all/forwarding", 1);
    ASSERT_NO_FATAL_FAILURE(listen());
    ASSERT_NO_FATAL_FAILURE(follow_loopback());
    ASSERT_NO_FATAL_FAILURE(guard());
  }

  void policy(std::vector<model::Rule> rules) {
    model::Policy policy;
    policy.identities = {{"srv", kSrv, {}},       {"bob", kBob, {}},     {"mallory", kMallory, {}},
                         {"office", kOffice, {}}, {"depot", kDepot, {}}, {"branch", kBranch, {}}};
    policy.rules = std::move(rules);
    const auto snapshot = compile::compile_snapshot(bindings(), policy, ++revision_);
    ASSERT_TRUE(snapshot) << snapshot.error().text();
    ASSERT_TRUE(datapath_->publish(snapshot->image));
  }

  // As the agent does.
  void follow_routes() {
    const std::vector behind{*common::Prefix::parse("10.20.0.0/16"), *common::Prefix::parse("fd20::/32"),
                             *common::Prefix::parse("10.40.0.0/16"), *common::Prefix::parse("fd40::/32")};
    const std::vector beyond{*common::Prefix::parse("10.50.0.0/16"), *common::Prefix::parse("fd50::/32")};
    auto network = netlink::Network::open();
    ASSERT_TRUE(network) << network.error().text();
    const auto routes = network->routes();
    ASSERT_TRUE(routes) << routes.error().text();
    const auto found = enforce::ways_behind({.behind = behind, .beyond = beyond}, *routes, ::if_nametoindex("tunnel"));
    const auto set = datapath_->set_ways_behind(found.ways);
    ASSERT_TRUE(set) << set.error().text();
  }

  void fence() {
    const datapath::Outside others{.interfaces = {::if_nametoindex("lan"), ::if_nametoindex("wan")}, .ports = {}};
    const auto nobody = [](std::uint32_t) { return false; };
    const datapath::Fenced fenced = datapath_->fence_off(others, nobody);
    ASSERT_TRUE(fenced.failures.empty()) << fenced.failures[0].error.text();
    ASSERT_EQ(fenced.put.size(), 2U);
    EXPECT_TRUE(datapath_->fence_off(others, nobody).put.empty()) << "it is there";
  }

  // Commands of ip(8), a line each.
  void ip(const std::string& commands) {
    FILE* pipe = ::popen("ip -batch -", "w");
    ASSERT_NE(pipe, nullptr);
    std::fputs(commands.c_str(), pipe);
    ASSERT_EQ(::pclose(pipe), 0) << commands;
    ASSERT_NO_FATAL_FAILURE(await_own_addresses(commands));
    if (datapath_) {
      follow_routes();
    }
  }

  // Linux makes an IPv6 address the host's own in a work queue of the kernel, after `ip` has its answer
  // (addrconf_dad_work()).
  static void await_own_addresses(const std::string& commands) {
    std::istringstream lines(commands);
    for (std::string line; std::getline(lines, line);) {
      const std::string text = line.starts_with("addr add ") ? line.substr(9, line.find('/') - 9) : "";
      if (!text.contains(':')) {
        continue;
      }
      const common::Prefix own = common::Prefix::host(*common::Ip::parse(text));
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (!has_route(
          [&](const auto& route) { return route.type == netlink::RouteType::local && route.prefix == own; })) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << text;
      }
    }
  }

  template <typename Matches>
  static bool has_route(const Matches& matches) {
    auto network = netlink::Network::open();
    const auto routes = network ? network->routes() : network.error();
    EXPECT_TRUE(routes) << routes.error().text();
    return routes && std::ranges::any_of(*routes, matches);
  }

  static void set(const std::string& setting, int value) {
    std::ofstream file("/proc/sys/net/" + setting);
    ASSERT_TRUE(file << value << std::flush) << setting;
  }

  // Puts a packet in on an interface.
  Fate send(Where from, const Packet& packet) {
    return fate_of([&] { put(tuns_[static_cast<std::size_t>(from)], sealed(packet, number_)); });
  }
  Fate send_bytes(Where from, const packets::Bytes& bytes) {
    return fate_of([&] { put(tuns_[static_cast<std::size_t>(from)], bytes); });
  }
  // A frame with this head, to a TAP.
  Fate send_frame(const common::Fd& tap, packets::Bytes head, const Packet& packet) {
    return fate_of([&] {
      const packets::Bytes bytes = sealed(packet, number_);
      head.insert(head.end(), bytes.begin(), bytes.end());
      put(tap, head);
    });
  }

  static void put(const common::Fd& fd, const packets::Bytes& bytes) {
    EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  // IFF_TUN or IFF_TAP.
  static common::Fd make_device(const char* name, short kind) {
    common::Fd device(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    EXPECT_TRUE(device.valid());
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
    request.ifr_flags = static_cast<short>(kind | IFF_NO_PI);
    EXPECT_EQ(::ioctl(device.get(), TUNSETIFF, &request), 0);
    return device;
  }

  std::optional<datapath::Datapath> datapath_;

  enum class User : std::uint8_t { root, nobody };

  // Has a socket of this host send, bound to an address that need not be one of the host's.
  Fate speak(User user, const char* source, const char* destination) {
    return fate_of([&] {
      const uid_t uid = user == User::root ? 0 : 65534;
      ASSERT_EQ(::syscall(SYS_setresuid, -1, uid, -1), 0);  // of this thread only, and with it its capabilities
      send_bound(user, source, destination);
      ASSERT_EQ(::syscall(SYS_setresuid, -1, 0, -1), 0);
    });
  }

 private:
  void listen() {
    for (const int family : {AF_INET, AF_INET6}) {
      common::Fd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const int on = 1;
      sockaddr_in6 any{};
      any.sin6_family = static_cast<sa_family_t>(family);
      any.sin6_port = htons(kPort);
      if (family == AF_INET6) {
        ASSERT_EQ(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
      }
      ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&any),
                       family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)),
                0);
      sockets_.push_back(std::move(socket));
    }
  }

  // One CPU from here on: each has a queue of its own.
  void follow_loopback() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &cpus);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(cpus), &cpus), 0);
    queue_end_ = common::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    queue_address_.sin_family = AF_INET;
    queue_address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(queue_address_);
    auto* address = reinterpret_cast<sockaddr*>(&queue_address_);
    ASSERT_EQ(::bind(queue_end_.get(), address, bytes), 0);
    ASSERT_EQ(::getsockname(queue_end_.get(), address, &bytes), 0);
  }

  void guard() {
    datapath::Options options{.interface = "tunnel", .bpffs = (directory_ / "bpf").string()};
    options.rules = 4;
    options.tables.pairs = 512;  // they are read twice a packet
    auto opened = datapath::Datapath::open(options);
    ASSERT_TRUE(opened) << opened.error().text();
    datapath_ = std::move(*opened);
    policy({allow(0, 0)});
    follow_routes();
    const auto attached = datapath_->attach(::if_nametoindex("tunnel"));
    ASSERT_TRUE(attached) << attached.error().text();
  }

  void send_bound(User user, const char* source, const char* destination) const {
    const int family = std::strchr(source, ':') == nullptr ? AF_INET : AF_INET6;
    const bool v4 = family == AF_INET;
    const common::Fd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    const int option =
        user == User::root ? (v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT) : (v4 ? IP_FREEBIND : IPV6_FREEBIND);
    ASSERT_EQ(::setsockopt(socket.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, option, &on, sizeof(on)), 0);
    const auto address_of = [&](const char* text, std::uint16_t port) {
      sockaddr_storage storage{};
      storage.ss_family = static_cast<sa_family_t>(family);
      auto* in = reinterpret_cast<sockaddr_in*>(&storage);
      auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
      (v4 ? in->sin_port : in6->sin6_port) = htons(port);
      EXPECT_EQ(::inet_pton(family, text, v4 ? static_cast<void*>(&in->sin_addr) : &in6->sin6_addr), 1);
      return storage;
    };
    const socklen_t bytes = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    const sockaddr_storage from = address_of(source, 0);
    const sockaddr_storage to = address_of(destination, kPort);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from), bytes), 0) << std::strerror(errno);
    // Whether the kernel lets it go is the kernel's business.
    [[maybe_unused]] const ssize_t sent =
        ::sendto(socket.get(), &number_, sizeof(number_), 0, reinterpret_cast<const sockaddr*>(&to), bytes);
  }

  // All that a packet meets runs inside the call that sends it, but for the loopback interface's queue: that is the
  // CPU's own, and first in, first out.
  void await_loopback() const {
    std::uint64_t number = 0;
    while (number != number_) {
      ASSERT_EQ(::sendto(queue_end_.get(), &number_, sizeof(number_), 0,
                         reinterpret_cast<const sockaddr*>(&queue_address_), sizeof(queue_address_)),
                sizeof(number_))
          << std::strerror(errno);
      ASSERT_EQ(::recv(queue_end_.get(), &number, sizeof(number), 0), sizeof(number)) << std::strerror(errno);
    }
  }

  template <typename Sends>
  Fate fate_of(const Sends& sends) {
    ++number_;
    const datapath::Counters before = counters();
    sends();
    await_loopback();
    const datapath::Counters after = counters();
    Fate fate;
    fate.in = judgement(before, after, KRAIT_INGRESS);
    fate.out = judgement(before, after, KRAIT_EGRESS);
    for (std::size_t i = 0; i < tuns_.size(); ++i) {
      if (takes(tuns_[i], true)) {
        fate.seen.insert(static_cast<Where>(i));
      }
    }
    for (const common::Fd& socket : sockets_) {
      if (takes(socket, false)) {
        fate.seen.insert(Where::socket);
      }
    }
    return fate;
  }

  // Reads all that waits there, and whether the packet is among it. An ICMP error that quotes the packet is not it.
  bool takes(const common::Fd& fd, bool has_headers) const {
    bool found = false;
    std::array<std::byte, 2048> bytes{};
    for (;;) {
      const ssize_t count = ::read(fd.get(), bytes.data(), bytes.size());
      if (count < static_cast<ssize_t>(sizeof(number_))) {
        return found;
      }
      const bool v4 = (bytes[0] & std::byte{0xf0}) == std::byte{0x40};
      const bool is_udp = !has_headers || bytes[v4 ? 9 : 6] == std::byte{17};
      const std::byte* end = bytes.data() + count;
      found = found || (is_udp && std::memcmp(end - sizeof(number_), &number_, sizeof(number_)) == 0);
    }
  }

  datapath::Counters counters() {
    auto counters = datapath_->counters();
    EXPECT_TRUE(counters) << counters.error().text();
    return counters ? std::move(*counters) : datapath::Counters{};
  }

  static Fate::Judgement judgement(const datapath::Counters& before, const datapath::Counters& after,
                                   krait_direction direction) {
    Fate::Judgement judgement;
    for (int reason = 1; reason < KRAIT_REASON_COUNT; ++reason) {
      if (after.drops[reason].by_direction[direction].packets != before.drops[reason].by_direction[direction].packets) {
        judgement.reason = static_cast<krait_reason>(reason);
      }
    }
    for (const datapath::PairCount& pair : after.pairs) {
      const auto was = std::find_if(before.pairs.begin(), before.pairs.end(), [&](const datapath::PairCount& other) {
        return other.source_tag == pair.source_tag && other.destination_tag == pair.destination_tag;
      });
      const std::uint64_t passed = pair.count[direction][KRAIT_ALLOW].packets;
      if (passed != (was == before.pairs.end() ? 0 : was->count[direction][KRAIT_ALLOW].packets)) {
        judgement = {KRAIT_ALLOWED, pair.source_tag, pair.destination_tag};
      }
    }
    return judgement;
  }

  std::vector<common::Fd> tuns_;  // by Where
  std::vector<common::Fd> sockets_;
  common::Fd queue_end_;  // sends to itself by loopback
  sockaddr_in queue_address_{};
  std::uint64_t revision_ = 0;
  std::uint64_t number_ = 0x6b72616974000000;  // of the packet under way, which carries it
};

using Seen = std::set<Where>;

struct Ends {
  const char* source;
  const char* destination;
};

}  // namespace krait::bpf_test
