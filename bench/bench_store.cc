// krata-store beside Debian's xenstored and oxenstored, each over its Unix socket and without Xen, in turns: operations
// a second of one client that waits for each answer, the delay of a watch's event, and what stays resident.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/extent.h"
#include "bench/measure.h"
#include "bench/table.h"
#include "tests/store/debian_daemon.h"

namespace {

using namespace krata::store;
using krait::bench::median;
using krait::bench::microseconds;

// krata-store, with a state or without. The destructor kills it.
class OurProgram {
 public:
  explicit OurProgram(bool keeps_state) {
    folder_ = (std::filesystem::temp_directory_path() / "krata-bench-XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) {
      return;
    }
    const std::string socket = folder_ + "/socket";
    const std::string state = folder_ + "/state";
    process_ = ::fork();
    if (process_ == 0) {
      ::execl(KRATA_STORE_PROGRAM, "krata-store", "--socket", socket.c_str(), "--without-xen",
              keeps_state ? "--state" : nullptr, state.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 500 && connect_socket(socket) == nullptr; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  OurProgram(const OurProgram&) = delete;
  OurProgram& operator=(const OurProgram&) = delete;
  ~OurProgram() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] std::string socket() const { return folder_ + "/socket"; }
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  std::string folder_;
  pid_t process_ = -1;
};

double resident_mb(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

constexpr int kRounds = 7;  // the median of so many is printed

struct Figures {
  std::vector<double> read_us, write_us, transaction_us, watch_us;
  double resident_mb = 0;
};

constexpr std::string_view kEmpty("\0", 1);

// Twenty zones' trees, a hundred nodes each.
void fill(WireClient& client) {
  for (int zone = 1; zone <= 20; ++zone) {
    for (int node = 0; node < 95; ++node) {
      client.answer(Operation::write,
                    fmt::format("/local/domain/{}/device/vif/0/key-{}", zone, node) + '\0' + "a value");
    }
  }
}

void measure(const std::string& socket, int count, Figures& figures) {
  WireClient client(connect_socket(socket));
  WireClient watcher(connect_socket(socket));
  fill(client);
  const std::string path = std::string("/local/domain/7/device/vif/0/key-7") + '\0';
  const auto each = [&](std::vector<double>& times, const std::function<void(int)>& act) {
    times.push_back(microseconds([&] {
                      for (int i = 0; i < count; ++i) {
                        act(i);
                      }
                    }) /
                    count);
  };
  each(figures.read_us, [&](int) { client.answer(Operation::read, path); });
  each(figures.write_us, [&](int i) { client.answer(Operation::write, path + std::to_string(i)); });
  each(figures.transaction_us, [&](int i) {
    const auto id = static_cast<std::uint32_t>(number_of(client.answer(Operation::transaction_start, kEmpty)->payload));
    client.answer(Operation::read, path, id);
    client.answer(Operation::write, path + std::to_string(i), id);
    client.answer(Operation::transaction_end, std::string_view("T\0", 2), id);
  });
  watcher.answer(Operation::watch, path + "token" + '\0');
  watcher.receive();
  each(figures.watch_us, [&](int i) {
    client.send(message(Operation::write, path + std::to_string(i)));
    watcher.receive();
    client.receive();
  });
}

std::vector<std::string> row(const std::string& name, const Figures& figures) {
  const auto rate = [](double us) { return fmt::format("{:.0f}", 1e6 / us); };
  return {name,
          rate(median(figures.read_us)),
          rate(median(figures.write_us)),
          rate(median(figures.transaction_us)),
          fmt::format("{:.1f}", median(figures.watch_us)),
          fmt::format("{:.1f}", figures.resident_mb)};
}

// Each beside xenstored's.
void print_aims(const Figures& ours, const Figures& theirs) {
  const auto aim = [](const char* what, const std::vector<double>& our_us, const std::vector<double>& their_us) {
    const double ratio = median(our_us) / median(their_us);
    fmt::print("{}", krait::bench::aim_line(fmt::format("krata-store: {} within xenstored's time", what), ratio <= 1,
                                            fmt::format("{:.2f}", ratio)));
  };
  aim("a read", ours.read_us, theirs.read_us);
  aim("a write", ours.write_us, theirs.write_us);
  aim("a transaction", ours.transaction_us, theirs.transaction_us);
  aim("an event", ours.watch_us, theirs.watch_us);
}

struct Side {
  std::string name;
  std::string socket;
  pid_t process;
  Figures figures{};
};

}  // namespace

int main(int argc, char** argv) {
  const auto extent = krait::bench::extent_of(argc, argv);
  const OurProgram plain(false);
  const OurProgram kept(true);
  const auto xenstored = DebianDaemon::start(DaemonKind::xenstored, Quota{}, 0);
  const auto oxenstored = DebianDaemon::start(DaemonKind::oxenstored, Quota{}, 0);
  std::vector<Side> sides{{"krata-store", plain.socket(), plain.process()},
                          {"krata-store --state", kept.socket(), kept.process()}};
  if (xenstored != nullptr) {
    sides.push_back({"xenstored", xenstored->socket(), xenstored->process()});
  }
  if (oxenstored != nullptr) {
    sides.push_back({"oxenstored", oxenstored->socket(), oxenstored->process()});
  }
  for (int round = 0; round < extent.rounds(kRounds); ++round) {
    for (Side& side : sides) {
      measure(side.socket, extent.smallest ? 50 : 3000, side.figures);
    }
  }
  krait::bench::Table table{
      .header = {"store", "reads/s", "writes/s", "transactions/s (4 requests)", "watch, us", "resident, MB"}};
  for (Side& side : sides) {
    side.figures.resident_mb = resident_mb(side.process);
    table.rows.push_back(row(side.name, side.figures));
  }
  fmt::print("## Store\n\n{}\n", krait::bench::markdown(table));
  if (xenstored != nullptr && !extent.smallest) {
    print_aims(sides[0].figures, sides[2].figures);
  }
  if (const auto written = krait::bench::write_csv(table, extent.folder, "store"); !written) {
    fmt::print(stderr, "bench_store: {}\n", written.error().text());
    return 2;
  }
  return 0;
}
