#include "krata/init/system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <memory>

#include "common/file.h"

namespace krata::init {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 10U;
constexpr std::size_t kMaxProcBytes = std::size_t{64} << 10U;
constexpr std::string_view kModules = "/modules/";
constexpr std::string_view kNetworkDriver = "xen-netfront";  // a tenth of a second, which a zone without network saves

Result<void> mount_at(const char* type, const char* path) {
  ::mkdir(path, 0755);
  if (::mount(type, path, type, MS_NOSUID | MS_NOEXEC, nullptr) != 0 && errno != EBUSY) {
    return Error::from_errno(errno, fmt::format("mount {} on {}", type, path));
  }
  return {};
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

Result<void> load_file(std::string_view name) {
  const std::string path = fmt::format("{}{}", kModules, name);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", path));
  }
  if (::syscall(SYS_finit_module, file.get(), "", 0) != 0 && errno != EEXIST) {
    return Error::from_errno(errno, fmt::format("load {}", path));
  }
  return {};
}

// What the kernel says of new devices (group 1 of lib/kobject_uevent.c).
Result<Fd> listen_for_devices() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (!socket.valid() || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return Error::from_errno(errno, "listen for devices");
  }
  return socket;
}

void drain(int socket) {
  std::array<char, 4096> message{};
  while (::recv(socket, message.data(), message.size(), 0) > 0) {
  }
}

// Of Xen, by the kind at the beginning of their names (drivers/xen/xenbus/xenbus_probe_frontend.c).
bool has_device(std::string_view kind) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/sys/bus/xen/devices"), ::closedir);
  for (const dirent* entry = nullptr; folder != nullptr && (entry = ::readdir(folder.get())) != nullptr;) {
    if (std::string_view(entry->d_name).starts_with(kind)) {
      return true;
    }
  }
  return false;
}

class RealMachine : public Machine {
 public:
  void kill_everyone() override { ::kill(-1, SIGKILL); }

  [[nodiscard]] std::uint64_t out_of_memory_kills() const override {
    const Fd file(::open("/proc/vmstat", O_RDONLY | O_CLOEXEC));
    const auto text = common::read_to_end(file.get(), kMaxProcBytes, "/proc/vmstat");
    std::string_view left = text ? std::string_view(*text) : std::string_view();
    while (!left.empty()) {
      std::string_view line = take_line(left);
      if (take_word(line) == "oom_kill") {
        std::uint64_t count = 0;
        std::from_chars(line.data(), line.data() + line.size(), count);
        return count;
      }
    }
    return 0;
  }

  [[nodiscard]] int cpu_events() const override { return device_events_.get(); }

  // A CPU that is in use already stays so.
  void use_new_cpus() override {
    std::array<char, 4096> event{};
    bool is_cpu = false;
    for (ssize_t got = 0; (got = ::recv(device_events_.get(), event.data(), event.size(), 0)) > 0;) {
      is_cpu = is_cpu || std::string_view(event.data(), static_cast<std::size_t>(got)).starts_with(kCpuCame);
    }
    for (unsigned cpu = 1; is_cpu && cpu < kMaxCpus; ++cpu) {
      const Fd online(::open(fmt::format("/sys/devices/system/cpu/cpu{}/online", cpu).c_str(), O_WRONLY | O_CLOEXEC));
      if (online.valid()) {
        put_to_use(online);
      }
    }
  }

  void power_off() override {
    ::sync();
    ::reboot(RB_POWER_OFF);
  }

 private:
  // The kernel tells of a CPU a moment before it has it as present (enable_hotplug_cpu in drivers/xen/cpu_hotplug.c),
  // and refuses until then.
  static void put_to_use(const Fd& online) {
    constexpr int kTries = 100;
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
    for (int i = 0; i < kTries && ::write(online.get(), "1", 1) < 0 && errno == EINVAL; ++i) {
      ::nanosleep(&kPause, nullptr);
    }
  }

  static constexpr std::string_view kCpuCame = "add@/devices/system/cpu/cpu";
  static constexpr unsigned kMaxCpus = 32;  // of a guest of this kind: XEN_LEGACY_MAX_VCPUS

  Fd device_events_ = listen_for_devices().value_or(Fd());
};

}  // namespace

Result<void> mount_first() {
  KRAIT_CHECK(mount_at("devtmpfs", "/dev"));
  KRAIT_CHECK(mount_at("proc", "/proc"));
  return mount_at("sysfs", "/sys");
}

void keep_alive() {
  const Fd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.valid()) {
    (void)!::write(file.get(), "-1000", 5);
  }
}

Result<void> fill_standard_descriptors() {
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) {
      return Error::from_errno(errno, "open /dev/null");
    }
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return {};
    }
  }
}

Result<void> allow_many_files() {
  constexpr rlimit kFiles{.rlim_cur = 1024, .rlim_max = 524'288};
  if (::setrlimit(RLIMIT_NOFILE, &kFiles) != 0) {
    return Error::from_errno(errno, "raise the limit of open files");
  }
  return {};
}

Result<void> load_module(std::string_view name) {
  KRAIT_TRY(const auto index, common::read_file(fmt::format("{}index", kModules), kMaxIndexBytes));
  std::string_view left = index;
  while (!left.empty()) {
    std::string_view line = take_line(left);
    if (take_word(line) != name) {
      continue;
    }
    while (!line.empty()) {
      KRAIT_CHECK(load_file(take_word(line)));
    }
    return {};
  }
  return {};
}

Result<void> load_drivers() {
  KRAIT_TRY(const auto drivers, common::read_file(fmt::format("{}drivers", kModules), kMaxIndexBytes));
  std::string_view left = drivers;
  while (!left.empty()) {
    const std::string_view driver = take_line(left);
    if (driver != kNetworkDriver || has_device("vif-")) {
      KRAIT_CHECK(load_module(driver));
    }
  }
  return {};
}

Result<Fd> open_device(const std::string& name, int flags) {
  const std::string path = "/dev/" + name;
  const auto until = std::chrono::steady_clock::now() + kDevicePatience;
  KRAIT_TRY(const Fd events, listen_for_devices());
  for (;;) {
    Fd device(::open(path.c_str(), flags | O_CLOEXEC));
    if (device.valid()) {
      return device;
    }
    // A console may have its node before its other end.
    if (errno != ENOENT && errno != ENXIO && errno != ENODEV) {
      return Error::from_errno(errno, fmt::format("open {}", path));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return Error(common::ErrorCode::not_found,
                   fmt::format("{} did not come up within {} s", path, kDevicePatience.count()));
    }
    pollfd wait{.fd = events.get(), .events = POLLIN, .revents = 0};
    ::poll(&wait, 1, static_cast<int>(left.count()));
    drain(events.get());
  }
}

Result<void> make_raw(int terminal) {
  termios settings{};
  if (::tcgetattr(terminal, &settings) != 0) {
    return Error::from_errno(errno, "read the channel's settings");
  }
  ::cfmakeraw(&settings);
  if (::tcsetattr(terminal, TCSANOW, &settings) != 0) {
    return Error::from_errno(errno, "set the channel up");
  }
  const int flags = ::fcntl(terminal, F_GETFL);
  if (flags < 0 || ::fcntl(terminal, F_SETFL, flags | O_NONBLOCK) != 0) {
    return Error::from_errno(errno, "set the channel up");
  }
  return {};
}

Result<void> set_up_loopback() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!socket.valid() || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return Error::from_errno(errno, "set up the loopback interface");
  }
  return {};
}

Result<void> set_hostname(const std::string& name) {
  if (::sethostname(name.data(), name.size()) != 0) {
    return Error::from_errno(errno, fmt::format("set the host name {}", name));
  }
  return {};
}

std::unique_ptr<Machine> real_machine() { return std::make_unique<RealMachine>(); }

}  // namespace krata::init
