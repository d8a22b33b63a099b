// A fleet of simulated hosts, the real link's code over real TLS without a kernel part, and a real coordinator: how
// long one `policy apply` takes to the last host's word, what a host costs, and how a fleet that was cut off comes
// back.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/extent.h"
#include "bench/table.h"
#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/file.h"
#include "common/json.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/found.h"
#include "krait/coordinator/store_ledger.h"
#include "krait/fleet/rows.h"
#include "krait/link/core.h"
#include "krait/wire/connection.h"
#include "krait/wire/dial.h"

namespace {

using namespace krait;
using common::Result;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct Size {
  std::uint32_t hosts;
  std::uint32_t identities;
  std::uint32_t rules;
};

std::string identity_name(std::uint32_t number) { return fmt::format("identity-{}", number); }

// Rules between random pairs; the first one's ports are what an apply changes.
std::string policy_text(const Size& size, std::uint32_t port, bool change_all) {
  std::mt19937 random(1);
  std::uniform_int_distribution<std::uint32_t> any(0, size.identities - 1);
  std::string text;
  for (std::uint32_t i = 0; i < size.identities; ++i) {
    text += fmt::format("[[identity]]\nname = \"{}\"\n", identity_name(i));
  }
  for (std::uint32_t i = 0; i < size.rules; ++i) {
    const std::uint32_t from = any(random);
    const std::uint32_t to = any(random);
    const std::uint32_t opened = i == 0 || change_all ? port : 1000 + i % 200;
    text += fmt::format(
        "[[rule]]\nname = \"r{}\"\naction = \"allow\"\nfrom = [\"{}\"]\nto = [\"{}\"]\nports = [\"tcp/{}\"]\n", i,
        identity_name(from), identity_name(to), opened);
  }
  return text;
}

// --- The fleet
// -----------------------------------------------------------------------------------------------------------

class Fleet;

class SimulatedHost final : public link::Surroundings, public wire::ConnectionUser {
 public:
  SimulatedHost(Fleet& fleet, std::unique_ptr<wire::Tls> tls) : fleet_(fleet), tls_(std::move(tls)), core_(*this) {}
  bool dial();
  void drop() { connection_.reset(); }

  void on_open() override { core_.on_open(); }
  void on_frame(std::string_view bytes) override {
    auto message = wire::decode(bytes);
    received += bytes.size() + 4;
    if (message) {
      core_.on_message(*message);
    }
  }
  void on_closed(const std::string& why) override;
  void send(const wire::Message& message) override { connection_->send(wire::encode(message)); }
  Result<void> keep(std::string_view /*whole*/) override { return {}; }
  Result<void> hand_over() override;
  Result<void> confirm() override { return {}; }
  void give_up(const std::string& why, bool /*for_good*/) override {
    std::fprintf(stderr, "gives up: %s\n", why.c_str());
  }

  std::size_t received = 0;
  bool is_up = false;

 private:
  Fleet& fleet_;
  std::unique_ptr<wire::Tls> tls_;
  std::unique_ptr<wire::Connection> connection_;
  link::Core core_;
};

class Fleet {
 public:
  Fleet(common::Loop& on, common::Endpoint coordinator) : loop(on), where(coordinator) {}

  void add(std::unique_ptr<wire::Tls> tls) { hosts.emplace_back(*this, std::move(tls)); }

  // Dials so many at a time, until all have a state; false: some have none after two minutes.
  bool connect_all() {
    up = 0;
    next_ = 0;
    for (SimulatedHost& host : hosts) {
      host.is_up = false;
    }
    for (int i = 0; i < 256; ++i) {
      dial_next();
    }
    return run_until([&] { return up == hosts.size(); }, std::chrono::seconds(120));
  }
  void dial_next() {
    if (next_ < hosts.size()) {
      hosts[next_++].dial();
    }
  }

  template <typename Done>
  bool run_until(const Done& done, std::chrono::seconds patience) {
    const auto start = Clock::now();
    auto tick = common::Timer::create(loop, [&] {
      if (done() || Clock::now() - start > patience) {
        loop.stop();
      }
    });
    if (!tick) {
      return false;
    }
    tick->every(std::chrono::milliseconds(2));
    std::ignore = loop.run();
    return done();
  }

  common::Loop& loop;
  common::Endpoint where;
  std::deque<SimulatedHost> hosts;
  std::size_t up = 0;
  std::vector<double> acknowledged_ms;  // since `called`
  Clock::time_point called{};

 private:
  std::size_t next_ = 0;
};

bool SimulatedHost::dial() {
  auto fd = wire::dial(fleet_.where);
  if (!fd) {
    return false;
  }
  auto connection = wire::Connection::start(fleet_.loop, std::move(*fd), tls_.get(),
                                            {.incoming_bytes = wire::kMaxStateFrameBytes, .queued_bytes = 1U << 20U});
  if (!connection) {
    return false;
  }
  connection_ = std::move(*connection);
  connection_->set_user(*this);
  return true;
}

void SimulatedHost::on_closed(const std::string& why) { std::fprintf(stderr, "closed: %s\n", why.c_str()); }

Result<void> SimulatedHost::hand_over() {
  if (!is_up) {
    is_up = true;
    ++fleet_.up;
    fleet_.dial_next();
  }
  fleet_.acknowledged_ms.push_back(ms_since(fleet_.called));
  return {};
}

// --- The coordinator
// -----------------------------------------------------------------------------------------------------

class Coordinator {
 public:
  explicit Coordinator(const std::string& folder) : folder_(folder) {}
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;
  ~Coordinator() { stop(); }

  bool start() {
    {
      const auto free = wire::listen_on(*common::Ip::parse("127.0.0.1"), 0);
      const auto own = free ? wire::own_endpoint(free->get()) : Result<common::Endpoint>(free.error());
      if (!own) {
        return false;
      }
      port = own->port;
    }
    const std::string where = fmt::format("127.0.0.1:{}", port);
    process_ = ::fork();
    if (process_ == 0) {
      const std::string log = folder_ + "/log";
      std::freopen(log.c_str(), "w", stderr);
      ::execl(KRAIT_COORDINATOR_PROGRAM, "krait-coordinator", "serve", "--state", folder_.c_str(), "--socket",
              socket().c_str(), "--listen", where.c_str(), "--metrics", "", nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 6000; ++i) {
      const auto text = common::read_file(folder_ + "/log", 1U << 20U);
      if (text && text->find(" serves ") != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void stop() {
    if (process_ > 0) {
      ::kill(process_, SIGTERM);
      ::waitpid(process_, nullptr, 0);
      process_ = -1;
    }
  }
  [[nodiscard]] std::string socket() const { return folder_ + "/admin.sock"; }
  [[nodiscard]] double resident_mb() const {
    std::ifstream file("/proc/" + std::to_string(process_) + "/statm");
    double all = 0;
    double resident = 0;
    file >> all >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
  }
  [[nodiscard]] double cpu_s() const {
    std::ifstream file("/proc/" + std::to_string(process_) + "/stat");
    std::string word;
    double ticks = 0;
    for (int i = 1; i <= 15 && file >> word; ++i) {
      ticks += i >= 14 ? std::stod(word) : 0;
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  std::uint16_t port = 0;

 private:
  std::string folder_;
  pid_t process_ = -1;
};

// Writes a network with all its hosts, as if they had joined, in one revision.
Result<std::vector<wire::KeyPair>> write_network(const std::string& folder, const Size& size) {
  coordinator::Founding founding;
  founding.server.state = folder;
  founding.admin_key_file = folder + "/admin/key";
  founding.admin_name = "bench";
  founding.name = "fleet";
  founding.prefixes = {"10.0.0.0/8"};
  founding.addresses = {"127.0.0.1:1"};
  KRAIT_CHECK(coordinator::found_network(founding));
  KRAIT_TRY(const auto key, crypto::SigningKey::load(founding.admin_key_file, "bench"));
  KRAIT_TRY(auto database, records::open_sqlite(coordinator::database_file_of(founding.server), true));
  KRAIT_TRY(auto store, records::Store::open(std::move(database)));
  coordinator::StoreLedger ledger(store);
  std::vector<fleet::Row> rows;
  KRAIT_TRY(const auto revision, ledger.read_since(0, rows));
  fleet::Network network;
  KRAIT_CHECK(network.absorb(rows));
  std::vector<wire::KeyPair> keys;
  fleet::HostsEdit edit;
  std::vector<fleet::Row> hosts;
  trust::HostsBook book;
  for (std::uint32_t i = 0; i < size.hosts; ++i) {
    KRAIT_TRY(auto pair, wire::make_key_pair());
    trust::HostBinding binding{
        .name = fmt::format("host-{}", i),
        .identity = identity_name(i % size.identities),
        .key = {},
        .host_key = key.verify_key(),
        .key_serial = 0,
        .addresses = {*common::Ip::parse(fmt::format("10.{}.{}.{}", 1 + i / 65536, i / 256 % 256, i % 256))},
        .routes = {}};
    for (std::size_t byte = 0; byte < 4; ++byte) {
      binding.key[byte] = static_cast<std::uint8_t>((i + 1) >> 8U * byte);
    }
    KRAIT_CHECK(book.put(binding));
    const fleet::Host host{
        .number = i + 1, .name = binding.name, .link_key = pair.hash, .seen = common::Ip::parse("127.0.0.1")};
    hosts.push_back({fleet::Kind::host, fleet::key_of(host.number), fleet::text_of(host)});
    edit.put.push_back(std::move(binding));
    keys.push_back(std::move(pair));
  }
  const auto& list = network.trusted().lists.back().value;
  const auto statement = trust::sign(
      trust::HostsStatement{
          .network = list.network, .revision = 2, .policy_at_least = 1, .made_s = 1, .root = book.root()},
      key);
  KRAIT_TRY(auto signed_rows, network.edit_hosts(edit, statement, 1));
  signed_rows.insert(signed_rows.end(), hosts.begin(), hosts.end());
  KRAIT_CHECK(ledger.commit({revision, "bench", "hosts", 1, signed_rows}));
  return keys;
}

// --- What is measured
// ------------------------------------------------------------------------------------------------------

struct Applied {
  std::vector<double> host_ms;  // from the call to each host's word
  std::size_t concerned = 0;
  double all_ms = 0;
  bool whole = false;
};

Applied apply(Fleet& fleet, const Coordinator& coordinator, const std::string& key_file, const std::string& text) {
  Applied applied;
  const auto key = crypto::SigningKey::load(key_file, "bench");
  const auto authority = coordinator::fetch_authority({coordinator.socket(), key_file}, false);
  auto request =
      key && authority ? coordinator::policy_order(*authority, text, *key) : Result<common::Json>(common::Json());
  if (!request) {
    return applied;
  }
  (*request)["wait"] = true;
  (*request)["timeout_ms"] = 120'000;
  fleet.acknowledged_ms.clear();
  fleet.called = Clock::now();
  std::atomic<bool> answered = false;
  std::thread asker([&] {
    const auto answer = coordinator::ask(coordinator.socket(), *request);
    if (answer) {
      const auto& spread = common::object_at(*answer, "spread");
      applied.concerned = common::number_at(spread, "concerned");
      applied.whole = common::number_at(spread, "enforcing") == applied.concerned;
    } else {
      std::fprintf(stderr, "apply: %s\n", answer.error().text().c_str());
    }
    applied.all_ms = ms_since(fleet.called);
    answered = true;
  });
  fleet.run_until([&] { return answered.load(); }, std::chrono::seconds(150));
  asker.join();
  applied.host_ms = fleet.acknowledged_ms;
  std::ranges::sort(applied.host_ms);
  return applied;
}

std::string at_part(const std::vector<double>& sorted, double part) {
  return sorted.empty()
             ? "-"
             : fmt::format("{:.0f}",
                           sorted[std::min(sorted.size() - 1,
                                           static_cast<std::size_t>(part * static_cast<double>(sorted.size())))]);
}

struct Report {
  krait::bench::Table applies{.header = {"hosts", "rules", "what changes", "hosts concerned", "p50, ms", "p90, ms",
                                         "p99, ms", "last, ms", "coordinator's CPU, s"}};
  krait::bench::Table costs{.header = {"hosts", "all connected, s", "CPU, s", "kB a host", "state's bytes a host",
                                       "all back after a cut, s"}};
  std::string aims;
};

bool measure(const Size& size, Report& report) {
  std::string folder = "/tmp/krait-fleet.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    return false;
  }
  const auto keys = write_network(folder, size);
  if (!keys) {
    std::fprintf(stderr, "bench_fleet: %s\n", keys.error().text().c_str());
    return false;
  }
  Coordinator coordinator(folder);
  const auto loop = common::Loop::create();
  if (!loop || !coordinator.start()) {
    std::fprintf(stderr, "bench_fleet: the coordinator does not start\n");
    return false;
  }
  Fleet fleet(**loop, *common::Endpoint::parse(fmt::format("127.0.0.1:{}", coordinator.port)));
  for (const wire::KeyPair& key : *keys) {
    fleet.add(*wire::Tls::create(wire::Side::client, key));
  }
  const std::string key_file = folder + "/admin/key";
  apply(fleet, coordinator, key_file, policy_text(size, 1, false));
  const double empty_mb = coordinator.resident_mb();
  const double cpu_before = coordinator.cpu_s();
  const auto begun = Clock::now();
  bool good = fleet.connect_all();
  const double connected_s = ms_since(begun) / 1000;
  const double connect_cpu = coordinator.cpu_s() - cpu_before;
  const double host_kb = (coordinator.resident_mb() - empty_mb) * 1000 / size.hosts;
  std::size_t bytes = 0;
  for (const SimulatedHost& host : fleet.hosts) {
    bytes += host.received;
  }
  const auto one_apply = [&](const char* what, bool all, std::uint32_t port) {
    const double before = coordinator.cpu_s();
    const Applied applied = apply(fleet, coordinator, key_file, policy_text(size, port, all));
    good = good && applied.whole;
    report.applies.rows.push_back(
        {std::to_string(size.hosts), std::to_string(size.rules), what, std::to_string(applied.concerned),
         at_part(applied.host_ms, 0.5), at_part(applied.host_ms, 0.9), at_part(applied.host_ms, 0.99),
         fmt::format("{:.0f}", applied.all_ms), fmt::format("{:.2f}", coordinator.cpu_s() - before)});
    return applied;
  };
  one_apply("one rule", false, 2);
  const Applied all = one_apply("every rule", true, 3);
  for (SimulatedHost& host : fleet.hosts) {
    host.drop();
  }
  const auto cut = Clock::now();
  good = fleet.connect_all() && good;
  const double back_s = ms_since(cut) / 1000;
  report.costs.rows.push_back({std::to_string(size.hosts), fmt::format("{:.1f}", connected_s),
                               fmt::format("{:.1f}", connect_cpu), fmt::format("{:.0f}", host_kb),
                               fmt::format("{:.0f}", static_cast<double>(bytes) / size.hosts),
                               fmt::format("{:.1f}", back_s)});
  const std::string p99 = at_part(all.host_ms, 0.99);
  if (size.hosts == 1000 || size.hosts == 10'000) {
    const double bound_ms = size.hosts == 1000 ? 300 : 2000;
    report.aims += krait::bench::aim_line(
        fmt::format("fleet: every rule changed, {} hosts, p99 under {} ms", size.hosts, bound_ms),
        std::stod(p99) < bound_ms, p99 + " ms");
    report.aims += krait::bench::aim_line(fmt::format("fleet: {} hosts at most 60 kB each", size.hosts), host_kb <= 60,
                                          fmt::format("{:.0f} kB", host_kb));
  }
  if (size.hosts == 10'000) {
    report.aims +=
        krait::bench::aim_line("fleet: 10,000 hosts back in under 60 s", back_s < 60, fmt::format("{:.1f} s", back_s));
  }
  fleet.hosts.clear();
  coordinator.stop();
  std::filesystem::remove_all(folder);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const auto extent = krait::bench::extent_of(argc, argv);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::vector<Size> sizes =
      extent.smallest ? std::vector<Size>{{20, 10, 60}}
                      : std::vector<Size>{{100, 1000, 30'000}, {1000, 1000, 30'000}, {10'000, 1000, 30'000}};
  Report report;
  for (const Size& size : sizes) {
    if (!measure(size, report)) {
      std::fprintf(stderr, "bench_fleet: some hosts did not take part\n");
      return 2;
    }
    fmt::print(stderr, "bench_fleet: {} hosts: every rule changed, last after {} ms; {} kB a host\n", size.hosts,
               report.applies.rows.back()[7], report.costs.rows.back()[3]);
  }
  fmt::print(
      "## Fleet\n\nOne `policy apply --wait`, from the call to the word of each host that it concerns:\n\n{}\n{}\n{}",
      krait::bench::markdown(report.applies), krait::bench::markdown(report.costs), report.aims);
  if (const auto written = krait::bench::write_csv(report.applies, extent.folder, "fleet"); !written) {
    fmt::print(stderr, "bench_fleet: {}\n", written.error().text());
    return 2;
  }
  return 0;
}
