// From a registry to a file that a kernel mounts: krata image pack beside skopeo, umoci and mksquashfs one after the
// other, in turns, from the same docker-registry on loopback. The image is made of this machine's own programs and
// libraries. Needs root, as umoci does to make owners. Writes its table to the folder that its argument names.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/net/command.h"
#include "bench/table.h"
#include "common/fd.h"
#include "common/file.h"

namespace {

namespace fs = std::filesystem;

using namespace krait::bench;
using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

constexpr std::uint64_t kMb = 1'000'000;
constexpr std::uint64_t kImageBytes = 300 * kMb;
constexpr std::uint64_t kSmallestImageBytes = 5 * kMb;
constexpr std::uintmax_t kMaxFileBytes = 30 * kMb;
constexpr std::size_t kLayers = 4;
constexpr int kRounds = 5;  // the median of so many is printed
constexpr double kTimeoutS = 300;
constexpr double kAim = 0.8;

class ScratchFolder {
 public:
  ScratchFolder() : path_((fs::temp_directory_path() / "krata-bench-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) {
      path_.clear();
    }
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A port of loopback that nobody listens on at the moment.
std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof(address);
  ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool is_served(std::uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// Debian's docker-registry on loopback. The destructor kills it.
class Registry {
 public:
  static Result<std::unique_ptr<Registry>> start(const ScratchFolder& scratch) {
    const std::uint16_t port = free_port();
    const std::string config = scratch / "registry.yml";
    KRAIT_CHECK(common::write_file(config,
                                   fmt::format("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n"
                                               "    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{}\n",
                                               scratch / "registry", port),
                                   0600));
    const pid_t process = ::fork();
    if (process == 0) {
      const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      ::dup2(nowhere, STDOUT_FILENO);
      ::dup2(nowhere, STDERR_FILENO);
      ::execlp("docker-registry", "docker-registry", "serve", config.c_str(), nullptr);
      ::_exit(127);
    }
    std::unique_ptr<Registry> registry(new Registry(process, port));
    for (int i = 0; i < 200; ++i) {
      if (is_served(port)) {
        return registry;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return Error(ErrorCode::unavailable, "docker-registry does not serve");
  }
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  [[nodiscard]] std::string image() const { return fmt::format("localhost:{}/bench:1", port_); }

 private:
  Registry(pid_t process, std::uint16_t port) : process_(process), port_(port) {}

  pid_t process_;
  std::uint16_t port_;
};

// Regular files of this machine, `bytes` of them together: programs and libraries, as images have them.
std::vector<std::string> files_for(std::uint64_t bytes) {
  std::vector<std::string> files;
  for (const char* folder : {"/usr/lib", "/usr/bin", "/usr/share"}) {
    if (bytes < kMb) {
      break;
    }
    std::vector<std::pair<std::string, std::uintmax_t>> here;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
         !error && at != end; at.increment(error)) {
      if (at->is_regular_file(error) && !at->is_symlink(error) && at->file_size(error) < kMaxFileBytes) {
        here.emplace_back(at->path().string(), at->file_size(error));
      }
    }
    std::ranges::sort(here);
    for (const auto& [path, size] : here) {
      if (size <= bytes && path.find('\n') == std::string::npos) {
        files.push_back(path);
        bytes -= size;
      }
    }
  }
  return files;
}

// An image of `bytes` in some layers, in the registry.
Result<void> make_image(const ScratchFolder& scratch, const std::string& name, std::uint64_t bytes) {
  const std::string layout = scratch / "made";
  const std::string image = layout + ":1";
  KRAIT_CHECK(must_run({"umoci", "init", "--layout", layout}, ""));
  KRAIT_CHECK(must_run({"umoci", "new", "--image", image}, ""));
  const auto files = files_for(bytes);
  const std::string layer = scratch / "layer.tar";
  for (std::size_t i = 0; i < kLayers; ++i) {
    std::string list;
    for (std::size_t file = i; file < files.size(); file += kLayers) {
      list += files[file] + "\n";
    }
    KRAIT_CHECK(must_run({"tar", "--create", "--file", layer, "--directory", "/", "--files-from", "-"}, list));
    KRAIT_CHECK(must_run({"umoci", "raw", "add-layer", "--image", image, layer}, ""));
  }
  KRAIT_CHECK(must_run(
      {"skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "oci:" + image, "docker://" + name}, ""));
  fs::remove(layer);
  fs::remove_all(layout);
  return {};
}

struct Cost {
  std::vector<double> wall_s;
  std::vector<double> cpu_s;  // of the program and what it starts

  void add(double wall, double cpu) {
    wall_s.push_back(wall);
    cpu_s.push_back(cpu);
  }
};

double cpu_of_children_s() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Result<void> measure(const std::vector<std::string>& argv, Cost& cost) {
  const double before_s = cpu_of_children_s();
  KRAIT_TRY(const auto outcome, run(argv, "", kTimeoutS));
  if (outcome.timed_out) {
    return Error(ErrorCode::system, argv.front() + " did not end");
  }
  cost.add(outcome.seconds, cpu_of_children_s() - before_s);
  return {};
}

struct Costs {
  Cost krata, skopeo, umoci, mksquashfs, others;  // others: the three together
  std::uintmax_t our_bytes = 0;
  std::uintmax_t their_bytes = 0;
};

Result<void> one_round(const ScratchFolder& scratch, const std::string& image, Costs& costs) {
  const std::string ours = scratch / "ours.squashfs";
  const std::string theirs = scratch / "theirs.squashfs";
  const std::string layout = scratch / "layout";
  const std::string bundle = scratch / "bundle";
  KRAIT_CHECK(measure({KRATA_PROGRAM, "image", "pack", image, ours}, costs.krata));
  KRAIT_CHECK(measure(
      {"skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://" + image, "oci:" + layout + ":1"},
      costs.skopeo));
  KRAIT_CHECK(measure({"umoci", "unpack", "--image", layout + ":1", bundle}, costs.umoci));
  // zstd's level is krata's, lower than the program's own: with that it would take thrice the time.
  KRAIT_CHECK(measure(
      {"mksquashfs", bundle + "/rootfs", theirs, "-comp", "zstd", "-Xcompression-level", "6", "-no-progress", "-quiet"},
      costs.mksquashfs));
  costs.others.add(costs.skopeo.wall_s.back() + costs.umoci.wall_s.back() + costs.mksquashfs.wall_s.back(),
                   costs.skopeo.cpu_s.back() + costs.umoci.cpu_s.back() + costs.mksquashfs.cpu_s.back());
  costs.our_bytes = fs::file_size(ours);
  costs.their_bytes = fs::file_size(theirs);
  for (const std::string& made : {ours, theirs, layout, bundle}) {
    fs::remove_all(made);
  }
  return {};
}

std::vector<std::string> row(const char* name, const Cost& cost, std::uintmax_t bytes) {
  return {name, fmt::format("{:.2f}", median(cost.wall_s)), fmt::format("{:.2f}", median(cost.cpu_s)),
          bytes == 0 ? "" : fmt::format("{:.1f}", static_cast<double>(bytes) / kMb)};
}

Result<void> bench(const Extent& extent) {
  const ScratchFolder scratch;
  KRAIT_TRY(const auto registry, Registry::start(scratch));
  KRAIT_CHECK(make_image(scratch, registry->image(), extent.smallest ? kSmallestImageBytes : kImageBytes));
  Costs costs;
  for (int round = 0; round < extent.rounds(kRounds); ++round) {
    KRAIT_CHECK(one_round(scratch, registry->image(), costs));
  }
  const Table table{
      .header = {"", "s", "CPU, s", "result, MB"},
      .rows = {row("krata image pack", costs.krata, costs.our_bytes), row("skopeo copy", costs.skopeo, 0),
               row("umoci unpack", costs.umoci, 0), row("mksquashfs -comp zstd", costs.mksquashfs, costs.their_bytes),
               row("the three together", costs.others, costs.their_bytes)}};
  fmt::print("## Images\n\n{}\n", markdown(table));
  const double ratio = median(costs.krata.wall_s) / median(costs.others.wall_s);
  if (!extent.smallest) {
    fmt::print("{}\n",
               aim_line(fmt::format("an image of 300 MB pulled and packed within {} of the time of the three", kAim),
                        ratio <= kAim, fmt::format("{:.2f}", ratio)));
  }
  return write_csv(table, extent.folder, "images");
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto done = bench(extent_of(argc, argv)); !done) {
    fmt::print(stderr, "bench_images: {}\n", done.error().text());
    return 2;
  }
  return 0;
}
