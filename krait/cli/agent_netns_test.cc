// The two programs as they are installed, on a TUN device (layer 3, as WireGuard's) in a network namespace of our own:
// what is written into the device's descriptor arrives, what leaves is read from it. Needs root.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/calendar.h"
#include "common/fd.h"
#include "krait/abi/selector.h"
#include "krait/cli/krait_program.h"
#include "krait/control/protocol.h"
#include "krait/inspect/probe_packet.h"
#include "krait/plan/clock_keeper.h"

namespace krait::cli {
namespace {

using common::Fd;
using control::Json;
using inspect::kEthernetBytes;
using inspect::probe_packet;

constexpr const char* kConfig = "/etc/krait/krait.toml";
constexpr const char* kPolicy = "/etc/krait/policy.toml";
constexpr const char* kStateDirectory = "/var/lib/krait";
constexpr int kWaitMs = 20'000;  // a hang is a failure; nothing waits this long otherwise
constexpr std::uint16_t kOpenPort = 7;
constexpr std::uint16_t kShutPort = 9;

Ran krait(std::vector<std::string> arguments, uid_t user = 0) { return krait_program(std::move(arguments), user); }

void write_text(const char* path, const std::string& text) { std::ofstream(path) << text; }

std::string policy_text(const std::string& rules) {
  return "[[identity]]\nname = \"web\"\n[[identity]]\nname = \"db\"\n" + rules;
}

std::string allow(const char* name, const char* from, const char* to, int port) {
  return std::string("[[rule]]\nname = \"") + name + "\"\naction = \"allow\"\nfrom = [\"" + from + "\"]\nto = [\"" +
         to + "\"]\nports = [\"udp/" + std::to_string(port) + "\"]\n";
}

std::string usual_policy() { return policy_text(allow("web to db", "web", "db", kOpenPort)); }

std::string config_text(const std::string& routes = "") {
  return "[host]\nname = \"db1\"\nidentity = \"db\"\naddresses = [\"10.90.0.2\"]\nprivate_key_file = \"/none.key\"\n"
         "interface = \"wg7\"\n[[peer]]\nname = \"web1\"\nidentity = \"web\"\naddresses = [\"10.90.0.1\"]\n"
         "public_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\"\n" +
         routes;
}

void set_up(const char* interface, const char* address) {
  const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (address != nullptr) {
    sockaddr_in ip{};
    ip.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &ip.sin_addr);
    std::memcpy(&request.ifr_addr, &ip, sizeof(ip));
    ASSERT_EQ(::ioctl(control.get(), SIOCSIFADDR, &request), 0);
    ::inet_pton(AF_INET, "255.255.255.0", &ip.sin_addr);
    std::memcpy(&request.ifr_netmask, &ip, sizeof(ip));
    ASSERT_EQ(::ioctl(control.get(), SIOCSIFNETMASK, &request), 0);
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ASSERT_EQ(::ioctl(control.get(), SIOCSIFFLAGS, &request), 0);
}

Fd open_tun() {
  Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ifreq request{};
  std::strncpy(request.ifr_name, "tun0", IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  EXPECT_EQ(::ioctl(tun.get(), TUNSETIFF, &request), 0) << std::strerror(errno);
  return tun;
}

sockaddr_in address_of(const char* ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

Fd udp_socket(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = address_of("10.90.0.2", port);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0) << std::strerror(errno);
  return fd;
}

bool is_readable(const Fd& fd) {
  pollfd waiting{fd.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

// Ends a process that `krait up` started and waits until it is gone.
void end(pid_t pid, int signal) {
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ASSERT_TRUE(pidfd.valid());
  ASSERT_EQ(::kill(pid, signal), 0);
  pollfd waiting{pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, kWaitMs), 1);
}

class AgentTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) {
      return;
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ::mkdir("/etc/krait", 0755);
    for (const char* place : {"/run", "/etc/krait", "/var/lib"}) {
      ASSERT_EQ(::mount("tmpfs", place, "tmpfs", 0, "mode=755"), 0) << place << ": " << std::strerror(errno);
    }
    ASSERT_EQ(::mkdir(kStateDirectory, 0700), 0) << std::strerror(errno);
    // With IPv6 the kernel itself solicits routers through the device, and that is a drop and an event more.
    write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    set_up("lo", nullptr);
    ::setenv("PATH", KRAIT_AGENT_DIRECTORY, 1);
    ::setenv("KRAIT_IFACE", "tun0", 1);  // guard mode: this kernel may have no WireGuard
  }
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    tun_ = open_tun();
    set_up("tun0", "10.90.0.2");
    open_ = udp_socket(kOpenPort);
    shut_ = udp_socket(kShutPort);
    write_text(kConfig, config_text());
    write_text(kPolicy, usual_policy());
    start();
  }
  void TearDown() override {
    if (::geteuid() == 0) {
      krait({"down", "--iface", "tun0"});
    }
  }

  void start() {
    const Ran up = krait({"up", "-o", "json"});
    ASSERT_EQ(up.exit_code, 0) << up.err;
    EXPECT_EQ(up.json()["already_up"], false);
    pid_ = status()["agent"]["pid"].get<pid_t>();
  }
  static Json status() { return krait({"status", "-o", "json"}).json(); }
  static std::uint64_t dropped(const char* reason) { return status()["drops"][reason].get<std::uint64_t>(); }

  // A packet from web arrives for `port`; true: its socket got it. The device delivers before write() returns.
  bool arrives(std::uint16_t port) {
    const auto frame =
        probe_packet(KRAIT_SELECTOR_UDP + port, *common::Ip::parse("10.90.0.1"), *common::Ip::parse("10.90.0.2"));
    const auto bytes = static_cast<ssize_t>(frame.size() - kEthernetBytes);
    EXPECT_EQ(::write(tun_.get(), frame.data() + kEthernetBytes, static_cast<std::size_t>(bytes)), bytes);
    const Fd& socket = port == kOpenPort ? open_ : shut_;
    if (!is_readable(socket)) {
      return false;
    }
    std::array<char, 64> sink;
    return ::recv(socket.get(), sink.data(), sink.size(), 0) > 0;
  }
  // A packet from `socket` leaves for web; true: it came out of the device.
  bool leaves(const Fd& socket, std::uint16_t port) {
    drain();
    const sockaddr_in to = address_of("10.90.0.1", port);
    ::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    return is_readable(tun_);
  }
  void drain() {
    std::array<char, 2048> sink;
    while (::read(tun_.get(), sink.data(), sink.size()) > 0) {
    }
  }

  Fd tun_;
  Fd open_;
  Fd shut_;
  pid_t pid_ = 0;
};

TEST_F(AgentTest, JudgesBothDirections) {
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_TRUE(leaves(open_, 49152));  // the answer
  EXPECT_FALSE(arrives(kShutPort));
  EXPECT_EQ(dropped("no_rule"), 1);
  EXPECT_FALSE(leaves(shut_, 49152));
  EXPECT_EQ(dropped("no_rule"), 2);
}

TEST_F(AgentTest, ShowsWhatIsInForce) {
  const Json json = status();
  EXPECT_EQ(json["interface"], "tun0");
  EXPECT_EQ(json["agent"]["mode"], "guard");
  EXPECT_EQ(json["rules"], 1);
  EXPECT_TRUE(json["public_key"].is_null());
  EXPECT_TRUE(json["attachment"] == "tcx" || json["attachment"] == "clsact");
  const Ran text = krait({"status"}, 65534);  // anybody may look
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("tun0: guarded"), std::string::npos) << text.out;
  const Ran again = krait({"up", "-o", "json"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.json()["already_up"], true);
}

TEST_F(AgentTest, RevokesAndGrantsOnTheNextPacket) {
  EXPECT_TRUE(arrives(kOpenPort));
  const auto revision = status()["revision"].get<std::uint64_t>();
  write_text(kPolicy, policy_text(""));
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_FALSE(arrives(kOpenPort));
  EXPECT_EQ(dropped("no_rule"), 1);
  EXPECT_FALSE(leaves(open_, 49152));  // the flow is alive, its policy is not
  EXPECT_EQ(dropped("flow_revoked"), 1);
  write_text(kPolicy, usual_policy());
  EXPECT_EQ(krait({"reload", "-o", "json"}).json()["revision"], revision + 2);
  EXPECT_TRUE(leaves(open_, 49152));
  EXPECT_TRUE(arrives(kOpenPort));
}

TEST_F(AgentTest, KeepsThePolicyWhenAFileIsWrong) {
  const auto revision = status()["revision"].get<std::uint64_t>();
  write_text(kPolicy, policy_text(allow("web to db", "web", "nobody", kOpenPort)));
  const Ran refused = krait({"reload", "-o", "json"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.json()["diagnostics"][0]["file"], kPolicy);
  EXPECT_GT(refused.json()["diagnostics"][0]["line"], 0);
  EXPECT_EQ(refused.err.rfind("krait: /etc/krait/policy.toml:", 0), 0) << refused.err;
  EXPECT_EQ(status()["revision"], revision);
  EXPECT_TRUE(arrives(kOpenPort));
}

TEST_F(AgentTest, KeepsThePolicyWhenALimitIsExceeded) {
  const auto revision = status()["revision"].get<std::uint64_t>();
  write_text(kPolicy, policy_text(allow("web to db", "web", "db", kShutPort)));
  write_text(kConfig, config_text("[limits]\nhosts = 1\n"));
  const Ran refused = krait({"reload", "-o", "json"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.json()["code"], "limit");
  EXPECT_EQ(refused.json()["error"],
            "/etc/krait/krait.toml: 2 hosts, 1 more than the limit of 1; raise hosts in [limits] of "
            "/etc/krait/krait.toml to at least 2, see docs/limits.md");
  EXPECT_EQ(status()["revision"], revision);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_FALSE(arrives(kShutPort));
  EXPECT_EQ(dropped("no_rule"), 1);
  write_text(kConfig, config_text("[limits]\nhosts = 2\n"));
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_FALSE(arrives(kOpenPort));
  EXPECT_TRUE(arrives(kShutPort));
}

TEST_F(AgentTest, ReloadsOnHangup) {
  write_text(kPolicy, policy_text(""));
  const auto revision = status()["revision"].get<std::uint64_t>();
  ASSERT_EQ(::kill(pid_, SIGHUP), 0);
  EXPECT_EQ(status()["revision"], revision + 1);  // the signal was there before the question
  EXPECT_FALSE(arrives(kOpenPort));
}

TEST_F(AgentTest, OthersThanRootMayAskForTheStatusOnly) {
  for (const char* command : {"rules", "reload", "down"}) {
    const Ran refused = krait({command, "-o", "json"}, 65534);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.json()["code"], "permission");
  }
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_FALSE(arrives(kShutPort));
}

TEST_F(AgentTest, GoesOnWithoutTheAgentAndAdoptsWhatItLeft) {
  EXPECT_TRUE(arrives(kOpenPort));
  const auto revision = status()["revision"].get<std::uint64_t>();
  end(pid_, SIGKILL);
  EXPECT_EQ(krait({"status"}).exit_code, 2);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_TRUE(leaves(open_, 49152));
  EXPECT_FALSE(arrives(kShutPort));
  start();
  EXPECT_EQ(status()["revision"], revision) << "an unchanged start switches nothing";
  EXPECT_EQ(dropped("no_rule"), 1);
  EXPECT_TRUE(leaves(open_, 49152));
  end(pid_, SIGTERM);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_FALSE(arrives(kShutPort));
}

std::string utc(std::time_t time) { return common::utc_text(std::int64_t{time}, "%FT%TZ"); }

// The time that an agent of another boot has seen.
std::string record_of(std::time_t seen) {
  const std::int64_t seen_ns = std::int64_t{seen} * 1'000'000'000;
  return model::record_text({.boot_id = "00000000-0000-0000-0000-000000000000",
                             .boot_ns = 1,
                             .latest = {.any_ns = seen_ns, .synchronized_ns = seen_ns}});
}

TEST_F(AgentTest, WhatHasEndedStaysEndedUnderAnEarlierClock) {
  constexpr std::time_t kDayS = 86400;
  const std::time_t now = std::time(nullptr);
  write_text(kPolicy,
             policy_text(allow("web to db", "web", "db", kOpenPort) + "expires = \"" + utc(now + kDayS) + "\"\n"));
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(status()["clock"]["behind_s"], 0);
  end(pid_, SIGTERM);
  write_text(plan::kTimeFile, record_of(now + 2 * kDayS));
  start();
  EXPECT_FALSE(arrives(kOpenPort));
  EXPECT_EQ(dropped("rule_expired"), 1);
  EXPECT_GE(status()["clock"]["behind_s"], 2 * kDayS - 60);
  const std::string text = krait({"status"}).out;
  EXPECT_NE(text.find("fault: the clock is wrong, or was: it was later before"), std::string::npos) << text;
  EXPECT_NE(text.find("rm /var/lib/krait/latest_time && krait reload"), std::string::npos) << text;
  EXPECT_NE(text.find("\nclock: "), std::string::npos) << text;
  EXPECT_EQ(krait({"rules", "-o", "json"}).json()["rules"][0]["expires_in_s"], 0);
  const Ran explained = krait({"policy", "explain", "--policy", kPolicy, "--from", "web", "--to", "db", "--proto",
                               "udp", "--port", std::to_string(kOpenPort), "-o", "json"});
  EXPECT_EQ(explained.json()["verdict"], "deny") << explained.err;
  EXPECT_NE(krait({"policy", "check", kPolicy}).err.find("has expired"), std::string::npos);
  end(pid_, SIGKILL);  // the next agent knows no less
  start();
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_FALSE(arrives(kOpenPort));
  ASSERT_EQ(::unlink(plan::kTimeFile), 0);
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(arrives(kOpenPort)) << "the owner has said that the clock is right";
  EXPECT_TRUE(status()["faults"].empty());
}

TEST_F(AgentTest, SaysWhenItCannotRememberTheTime) {
  end(pid_, SIGTERM);
  ASSERT_EQ(::unlink(plan::kTimeFile), 0);
  ASSERT_EQ(::rmdir(kStateDirectory), 0);
  start();
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_TRUE(status()["faults"].empty()) << "no rule ends by the calendar";
  write_text(kPolicy, policy_text(allow("web to db", "web", "db", kOpenPort) + "expires = \"9999-01-01T00:00:00Z\"\n"));
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(status()["faults"][0]["what"], "the latest time is not kept: create /var/lib/krait/latest_time." +
                                               std::to_string(pid_) + ".new (No such file or directory)");
  ASSERT_EQ(::mkdir(kStateDirectory, 0700), 0);
  EXPECT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(status()["faults"].empty());
}

TEST_F(AgentTest, DownOpensUpAndLeavesNothing) {
  EXPECT_FALSE(arrives(kShutPort));
  const Fd agent(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  const Ran down = krait({"down", "-o", "json"});
  EXPECT_TRUE(is_readable(agent)) << "the agent is still there";
  EXPECT_EQ(down.exit_code, 0) << down.err;
  EXPECT_EQ(down.json()["interface"], "tun0");
  EXPECT_TRUE(arrives(kShutPort));
  EXPECT_NE(::access("/run/krait/bpf/tun0", F_OK), 0);
  EXPECT_EQ(krait({"down", "--iface", "tun0", "-o", "json"}).json()["removed"], false);
}

TEST_F(AgentTest, DownWorksWithoutTheAgent) {
  end(pid_, SIGKILL);
  const Ran down = krait({"down", "--iface", "tun0", "-o", "json"});
  EXPECT_EQ(down.exit_code, 0) << down.err;
  EXPECT_EQ(down.json()["removed"], true);
  EXPECT_TRUE(arrives(kShutPort));
  EXPECT_NE(::access("/run/krait/bpf/tun0", F_OK), 0);
}

// As where the service has run, whose user /run/krait is: that user must not choose what root's agent works on.
TEST_F(AgentTest, RefusesAFolderOfAnotherUserAndSaysHowToTakeIt) {
  ASSERT_EQ(krait({"down"}).exit_code, 0);
  ASSERT_EQ(::chown("/run/krait", 65534, 65534), 0);
  write_text("/run/secret", "secret");
  ASSERT_EQ(::symlink("/run/secret", "/run/krait/krait.sock"), 0);
  const Ran refused = krait({"up", "-o", "json"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.json()["error"],
            "/run/krait belongs to user 65534, who may exchange files there under this program's feet; make it root's, "
            "for an agent that runs as root: krait-agent --prepare root");
  const Ran prepared = run_program(KRAIT_AGENT_DIRECTORY "/krait-agent", {"--prepare", "root"}, 0);
  EXPECT_EQ(prepared.exit_code, 0) << prepared.err;
  EXPECT_EQ(::unlink("/run/krait/krait.sock"), 0);
  start();
  EXPECT_TRUE(arrives(kOpenPort));
}

TEST_F(AgentTest, TheBundleHoldsNothingThatTheAgentsUserLinksTo) {
  ASSERT_EQ(krait({"down"}).exit_code, 0);
  write_text("/run/secret", "secret");
  ASSERT_EQ(::unlink("/run/krait/agent.log"), 0);
  ASSERT_EQ(::symlink("/run/secret", "/run/krait/agent.log"), 0);
  ASSERT_EQ(::symlink("/run", "/run/krait/bpf"), 0);
  ASSERT_EQ(::chown("/run/krait", 65534, 65534), 0);
  const Ran bundle = krait({"debug", "bundle", "--output-file", "/run/bundle.tar.gz", "-o", "json"});
  ASSERT_EQ(::chown("/run/krait", 0, 0), 0);
  ASSERT_EQ(::unlink("/run/krait/agent.log"), 0);
  ASSERT_EQ(::unlink("/run/krait/bpf"), 0);
  EXPECT_EQ(bundle.exit_code, 0) << bundle.err;
  EXPECT_NE(bundle.out.find("/run/krait/agent.log is a symbolic link"), std::string::npos) << bundle.out;
}

std::string http(const std::string& request) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = address_of("127.0.0.1", 9517);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  return text_to_end(fd.get());
}

TEST_F(AgentTest, ServesMetrics) {
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_FALSE(arrives(kShutPort));
  const std::string page = http("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200 OK\r\n")) << page;
  for (const char* line :
       {"krait_packets_total{source=\"web\",destination=\"db\",direction=\"ingress\",verdict=\"allow\"} 1\n",
        "krait_packets_total{source=\"web\",destination=\"db\",direction=\"ingress\",verdict=\"drop\"} 1\n",
        "krait_bytes_total{source=\"web\",destination=\"db\",direction=\"ingress\",verdict=\"allow\"} 32\n",
        "krait_drops_total{reason=\"no_rule\",direction=\"ingress\"} 1\n", "krait_policy_rules 1\n",
        "krait_peers 0\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  EXPECT_TRUE(http("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
  // It is shared for a while, but never older than what root was told.
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(status()["interface"], "tun0");
  EXPECT_NE(http("GET /metrics HTTP/1.1\r\n\r\n").find("verdict=\"allow\"} 2\n"), std::string::npos);
}

// More than the snapshot map has room for that a small policy gets.
std::string many_routes() {
  std::string routes = "routes = [";
  for (int i = 0; i < 150'000; ++i) {
    routes += "{ prefix = \"172." + std::to_string(16 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
              std::to_string(i % 256) + "/32\", identity = \"web\" },\n";
  }
  return routes + "]\n";
}

TEST_F(AgentTest, TakesAPolicyThatOutgrowsTheTables) {
  write_text(kConfig, config_text(many_routes()));
  const auto revision = status()["revision"].get<std::uint64_t>();
  const Ran reload = krait({"reload", "-o", "json"});
  ASSERT_EQ(reload.exit_code, 0) << reload.err;
  EXPECT_EQ(reload.json()["revision"], revision + 1);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_FALSE(arrives(kShutPort));
  EXPECT_EQ(dropped("no_rule"), 1);
}

TEST_F(AgentTest, ReloadsTablesOfAnotherSize) {
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_TRUE(leaves(open_, 49152));  // the answer of a flow
  EXPECT_FALSE(arrives(kShutPort));
  const auto revision = status()["revision"].get<std::uint64_t>();
  write_text(kConfig, config_text("[limits]\nflows = 2048\npairs = 128\nfragments = 100\n"));
  const Ran reload = krait({"reload", "-o", "json"});
  ASSERT_EQ(reload.exit_code, 0) << reload.err;
  EXPECT_EQ(reload.json()["revision"], revision) << "the policy is the same";
  EXPECT_TRUE(leaves(open_, 49152)) << "the flow was carried over";
  EXPECT_FALSE(arrives(kShutPort));
  EXPECT_EQ(dropped("no_rule"), 2);
  end(pid_, SIGKILL);
  start();
  EXPECT_TRUE(leaves(open_, 49152)) << "the next agent adopts the tables";
  EXPECT_EQ(status()["revision"], revision);
}

// Packets that a rule has decided: the usual policy's, if no other.
std::uint64_t counted_by_rule(std::string_view name = "web to db") {
  const Json answer = krait({"rules", "-o", "json"}).json();
  for (const Json& rule : answer["rules"]) {
    if (rule["rule"] == name) {
      return rule["packets"].get<std::uint64_t>();
    }
  }
  return 0;
}

TEST_F(AgentTest, ARuleKeepsItsCounterThroughEverything) {
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(counted_by_rule(), 1U);
  std::string larger;
  for (int i = 0; i < 2000; ++i) {
    larger += "[[rule]]\nname = \"new " + std::to_string(i) +
              "\"\naction = \"deny\"\nfrom = [\"db\"]\nto = [\"web\"]\nports = [\"tcp/" + std::to_string(i + 1) +
              "\"]\n";
  }
  write_text(kPolicy, usual_policy() + larger);
  ASSERT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(counted_by_rule(), 2U) << "more rules than there were counters";
  write_text(kConfig, config_text(many_routes()));
  ASSERT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(counted_by_rule(), 3U) << "a larger snapshot map";
  end(pid_, SIGKILL);
  start();
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(counted_by_rule(), 4U) << "another agent";
  write_text(kPolicy, policy_text(allow("web to db", "web", "db", kShutPort)) + larger);
  ASSERT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_EQ(counted_by_rule(), 4U) << "another port";
}

TEST_F(AgentTest, ARuleInheritsNoCounterThroughALargerSnapshotMap) {
  EXPECT_TRUE(arrives(kOpenPort));
  EXPECT_EQ(counted_by_rule(), 1U);
  write_text(kConfig, config_text(many_routes()));
  write_text(kPolicy, policy_text(""));
  ASSERT_EQ(krait({"reload"}).exit_code, 0);
  write_text(kPolicy, policy_text(allow("another", "web", "db", kShutPort)));
  ASSERT_EQ(krait({"reload"}).exit_code, 0);
  EXPECT_EQ(counted_by_rule("another"), 0U) << "it has the former rule's number";
  EXPECT_TRUE(arrives(kShutPort));
  EXPECT_EQ(counted_by_rule("another"), 1U);
}

TEST_F(AgentTest, ShowsEvents) {
  EXPECT_FALSE(arrives(kShutPort));
  const Ran events = krait({"events", "-o", "json"});
  ASSERT_EQ(events.exit_code, 0) << events.err;
  const Json event = events.json();
  EXPECT_EQ(event["reason"], "no_rule");
  EXPECT_EQ(event["from"], "web");
  EXPECT_EQ(event["to"], "db");
  EXPECT_EQ(event["source"], "10.90.0.1");
  EXPECT_EQ(event["destination_port"], kShutPort);
  EXPECT_EQ(krait({"events"}).out, "") << "each is shown once";
}

TEST_F(AgentTest, RefusesToStartOnAWrongPolicyAndSaysWhy) {
  EXPECT_EQ(krait({"down"}).exit_code, 0);
  write_text(kPolicy, "nonsense = 1\n");
  const Ran up = krait({"up", "-o", "json"});
  EXPECT_EQ(up.exit_code, 1);
  EXPECT_EQ(up.json()["diagnostics"][0]["line"], 1);
  write_text(kPolicy, usual_policy());
  ::setenv("KRAIT_IFACE", "none0", 1);
  const Ran missing = krait({"up"});
  ::setenv("KRAIT_IFACE", "tun0", 1);
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("none0"), std::string::npos) << missing.err;
}

}  // namespace
}  // namespace krait::cli
