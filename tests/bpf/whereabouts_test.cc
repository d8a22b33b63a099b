// The kernel as the judge of the judges: on a host with a LAN and a WAN, a packet that was judged as a network's has to
// be read from that network's interface, one that was judged as the host's by a socket of the host or by nobody, and
// nothing leaves the tunnel as somebody whom it did not come from. TUNs stand for the tunnel and both links; they lie
// in a network and mount namespace of their own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>

#include "common/fd.h"
#include "krait/abi/selector.h"
#include "krait/agent/ways_behind.h"
#include "krait/compile/compile.h"
#include "krait/datapath/datapath.h"
#include "krait/wireguard/network.h"
#include "tests/packets/packet.h"

namespace krait::bpf_test {
namespace {

using packets::Packet;

// Where packets are put in and turn up again.
enum class Where : std::uint8_t { tunnel, lan, wan, socket };

// Identities by tag. Office lies behind this host on the LAN, depot on the WAN, branch behind bob.
constexpr std::uint32_t kSrv = 1;  // this host
constexpr std::uint32_t kBob = 2;
constexpr std::uint32_t kMallory = 3;
constexpr std::uint32_t kOffice = 4;
constexpr std::uint32_t kDepot = 5;
constexpr std::uint32_t kBranch = 6;
constexpr std::uint16_t kPort = 137;

constexpr const char* kAddresses = R"(
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

std::vector<compile::Binding> bindings() {
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
model::Rule allow(std::uint32_t from, std::uint32_t to) {
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

// RFC 1071.
std::uint16_t folded(std::uint32_t sum) {
  while (sum >> 16U != 0) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::uint32_t sum_of(const packets::Bytes& bytes, std::size_t first, std::size_t count) {
  std::uint32_t sum = 0;
  for (std::size_t i = first; i < first + count; ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << ((i - first) % 2 == 0 ? 8U : 0U);
  }
  return sum;
}

void store(packets::Bytes& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8U);
  bytes[at + 1] = static_cast<std::byte>(value & 0xffU);
}

// A UDP packet whose checksums a stack accepts, and that can be told from all others.
packets::Bytes sealed(Packet packet, std::uint64_t number) {
  packets::Bytes mark(sizeof(number));
  std::memcpy(mark.data(), &number, sizeof(number));
  packets::Bytes bytes = packet.udp(kPort, kPort).payload(mark).ip();
  const bool v4 = (bytes[0] & std::byte{0xf0}) == std::byte{0x40};
  const std::size_t udp = v4 ? 4 * std::to_integer<std::size_t>(bytes[0] & std::byte{0x0f}) : 40;
  if (v4) {
    store(bytes, 10, 0);
    store(bytes, 10, folded(sum_of(bytes, 0, udp)));
  }
  const std::size_t rest = bytes.size() - udp;
  const std::uint32_t pseudo = sum_of(bytes, v4 ? 12 : 8, v4 ? 8 : 32) + 17 + static_cast<std::uint32_t>(rest);
  store(bytes, udp + 6, folded(pseudo + sum_of(bytes, udp, rest)));
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

class Whereabouts : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: making network namespaces needs root";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    bpffs_ = std::filesystem::temp_directory_path() / "krait-whereabouts-test";
    std::filesystem::create_directories(bpffs_);
    ASSERT_EQ(::mount("tmpfs", bpffs_.c_str(), "tmpfs", 0, nullptr), 0);
    for (const char* name : {"tunnel", "lan", "wan"}) {
      ASSERT_NO_FATAL_FAILURE(make_tun(name));
    }
    ip(kAddresses);
    set("ipv4/ip_forward", 1);
    set("ipv6/conf/all/forwarding", 1);
    ASSERT_NO_FATAL_FAILURE(listen());
    ASSERT_NO_FATAL_FAILURE(follow_loopback());
    ASSERT_NO_FATAL_FAILURE(guard());
  }
  void TearDown() override {
    if (!bpffs_.empty()) {
      ::umount2(bpffs_.c_str(), MNT_DETACH);
    }
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
    auto network = wireguard::Network::open();
    ASSERT_TRUE(network) << network.error().text();
    const auto routes = network->routes();
    ASSERT_TRUE(routes) << routes.error().text();
    const auto found = agent::ways_behind({.behind = behind, .beyond = beyond}, *routes, ::if_nametoindex("tunnel"));
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
      const std::string address = line.starts_with("addr add ") ? line.substr(9, line.find('/') - 9) : "";
      if (!address.contains(':')) {
        continue;
      }
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (std::system(("ip -6 route show table local | grep -q '^local " + address + " '").c_str()) != 0) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << address;
      }
    }
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

  static common::Fd make_tap(const char* name) {
    common::Fd tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    EXPECT_EQ(::ioctl(tap.get(), TUNSETIFF, &request), 0);
    return tap;
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
  void make_tun(const char* name) {
    common::Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    ASSERT_TRUE(tun.valid());
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    ASSERT_EQ(::ioctl(tun.get(), TUNSETIFF, &request), 0);
    tuns_.push_back(std::move(tun));
  }

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
    datapath::Options options{.interface = "tunnel", .bpffs = (bpffs_ / "bpf").string()};
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

  std::filesystem::path bpffs_;
  std::vector<common::Fd> tuns_;  // by Where
  std::vector<common::Fd> sockets_;
  common::Fd queue_end_;  // sends to itself by loopback
  sockaddr_in queue_address_{};
  std::uint64_t revision_ = 0;
  std::uint64_t number_ = 0x6b72616974000000;  // of the packet under way, which carries it
};

using Seen = std::set<Where>;

// Routes as they come and go while packets are on their way.
struct Weather {
  const char* name;
  const char* begins;
  const char* ends;
  bool part_on_wan = false;    // of the office
  bool branch_on_lan = false;  // a part of it
};
constexpr Weather kWeathers[] = {
    {"fair", "", ""},
    {"the LAN's routes are gone", "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"},
    {"and a default route is there",
     "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n"
     "route add default dev wan\nroute add ::/0 dev wan\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"
     "route del default dev wan\nroute del ::/0 dev wan\n"},
    {"and a wider route leads through the tunnel",
     "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n"
     "route add 10.0.0.0/8 dev tunnel\nroute add fd00::/8 dev tunnel\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"
     "route del 10.0.0.0/8 dev tunnel\nroute del fd00::/8 dev tunnel\n"},
    {"a part of the LAN lies on the WAN", "route add 10.20.7.0/24 dev wan\nroute add fd20:0:7::/48 dev wan\n",
     "route del 10.20.7.0/24 dev wan\nroute del fd20:0:7::/48 dev wan\n", true},
    {"a part of the LAN is refused", "route add blackhole 10.20.7.0/24\nroute add prohibit fd20:0:7::/48\n",
     "route del blackhole 10.20.7.0/24\nroute del prohibit fd20:0:7::/48\n"},
    {"the host has more addresses", "addr add 10.20.7.7/32 dev lo\naddr add fd20:0:7::7/128 dev lo nodad\n",
     "addr del 10.20.7.7/32 dev lo\naddr del fd20:0:7::7/128 dev lo\n"},
    {"a peer's network is on the LAN", "route add 10.50.7.0/24 dev lan\nroute add fd50:0:7::/48 dev lan\n",
     "route del 10.50.7.0/24 dev lan\nroute del fd50:0:7::/48 dev lan\n", false, true},
};

class Traveller {
 public:
  explicit Traveller(std::uint64_t seed) : random_(seed) {}

  Where start() {
    const std::uint64_t kind = random_() % 10;
    return kind < 5 ? Where::tunnel : kind < 7 ? Where::lan : kind < 9 ? Where::wan : Where::socket;
  }
  // Source and destination, of one family.
  std::pair<const char*, const char*> ends() {
    static constexpr const char* kV4[] = {"10.90.0.1",  "10.90.0.2", "10.90.0.3", "10.90.0.255",   "10.20.0.1",
                                          "10.20.0.77", "10.20.0.0", "10.20.7.7", "10.20.255.255", "10.40.0.1",
                                          "10.40.0.9",  "10.50.0.5", "10.50.7.5", "10.90.0.9",     "10.40.255.255"};
    static constexpr const char* kV6[] = {"fd90::3", "fd90::2",  "fd8f::2", "fd90::",      "fd20::1",
                                          "fd20::",  "fd20::77", "fd40::",  "fd20:0:7::7", "fd40::1",
                                          "fd40::9", "fd50::5",  "fd90::9", "fd50:0:7::5", "fd20:0:7::8"};
    const auto& all = random_() % 2 == 0 ? kV4 : kV6;
    return {all[random_() % std::size(all)], all[random_() % std::size(all)]};
  }

 private:
  std::mt19937_64 random_;
};

// Where the office's host is.
Where office_of(const Weather& weather, std::string_view address) {
  const bool in_part = address.starts_with("10.20.7.") || address.starts_with("fd20:0:7:");
  return weather.part_on_wan && in_part ? Where::wan : Where::lan;
}

// What was judged to come in has to turn up there and nowhere else.
void expect_arrival(const Weather& weather, const char* destination, const Fate& fate) {
  if (fate.in.reason != KRAIT_ALLOWED) {
    EXPECT_EQ(fate.seen, Seen{}) << "refused, but seen";
    return;
  }
  switch (fate.in.destination) {
    case kOffice:
      EXPECT_EQ(fate.seen, Seen{office_of(weather, destination)});
      break;
    case kDepot:
      EXPECT_EQ(fate.seen, Seen{Where::wan});
      break;
    case kSrv:
      EXPECT_TRUE(fate.seen == Seen{} || fate.seen == Seen{Where::socket});
      break;
    default:
      EXPECT_EQ(fate.seen, Seen{Where::tunnel});
      EXPECT_EQ(fate.out.source, fate.in.source);
      EXPECT_EQ(fate.out.destination, fate.in.destination);
      break;
  }
}

// What leaves the tunnel speaks as who sent it.
void expect_departure(const Weather& weather, Where from, const char* source, const Fate& fate) {
  if (!fate.seen.contains(Where::tunnel)) {
    EXPECT_NE(fate.out.reason, KRAIT_ALLOWED);
    return;
  }
  EXPECT_EQ(fate.out.reason, KRAIT_ALLOWED);
  if (fate.out.source == kOffice) {
    EXPECT_EQ(from, office_of(weather, source));
    return;
  }
  EXPECT_EQ(fate.out.source, from == Where::wan ? kDepot : kSrv);
}

// Whether a source is the host's or somebody's behind the tunnel, and does not come in where it could be.
bool is_outsider(const Weather& weather, Where from, std::string_view source) {
  static const std::set<std::string_view> kInside{"10.90.0.1", "10.90.0.2", "10.90.0.3", "10.50.0.5",
                                                  "fd90::3",   "fd90::2",   "fd8f::2",   "fd50::5"};
  const bool in_part = source == "10.50.7.5" || source == "fd50:0:7::5";
  return kInside.contains(source) || (in_part && !(weather.branch_on_lan && from == Where::lan));
}

// With the fence, whose addresses are behind the tunnel come in by it alone.
void expect_fenced(const Weather& weather, Where from, const char* source, const Fate& fate) {
  EXPECT_EQ(fate.in.reason == KRAIT_REASON_OUTSIDE_TUNNEL, is_outsider(weather, from, source));
  if (is_outsider(weather, from, source)) {
    EXPECT_EQ(fate.seen, Seen{});
  }
}

class Travels : public Whereabouts, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(WithAndWithoutTheFence, Travels, testing::Bool());

TEST_P(Travels, PacketsGoWhereTheyWereJudgedToGoAndComeFromThere) {
  const bool is_fenced = GetParam();
  set("ipv4/conf/all/rp_filter", 0);
  if (is_fenced) {
    ASSERT_NO_FATAL_FAILURE(fence());
  }
  Traveller traveller(1);
  std::map<std::uint32_t, int> arrived;
  std::map<std::uint32_t, int> departed;
  for (const Weather& weather : kWeathers) {
    ip(weather.begins);
    for (int i = 0; i < 200; ++i) {
      const Where from = traveller.start();
      const auto [source, destination] = traveller.ends();
      SCOPED_TRACE(std::string(weather.name) + ": " + source + " to " + destination + " from " +
                   std::to_string(static_cast<int>(from)));
      const Fate fate = from == Where::socket ? speak(i % 2 == 0 ? User::root : User::nobody, source, destination)
                                              : send(from, Packet(source, destination));
      from == Where::tunnel ? expect_arrival(weather, destination, fate)
                            : expect_departure(weather, from, source, fate);
      if (is_fenced && (from == Where::lan || from == Where::wan)) {
        expect_fenced(weather, from, source, fate);
      }
      arrived[fate.in.destination] += from == Where::tunnel && !fate.seen.empty() ? 1 : 0;
      departed[fate.out.source] += from != Where::tunnel && fate.seen.contains(Where::tunnel) ? 1 : 0;
      ASSERT_FALSE(HasFailure());
    }
    ip(weather.ends);
  }
  for (const std::uint32_t tag : {kSrv, kBob, kMallory, kOffice, kDepot, kBranch}) {
    EXPECT_GT(arrived[tag], 2) << tag;
  }
  for (const std::uint32_t tag : {kSrv, kOffice, kDepot}) {
    EXPECT_GT(departed[tag], 2) << tag;
  }
}

struct Ends {
  const char* source;
  const char* destination;
};

// What a neighbour on the LAN or the underlay sends with addresses of this host.
TEST_F(Whereabouts, NeighboursDoNotSpeakAsThisHost) {
  for (const Where from : {Where::lan, Where::wan}) {
    const Fate fate = send(from, Packet("fd90::3", "fd8f::2"));
    EXPECT_EQ(fate.out.reason, KRAIT_REASON_REVERSE_PATH);
    EXPECT_EQ(fate.seen, Seen{});
    // Of IPv4 the kernel itself takes no own sources, so that masquerading can be allowed.
    EXPECT_EQ(send(from, Packet("10.90.0.1", "10.90.0.3")).out.reason, std::nullopt);
    EXPECT_EQ(send(from, Packet("10.20.0.1", "10.90.0.3")).out.reason, std::nullopt);
  }
}

TEST_F(Whereabouts, NeighboursDoNotSpeakAsAnotherNetwork) {
  set("ipv4/conf/all/rp_filter", 0);
  for (const auto& [source, destination] : {Ends{"10.20.0.77", "10.90.0.2"}, Ends{"fd20::77", "fd90::2"}}) {
    const Fate fate = send(Where::wan, Packet(source, destination));
    EXPECT_EQ(fate.out.reason, KRAIT_REASON_REVERSE_PATH);
    EXPECT_EQ(fate.seen, Seen{});
    const Fate good = send(Where::lan, Packet(source, destination));
    EXPECT_EQ(good.out.source, kOffice);
    EXPECT_EQ(good.seen, Seen{Where::tunnel});
  }
}

// Past the tunnel, where WireGuard checks no source: to the host, and through it to the office.
TEST_F(Whereabouts, NeighboursDoNotSpeakAsPeersPastTheTunnel) {
  set("ipv4/conf/all/rp_filter", 0);
  const struct {
    Ends ends;
    Where goes_to;
  } all[] = {{{"10.90.0.3", "10.90.0.1"}, Where::socket},    {{"fd8f::2", "fd90::3"}, Where::socket},
             {{"10.50.0.5", "198.51.100.1"}, Where::socket}, {{"fd50::5", "fd40::1"}, Where::socket},
             {{"10.90.0.3", "10.20.0.77"}, Where::lan},      {{"fd8f::2", "fd20::77"}, Where::lan},
             {{"fd90::3", "fd90::3"}, Where::socket}};
  for (const auto& [ends, goes_to] : all) {
    EXPECT_EQ(send(Where::wan, Packet(ends.source, ends.destination)).seen, Seen{goes_to}) << "without the fence";
  }
  ASSERT_NO_FATAL_FAILURE(fence());
  for (const auto& [ends, goes_to] : all) {
    const Fate fate = send(Where::wan, Packet(ends.source, ends.destination));
    EXPECT_EQ(fate.in.reason, KRAIT_REASON_OUTSIDE_TUNNEL) << ends.source;
    EXPECT_EQ(fate.seen, Seen{}) << ends.source;
  }
  for (const Ends& stranger : {Ends{"198.51.100.9", "198.51.100.1"}, Ends{"fd40::9", "fd90::3"}}) {
    EXPECT_EQ(send(Where::wan, Packet(stranger.source, stranger.destination)).seen, Seen{Where::socket});
  }
}

// The host talks to itself by loopback: with addresses in a peer's network too, and as its own translations have it.
TEST_F(Whereabouts, TheFenceLeavesTheHostItself) {
  ASSERT_NO_FATAL_FAILURE(fence());
  ip("addr add 10.50.7.1/24 dev lan\naddr add fd50:0:7::1/48 dev lan nodad\n");
  for (const char* own : {"fd90::3", "10.90.0.1", "10.50.7.1", "fd50:0:7::1", "198.51.100.1"}) {
    EXPECT_EQ(speak(User::nobody, own, own).seen, Seen{Where::socket}) << own;
  }
}

// While everything is denied, as after krait down --keep-enforcing, the fence goes by what was in force before.
TEST_F(Whereabouts, TheFenceStandsWhileEverythingIsDenied) {
  set("ipv4/conf/all/rp_filter", 0);
  ASSERT_NO_FATAL_FAILURE(fence());
  ASSERT_TRUE(datapath_->deny_all());
  for (const auto& [source, destination] : {Ends{"10.90.0.3", "10.90.0.1"}, Ends{"fd8f::2", "fd90::3"}}) {
    EXPECT_EQ(send(Where::wan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
}

// From `to` on, as Ethernet has it: the tags' halves of four digits each, then the protocol.
packets::Bytes frame_head(std::array<std::uint8_t, 6> to, const std::vector<std::uint16_t>& rest) {
  packets::Bytes head;
  for (const std::uint8_t byte : to) {
    head.push_back(std::byte{byte});
  }
  for (const std::uint8_t byte : std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 9}) {
    head.push_back(std::byte{byte});
  }
  for (const std::uint16_t half : rest) {
    head.push_back(static_cast<std::byte>(half >> 8U));
    head.push_back(static_cast<std::byte>(half & 0xffU));
  }
  return head;
}

constexpr std::array<std::uint8_t, 6> kTapsMac{2, 0, 0, 0, 0, 1};

// The kernel takes tags of VLAN 0 off, however many there are.
TEST_F(Whereabouts, PriorityTagsHideNobody) {
  set("ipv4/conf/all/rp_filter", 0);
  const common::Fd tap = make_tap("tap");
  set("ipv4/conf/tap/rp_filter", 0);
  ip("link set tap address 02:00:00:00:00:01\nlink set tap up\n");
  const std::vector<std::vector<std::uint16_t>> tags{
      {},
      {0x8100, 0},
      {0x8100, 0, 0x8100, 0},
      {0x88a8, 0, 0x8100, 0xe000},
      {0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0, 0x8100, 0}};
  const auto fates = [&](Seen expected, const char* when) {
    for (const std::vector<std::uint16_t>& tag : tags) {
      for (const auto& [source, destination] : {Ends{"10.90.0.3", "10.90.0.1"}, Ends{"fd8f::2", "fd90::3"}}) {
        std::vector<std::uint16_t> rest = tag;
        rest.push_back(std::strchr(source, ':') == nullptr ? 0x0800 : 0x86dd);
        const Fate fate = send_frame(tap, frame_head(kTapsMac, rest), Packet(source, destination));
        EXPECT_EQ(fate.seen, expected) << when << ", " << tag.size() / 2 << " tags, " << source;
      }
    }
  };
  fates(Seen{Where::socket}, "without the fence");
  const auto nobody = [](std::uint32_t) { return false; };
  ASSERT_TRUE(datapath_->fence_off({.interfaces = {::if_nametoindex("tap")}, .ports = {}}, nobody).failures.empty());
  fates(Seen{}, "with the fence");
  const Fate stranger = send_frame(tap, frame_head(kTapsMac, {0x8100, 0, 0x0800}), Packet("198.51.100.9", "10.90.0.1"));
  EXPECT_EQ(stranger.seen, Seen{Where::socket});
}

// Frames to some groups the host takes in on the bridge's port, past the bridge's own interface.
TEST_F(Whereabouts, ABridgesPortIsNoWayAroundTheFence) {
  set("ipv4/conf/all/rp_filter", 0);
  const common::Fd tap = make_tap("tap");
  set("ipv4/conf/tap/rp_filter", 0);
  ip("link add bridge type bridge\nlink set tap master bridge\nlink set tap up\nlink set bridge up\n");
  const packets::Bytes head = frame_head({1, 0x80, 0xc2, 0, 0, 3}, {0x86dd});
  EXPECT_EQ(send_frame(tap, head, Packet("fd8f::2", "fd90::3")).seen, Seen{Where::socket}) << "without the fence";
  const auto nobody = [](std::uint32_t) { return false; };
  const datapath::Outside outside{.interfaces = {::if_nametoindex("bridge")}, .ports = {::if_nametoindex("tap")}};
  ASSERT_TRUE(datapath_->fence_off(outside, nobody).failures.empty());
  const Fate fate = send_frame(tap, head, Packet("fd8f::2", "fd90::3"));
  EXPECT_EQ(fate.in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  EXPECT_EQ(fate.seen, Seen{});
  EXPECT_EQ(send_frame(tap, head, Packet("fd40::9", "fd90::3")).seen, Seen{Where::socket}) << "a stranger";
}

// What outside the tunnel says about packets that went into it does not count: not the path's MTU, not that a host is
// gone.
TEST_F(Whereabouts, NobodyOutsideSpeaksAboutTheTunnelsPackets) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto about = [&](const char* from, const char* to, const char* quoted_source, const char* quoted) {
    const bool v4 = std::strchr(from, ':') == nullptr;
    Packet inner(quoted_source, quoted);
    inner.udp(kPort, kPort).payload(16);
    const packets::Bytes error =
        v4 ? Packet(from, to).icmp_error(3, 4, inner).ip() : Packet(from, to).icmp_error(2, 0, inner).ip();
    return send_bytes(Where::wan, error).in.reason;
  };
  EXPECT_EQ(about("198.51.100.9", "198.51.100.1", "10.90.0.1", "10.90.0.3"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("fd40::9", "fd40::1", "fd90::3", "fd8f::2"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("fd40::9", "fd40::1", "fd40::1", "fd50::5"), KRAIT_REASON_ICMP_ERROR_UNRELATED);
  EXPECT_EQ(about("198.51.100.9", "198.51.100.1", "198.51.100.1", "203.0.113.9"), std::nullopt);
  EXPECT_EQ(about("10.50.0.5", "198.51.100.1", "198.51.100.1", "203.0.113.9"), std::nullopt)
      << "a router of the underlay";
  EXPECT_EQ(about("10.90.0.3", "198.51.100.1", "198.51.100.1", "203.0.113.9"), KRAIT_REASON_OUTSIDE_TUNNEL);
}

// The kernel finds an error behind any number of extension headers. A chain that is too long to follow hides it from
// nobody.
TEST_F(Whereabouts, ExtensionHeadersHideNothingFromTheFence) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto behind = [](std::size_t headers, Packet packet) {
    for (std::size_t i = 0; i < headers; ++i) {
      packet.extension(packets::kDestinationOptions);
    }
    return packet;
  };
  const Packet lost = Packet("fd90::3", "fd8f::2").udp(kPort, kPort).payload(16);
  const Packet stranger("fd40::9", "fd90::3");
  for (const std::size_t headers : {0U, 1U, 4U, 5U, 8U}) {
    const packets::Bytes error = behind(headers, Packet("fd40::9", "fd40::1")).icmp_error(2, 0, lost).ip();
    EXPECT_EQ(send_bytes(Where::wan, error).in.reason, KRAIT_REASON_ICMP_ERROR_UNRELATED) << headers;
    EXPECT_EQ(send(Where::wan, behind(headers, stranger)).in.reason, std::nullopt) << headers;
  }
  const packets::Bytes error = behind(9, Packet("fd40::9", "fd40::1")).icmp_error(2, 0, lost).ip();
  EXPECT_EQ(send_bytes(Where::wan, error).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  EXPECT_EQ(send(Where::wan, behind(9, stranger)).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  // Of a later fragment the header speaks of what the first one begins with.
  const Packet later =
      Packet("fd40::9", "fd90::3").fragment(7, 1232, false).protocol(packets::kDestinationOptions).payload(64);
  EXPECT_EQ(send_bytes(Where::wan, later.ip()).in.reason, std::nullopt);
}

// What of a peer's network is reached otherwise, by a route of its own, is not behind the peer.
TEST_F(Whereabouts, PartsOfAPeersNetworkMayBeElsewhere) {
  set("ipv4/conf/all/rp_filter", 0);
  ASSERT_NO_FATAL_FAILURE(fence());
  const Ends all[] = {{"10.50.7.5", "198.51.100.1"}, {"fd50:0:7::5", "fd40::1"}};
  ip("route add 10.50.7.0/24 dev lan\nroute add fd50:0:7::/48 dev lan\n");
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::lan, Packet(source, destination)).seen, Seen{Where::socket});
    EXPECT_EQ(send(Where::wan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
  ip("route del 10.50.7.0/24 dev lan\nroute del fd50:0:7::/48 dev lan\n");
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::lan, Packet(source, destination)).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL);
  }
}

// RFC 4861 4.2, 4.6.2: a router that is none puts fd50:0:7::/64 on the link, and says for how long.
packets::Bytes router_advertisement(std::uint32_t lifetime_s) {
  packets::Bytes body(48);  // without checksum; no router, no hints
  body[0] = std::byte{134};
  body[16] = std::byte{3};
  body[17] = std::byte{4};
  body[18] = std::byte{64};
  body[19] = std::byte{0x80};  // on link
  for (const std::size_t at : {20U, 24U}) {
    store(body, at, static_cast<std::uint16_t>(lifetime_s >> 16U));
    store(body, at + 2, static_cast<std::uint16_t>(lifetime_s & 0xffffU));
  }
  const common::Ip network = common::Prefix::parse("fd50:0:7::/64")->ip;
  std::ranges::transform(network.bytes, body.begin() + 32, [](std::uint8_t byte) { return std::byte{byte}; });
  packets::Bytes packet = Packet("fe80::9", "ff02::1").protocol(packets::kIcmpv6).payload(body).ip();
  packet[7] = std::byte{255};
  store(packet, 42, folded(sum_of(packet, 8, 32) + packets::kIcmpv6 + 48 + sum_of(packet, 40, 48)));
  return packet;
}

// What is masqueraded to the host's address behind the fence speaks as the host, so it comes from where its source is.
TEST_F(Whereabouts, NeighboursBorrowNoSourceOnTheirWayIntoTheTunnel) {
  set("ipv4/conf/all/rp_filter", 0);
  ip("route add 172.17.0.0/16 dev lan\n");
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto fence_says = [&](Where from, const char* source, const char* destination) {
    return send(from, Packet(source, destination)).in.reason;
  };
  for (const char* tunnels : {"10.90.0.3", "10.50.0.5"}) {
    for (const char* lans : {"172.17.0.5", "10.20.0.77"}) {
      EXPECT_EQ(fence_says(Where::wan, lans, tunnels), KRAIT_REASON_REVERSE_PATH) << lans;
      EXPECT_EQ(fence_says(Where::lan, lans, tunnels), std::nullopt) << lans;
    }
    EXPECT_EQ(fence_says(Where::wan, "198.51.100.9", tunnels), std::nullopt) << "its own";
    EXPECT_EQ(fence_says(Where::wan, "203.0.113.9", tunnels), KRAIT_REASON_REVERSE_PATH) << "of no route";
  }
  EXPECT_EQ(fence_says(Where::wan, "172.17.0.5", "198.51.100.1"), std::nullopt) << "to the host";
  EXPECT_EQ(fence_says(Where::wan, "172.17.0.5", "10.20.0.77"), std::nullopt) << "to the LAN";
}

// Behind the end of a first fragment a frame may go on: with what the kernel cuts off, before it takes the second
// fragment's headers.
TEST_F(Whereabouts, FragmentsHideNothingFromTheFence) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const Packet first = Packet("fd40::9", "fd40::1")
                           .fragment(7, 0, true)
                           .extension(packets::kDestinationOptions)
                           .protocol(packets::kDestinationOptions);
  EXPECT_EQ(send_bytes(Where::wan, first.ip()).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
  packets::Bytes longer = first.ip();
  longer.resize(longer.size() + 64, std::byte{packets::kUdp});
  EXPECT_EQ(send_bytes(Where::wan, longer).in.reason, KRAIT_REASON_EXTENSION_HEADERS);
}

// The kernel believes a quoted packet's routing header more than its destination, and passes unknown errors on.
TEST_F(Whereabouts, NoErrorFromOutsideHidesWhatItSpeaksOf) {
  ASSERT_NO_FATAL_FAILURE(fence());
  const auto said_of = [&](std::uint8_t type, const Packet& quoted) {
    return send_bytes(Where::wan, Packet("fd40::9", "fd40::1").icmp_error(type, 0, quoted).ip()).in.reason;
  };
  const Packet stranger("fd40::1", "fd40::9");
  for (const std::uint8_t type : {packets::kHopByHop, packets::kRouting, packets::kDestinationOptions}) {
    EXPECT_EQ(said_of(1, Packet(stranger).extension(type).udp(kPort, kPort)), KRAIT_REASON_ICMP_ERROR_UNRELATED);
    EXPECT_EQ(said_of(1, Packet(stranger).fragment(7, 0, true).extension(type).udp(kPort, kPort)),
              KRAIT_REASON_ICMP_ERROR_UNRELATED);
  }
  EXPECT_EQ(said_of(1, Packet(stranger).fragment(7, 0, true).udp(kPort, kPort)), std::nullopt);
  for (const std::uint8_t type : std::array<std::uint8_t, 3>{1, 5, 127}) {
    EXPECT_EQ(said_of(type, Packet("fd40::1", "fd8f::2").udp(kPort, kPort)), KRAIT_REASON_ICMP_ERROR_UNRELATED);
    EXPECT_EQ(said_of(type, Packet(stranger).udp(kPort, kPort)), std::nullopt);
  }
}

// Anybody on a link can advertise, and for ever: that makes nothing of a peer's network this link's.
TEST_F(Whereabouts, AdvertisedNetworksAreNoWays) {
  set("ipv6/conf/wan/accept_ra", 2);
  ASSERT_NO_FATAL_FAILURE(fence());
  const Packet pretender("fd50:0:7::5", "fd40::1");
  for (const std::uint32_t lifetime_s : {3600U, ~0U}) {
    ASSERT_NO_FATAL_FAILURE(send_bytes(Where::wan, router_advertisement(lifetime_s)));
    ASSERT_EQ(std::system("ip -6 route show fd50:0:7::/64 | grep -q 'dev wan'"), 0) << "the kernel took it";
    follow_routes();
    EXPECT_EQ(send(Where::wan, pretender).in.reason, KRAIT_REASON_OUTSIDE_TUNNEL) << lifetime_s;
    send_bytes(Where::wan, router_advertisement(0));
  }
  ip("route add fd50:0:7::/64 dev wan\n");
  EXPECT_EQ(send(Where::wan, pretender).in.reason, std::nullopt) << "set by hand";
}

// The host's addresses on the LAN, the LAN's broadcast and anycast addresses: mallory may reach office, not srv.
TEST_F(Whereabouts, NetworksAreNoWayToTheHostThatIsTheirGateway) {
  const Ends all[] = {{"10.90.0.3", "10.20.0.1"}, {"10.90.0.3", "10.20.255.255"}, {"10.90.0.3", "10.40.0.1"},
                      {"fd8f::2", "fd20::1"},     {"fd8f::2", "fd20::"},          {"fd8f::2", "fd40::1"}};
  policy({allow(kMallory, kOffice), allow(kMallory, kDepot)});
  for (const auto& [source, destination] : all) {
    const Fate fate = send(Where::tunnel, Packet(source, destination));
    EXPECT_EQ(fate.in.reason, KRAIT_REASON_NO_RULE) << destination;
    EXPECT_EQ(fate.seen, Seen{}) << destination;
  }
  EXPECT_EQ(send(Where::tunnel, Packet("10.90.0.3", "10.20.0.77")).seen, Seen{Where::lan});
  EXPECT_EQ(send(Where::tunnel, Packet("fd8f::2", "fd20::77")).seen, Seen{Where::lan});
  policy({allow(kMallory, kSrv)});
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::tunnel, Packet(source, destination)).seen, Seen{Where::socket}) << destination;
  }
}

TEST_F(Whereabouts, WithoutItsRouteANetworkIsNowhere) {
  const Ends all[] = {{"10.90.0.3", "10.20.0.77"}, {"fd8f::2", "fd20::77"}};
  policy({allow(kMallory, kOffice)});
  for (const std::size_t i : {2U, 3U}) {
    ip(kWeathers[i].begins);
    for (const auto& [source, destination] : all) {
      const Fate fate = send(Where::tunnel, Packet(source, destination));
      EXPECT_EQ(fate.in.reason, KRAIT_REASON_NOT_RELAYED) << kWeathers[i].name << ": " << destination;
      EXPECT_EQ(fate.seen, Seen{});
    }
    ip(kWeathers[i].ends);
  }
}

TEST_F(Whereabouts, LocalUsersHaveNoIdentityOfNetworksBehind) {
  policy({allow(kOffice, kBob)});
  for (const User user : {User::root, User::nobody}) {
    for (const auto& [source, destination] : {Ends{"10.20.0.1", "10.90.0.2"}, Ends{"fd20::1", "fd90::2"}}) {
      const Fate fate = speak(user, source, destination);
      EXPECT_EQ(fate.out.reason, KRAIT_REASON_NO_RULE) << "as the host, that is";
      EXPECT_EQ(fate.seen, Seen{});
    }
    const Fate nowhere = speak(user, "fd20::abcd", "fd90::2");
    EXPECT_EQ(nowhere.out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL);
    EXPECT_EQ(nowhere.seen, Seen{});
    EXPECT_EQ(speak(user, "fd8f::2", "fd90::2").out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL) << "a peer's";
  }
  EXPECT_EQ(speak(User::root, "10.20.0.200", "10.90.0.2").out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL);
  policy({allow(kSrv, kBob)});
  EXPECT_EQ(speak(User::nobody, "10.20.0.1", "10.90.0.2").seen, Seen{Where::tunnel});
  EXPECT_EQ(speak(User::nobody, "fd20::1", "fd90::2").seen, Seen{Where::tunnel});
}

// A packet to this host that says to go on to the office: the kernel would do so where it is told to.
TEST_F(Whereabouts, SourceRoutesAreNotFollowed) {
  for (const char* name : {"all", "tunnel"}) {
    set("ipv4/conf/" + std::string(name) + "/accept_source_route", 1);
  }
  const packets::Bytes loose{std::byte{131}, std::byte{7}, std::byte{4},  std::byte{10},
                             std::byte{20},  std::byte{0}, std::byte{77}, std::byte{1}};
  const Fate fate = send(Where::tunnel, Packet("10.90.0.3", "10.90.0.1").options(loose));
  EXPECT_EQ(fate.in.reason, KRAIT_REASON_SOURCE_ROUTE);
  EXPECT_EQ(fate.seen, Seen{});
}

}  // namespace
}  // namespace krait::bpf_test
