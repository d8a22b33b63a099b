#include "bench/net/agent_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <tuple>
#include <utility>

#include "bench/net/arena.h"
#include "bench/net/command.h"
#include "tests/packets/packet.h"

namespace krait::bench {
namespace {

using common::Error;
using common::Result;

constexpr const char* kTun = "tun0";
constexpr const char* kFolder = "/run/bench";
constexpr const char* kConfigFile = "/run/bench/krait.toml";
constexpr const char* kPolicyFile = "/run/bench/policy.toml";

// Not by /proc/self/exe, which names another place where the build lies in a chroot.
std::string built(const char* program) { return std::string(KRAIT_PROGRAMS "/") + program; }

// With the agent where `krait up` looks for it.
std::string search_path() {
  const char* present = std::getenv("PATH");
  return std::string("PATH=" KRAIT_PROGRAMS) + (present != nullptr ? std::string(":") + present : "");
}

// What an agent keeps lies there; the machine's own stays as it is.
Result<void> hide(const char* folder) {
  if (::mount("tmpfs", folder, "tmpfs", 0, nullptr) != 0) {
    return Error::from_errno(errno, std::string("mount an empty ") + folder);
  }
  return {};
}

Result<void> write_file(const std::string& path, const std::string& text) {
  const std::string beside_it = path + ".new";
  std::ofstream file(beside_it, std::ios::binary);
  if (!(file << text << std::flush)) {
    return Error::from_errno(errno, "write " + beside_it);
  }
  file.close();
  std::filesystem::permissions(beside_it, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  if (::rename(beside_it.c_str(), path.c_str()) != 0) {
    return Error::from_errno(errno, "write " + path);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<AgentHost>> AgentHost::start(const std::vector<HostRule>& rules) {
  KRAIT_TRY(auto space, Namespace::create());
  std::unique_ptr<AgentHost> made(new AgentHost(std::move(space)));
  auto done = hide("/run");
  done = done ? hide("/var/lib") : std::move(done);
  if (!done) {
    return std::move(done.error());
  }
  std::filesystem::create_directory(kFolder);
  const std::uint32_t hosts = hosts_of(rules);
  done = made->write_policy(krait_policy_text(rules, hosts));
  done = done ? write_file(kConfigFile, krait_host_text(hosts, kPolicyFile)) : std::move(done);
  done = done ? inside(made->space_, [&] { return made->make_tun(); }) : std::move(done);
  done = done ? inside(made->space_, [&] { return made->start_agent(); }) : std::move(done);
  if (!done) {
    return std::move(done.error());
  }
  return made;
}

AgentHost::~AgentHost() {
  if (is_up_) {
    std::ignore = must_run({built("krait"), "down", "--config", kConfigFile}, "");
  }
  ::umount2("/run", MNT_DETACH);
  ::umount2("/var/lib", MNT_DETACH);
}

Result<void> AgentHost::make_tun() {
  tun_.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::strncpy(request.ifr_name, kTun, sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (!tun_.valid() || ::ioctl(tun_.get(), TUNSETIFF, &request) != 0) {
    return Error::from_errno(errno, "make a TUN");
  }
  return must_run({"ip", "-batch", "-"},
                  fmt::format("link set lo up\nlink set {0} addrgenmode none\nlink set {0} up\n"
                              "address add {1} dev {0}\nroute add {2} dev {0}\n",
                              kTun, host(kGuarded, common::Family::v4).text(), host(kPeer, common::Family::v4).text()));
}

// krait up returns when the agent judges, and hands this variable on to it.
Result<void> AgentHost::start_agent() {
  const std::string guards = std::string("KRAIT_IFACE=") + kTun;
  auto started = must_run({"env", guards, search_path(), built("krait"), "up", "--config", kConfigFile}, "");
  is_up_ = started.has_value();
  return started;
}

Result<void> AgentHost::write_policy(const std::string& text) const { return write_file(kPolicyFile, text); }

Result<void> AgentHost::reload() const { return must_run({built("krait"), "reload"}, ""); }

Result<std::unique_ptr<Probe>> AgentHost::make_probe() const {
  const auto family = common::Family::v4;
  KRAIT_TRY(auto receiver, inside(space_, [&]() -> Result<common::Fd> {
              common::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
              sockaddr_in address{};
              address.sin_family = AF_INET;
              address.sin_port = htons(kServicePort);
              std::memcpy(&address.sin_addr, host(kGuarded, family).bytes.data(), sizeof(address.sin_addr));
              if (!socket.valid() ||
                  ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
                return Error::from_errno(errno, "listen on the guarded host");
              }
              return socket;
            }));
  auto frame = packets::Packet(host(kPeer, family), host(kGuarded, family)).udp(1024, kServicePort).payload(8).frame();
  frame.erase(frame.begin(), frame.begin() + packets::kEthernetBytes);
  const auto send = [tun = tun_.get(), frame] {
    [[maybe_unused]] const ssize_t written = ::write(tun, frame.data(), frame.size());
  };
  return std::make_unique<Probe>(send, std::move(receiver));
}

}  // namespace krait::bench
