// A fleet of simulated hosts, the real link's code over real TLS without a kernel part, and a real coordinator: how
// long one `policy apply` takes to the last host's word, what a host costs, and how a fleet that was cut off comes
// back.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
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
#include "krait/config/load.h"
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
// What hosts need before there are any.
std::string identities_text(std::uint32_t identities) {
  std::string text;
  for (std::uint32_t i = 0; i < identities; ++i) {
    text += fmt::format("[[identity]]\nname = \"{}\"\n", identity_name(i));
  }
  return text;
}

// What differs between two policies: the ports of so many rules, or of the one that concerns all hosts.
struct Change {
  const char* name;
  std::uint32_t rules = 0;
  bool for_all = false;
  int times = 3;
};

// Rules between random pairs, and one for everybody that lets nobody in.
class Policies {
 public:
  explicit Policies(const Size& size) : size_(size), ports_(size.rules, 1) {}

  // The next policy: each has ports that none had before.
  void make(const Change& change) {
    ++next_port_;
    for_all_ = change.for_all ? next_port_ : for_all_;
    std::fill_n(ports_.begin(), std::min(change.rules, size_.rules), next_port_);
  }
  [[nodiscard]] std::string text() const {
    std::mt19937 random(1);
    std::uniform_int_distribution<std::uint32_t> any(0, size_.identities - 1);
    std::string text = identities_text(size_.identities);
    text += rule("for-all", "deny", "*", "*", for_all_);
    for (std::uint32_t i = 0; i < size_.rules; ++i) {
      const std::uint32_t from = any(random);
      text += rule(fmt::format("r{}", i), "allow", identity_name(from), identity_name(any(random)), ports_[i]);
    }
    return text;
  }

 private:
  static std::string rule(const std::string& name, const char* action, const std::string& from, const std::string& to,
                          std::uint32_t port) {
    return fmt::format("[[rule]]\nname = \"{}\"\naction = \"{}\"\nfrom = \"{}\"\nto = \"{}\"\nports = [\"tcp/{}\"]\n",
                       name, action, from, to, port);
  }

  Size size_;
  std::vector<std::uint32_t> ports_;
  std::uint32_t for_all_ = 1;
  std::uint32_t next_port_ = 1;
};

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
  Result<void> keep(const trust::State& /*state*/) override { return {}; }
  Result<void> hand_over() override;
  Result<void> confirm() override { return {}; }
  Result<OwnKeys> prepare_key() override { return OwnKeys{}; }
  Result<void> rotate_key() override { return {}; }
  Result<trust::Signed<trust::KeyChange>> sign(trust::KeyChange change) override {
    trust::Signed<trust::KeyChange> made;
    made.value = std::move(change);
    return made;
  }
  Result<SeenPeers> seen_peers() override { return SeenPeers{}; }
  void complain(const std::string& what) override { std::fprintf(stderr, "complains: %s\n", what.c_str()); }
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

  // Dials so many at a time, until all have a state; false: some have none after five minutes.
  bool connect_all() {
    constexpr int kAtATime = 256;
    up = 0;
    next_ = 0;
    for (SimulatedHost& host : hosts) {
      host.is_up = false;
    }
    for (int i = 0; i < kAtATime; ++i) {
      dial_next();
    }
    return await([&] { return up == hosts.size(); }, std::chrono::seconds(300));
  }
  void dial_next() {
    if (next_ < hosts.size()) {
      hosts[next_++].dial();
    }
  }

  // Runs until that is so, which is asked whenever a host or somebody else has something to say.
  bool await(std::function<bool()> done, std::chrono::milliseconds patience) {
    auto limit = common::Timer::create(loop, [&] { loop.stop(); });
    if (!limit) {
      return false;
    }
    limit->after(patience);
    awaited_ = std::move(done);
    if (!awaited_()) {
      std::ignore = loop.run();
    }
    return std::exchange(awaited_, {})();
  }
  void say() {
    if (awaited_ && awaited_()) {
      loop.stop();
    }
  }

  [[nodiscard]] double received() const {
    double all = 0;
    for (const SimulatedHost& host : hosts) {
      all += static_cast<double>(host.received);
    }
    return all;
  }

  common::Loop& loop;
  common::Endpoint where;
  std::deque<SimulatedHost> hosts;
  std::size_t up = 0;
  std::size_t redialled = 0;
  std::vector<double> acknowledged_ms;  // since `called`
  Clock::time_point called{};

 private:
  std::size_t next_ = 0;
  std::function<bool()> awaited_;
};

// What another thread does, and whose end the fleet's loop hears of.
class Errand {
 public:
  Errand(Fleet& fleet, const std::function<void()>& work) : fleet_(fleet), end_(::eventfd(0, EFD_NONBLOCK)) {
    const auto token = fleet.loop.add(end_.get(), EPOLLIN, [this](std::uint32_t) {
      std::uint64_t count = 0;
      is_done_ = ::read(end_.get(), &count, sizeof(count)) == sizeof(count) || is_done_;
      fleet_.say();
    });
    token_ = token ? *token : 0;
    thread_ = std::thread([this, work] {
      work();
      const std::uint64_t one = 1;
      std::ignore = ::write(end_.get(), &one, sizeof(one));
    });
  }
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;
  ~Errand() {
    thread_.join();
    fleet_.loop.remove(token_);
  }
  [[nodiscard]] bool is_done() const { return is_done_; }

 private:
  Fleet& fleet_;
  common::Fd end_;
  common::Loop::Token token_ = 0;
  bool is_done_ = false;
  std::thread thread_;
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

// As a link does, without its pause.
void SimulatedHost::on_closed(const std::string& why) {
  if (fleet_.redialled++ == 0) {
    std::fprintf(stderr, "bench_fleet: a host dials again: %s\n", why.c_str());
  }
  connection_.reset();
  dial();
}

Result<void> SimulatedHost::hand_over() {
  if (!is_up) {
    is_up = true;
    ++fleet_.up;
    fleet_.dial_next();
  }
  fleet_.acknowledged_ms.push_back(ms_since(fleet_.called));
  fleet_.say();
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
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      return false;
    }
    common::Fd into(ends[1]);
    log_ = common::Fd(ends[0]);
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(into.get(), STDERR_FILENO);
      ::execl(KRAIT_COORDINATOR_PROGRAM, "krait-coordinator", "serve", "--state", folder_.c_str(), "--socket",
              socket().c_str(), "--listen", where.c_str(), "--metrics", "", nullptr);
      ::_exit(127);
    }
    into.reset();
    std::string said;
    while (said.find(" serves ") == std::string::npos) {
      std::array<char, 256> some{};
      const ssize_t got = ::read(log_.get(), some.data(), some.size());
      if (got <= 0) {
        std::fprintf(stderr, "%s", said.c_str());
        return false;
      }
      said.append(some.data(), static_cast<std::size_t>(got));
    }
    return true;
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
  // Of its one thread.
  [[nodiscard]] double cpu_ms() const {
    std::ifstream file("/proc/" + std::to_string(process_) + "/schedstat");
    double ns = 0;
    file >> ns;
    return ns / 1e6;
  }
  std::uint16_t port = 0;

 private:
  std::string folder_;
  common::Fd log_;
  pid_t process_ = -1;
};

// The policy of identities alone; the network has it then.
Result<std::uint64_t> write_identities(coordinator::StoreLedger& ledger, fleet::Network& network,
                                       std::uint64_t revision, std::uint32_t identities,
                                       const crypto::SigningKey& key) {
  const std::string text = identities_text(identities);
  KRAIT_TRY(const auto model, config::parse_policy(text, "the policy"));
  KRAIT_TRY(const auto book, trust::PolicyBook::of(model));
  const auto statement = trust::sign(trust::PolicyStatement{.network = network.trusted().lists.back().value.network,
                                                            .revision = revision + 1,
                                                            .hosts_at_least = network.trusted().hosts.value.revision,
                                                            .made_s = 1,
                                                            .root = book.root()},
                                     key);
  KRAIT_TRY(const auto rows,
            network.apply_policy({.text = text, .who = "bench", .what = "apply", .at_s = 1}, statement));
  KRAIT_TRY(const auto committed, ledger.commit({revision, "bench", "identities", 1, rows}));
  KRAIT_CHECK(network.absorb(rows));
  return committed.value_or(revision + 1);
}

// Writes a network with all its hosts, as if they had joined.
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
  KRAIT_TRY(const auto policy, write_identities(ledger, network, revision, size.identities, key));
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
    binding.key.back() = 1;  // 1 and 0 are no keys
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
          .network = list.network, .revision = policy + 1, .policy_at_least = policy, .made_s = 1, .root = book.root()},
      key);
  KRAIT_TRY(auto signed_rows, network.edit_hosts(edit, statement, 1));
  signed_rows.insert(signed_rows.end(), hosts.begin(), hosts.end());
  KRAIT_CHECK(ledger.commit({policy, "bench", "hosts", 1, signed_rows}));
  return keys;
}

// --- What is measured
// ------------------------------------------------------------------------------------------------------

// An administrator's machine.
class Author {
 public:
  Author(const Coordinator& coordinator, std::string key_file)
      : socket_(coordinator.socket()), key_file_(std::move(key_file)) {}

  // `identities`: of the policy that is there.
  Result<void> look(std::uint32_t identities) {
    former_ = {.number = 1, .text = identities_text(identities)};
    KRAIT_TRY(key_, crypto::SigningKey::load(key_file_, "bench"));
    KRAIT_TRY(authority_, coordinator::fetch_authority({.socket = socket_, .key = key_file_}, false));
    return {};
  }
  // What is to be sent for a policy that follows on the last one.
  Result<common::Json> order(const std::string& text) {
    KRAIT_TRY(auto made, coordinator::sign_policy(authority_, former_, text, *key_));
    authority_.policy.value.revision = std::max(authority_.policy.value.revision, authority_.hosts.value.revision) + 1;
    former_ = {former_.number + 1, text};
    made.request["wait"] = true;
    made.request["timeout_ms"] = 240'000;
    return std::move(made.request);
  }

 private:
  std::string socket_;
  std::string key_file_;
  std::optional<crypto::SigningKey> key_;
  coordinator::Authority authority_;
  coordinator::FormerText former_;
};

struct Applied {
  std::size_t concerned = 0;
  double all_ms = 0;
  bool whole = false;  // all who were concerned said that they enforce it
};

Applied ask(const std::string& socket, const common::Json& request) {
  Applied applied;
  const auto begun = Clock::now();
  const auto answer = coordinator::ask({.socket = socket}, request);
  applied.all_ms = ms_since(begun);
  if (answer) {
    const auto& spread = common::object_at(*answer, "spread");
    applied.concerned = common::number_at(spread, "concerned");
    applied.whole = common::number_at(spread, "enforcing") == applied.concerned;
  } else {
    std::fprintf(stderr, "apply: %s\n", answer.error().text().c_str());
  }
  return applied;
}

std::string at_part(std::vector<double> values, double part) {
  if (values.empty()) {
    return "-";
  }
  std::ranges::sort(values);
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size()));
  return fmt::format("{:.0f}", values[std::min(values.size() - 1, at)]);
}

struct Report {
  krait::bench::Table applies{.header = {"hosts", "what changes", "hosts concerned", "p50, ms", "p90, ms", "p99, ms",
                                         "last, ms", "coordinator's CPU, ms", "bytes a host"}};
  krait::bench::Table costs{.header = {"hosts", "all connected, s", "coordinator's CPU, s", "kB a host", "in all, MB",
                                       "whole state, kB a host", "idle: bytes, CPU ms a minute"}};
  krait::bench::Table storms{
      .header = {"hosts", "all back, s", "coordinator's CPU, s", "applies meanwhile", "slowest of them, ms"}};
  std::string aims;
};

class Measurement {
 public:
  Measurement(const Size& size, bool smallest, Report& report)
      : size_(size), smallest_(smallest), report_(report), policies_(size) {}
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;
  ~Measurement() {
    if (!folder_.empty()) {
      std::filesystem::remove_all(folder_);
    }
  }

  bool run() {
    folder_ = "/tmp/krait-fleet.XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) {
      return false;
    }
    const auto keys = write_network(folder_, size_);
    const auto loop = common::Loop::create();
    if (!keys || !loop) {
      std::fprintf(stderr, "bench_fleet: %s\n", keys ? "no loop" : keys.error().text().c_str());
      return false;
    }
    Coordinator coordinator(folder_);
    author_ = std::make_unique<Author>(coordinator, folder_ + "/admin/key");
    if (!begin(coordinator)) {
      std::fprintf(stderr, "bench_fleet: the coordinator does not start\n");
      return false;
    }
    Fleet fleet(**loop, *common::Endpoint::parse(fmt::format("127.0.0.1:{}", coordinator.port)));
    for (const wire::KeyPair& key : *keys) {
      fleet.add(*wire::Tls::create(wire::Side::client, key));
    }
    const bool good = connect(fleet, coordinator) && apply_all(fleet, coordinator) && storm(fleet, coordinator);
    fleet.hosts.clear();
    return good;
  }

 private:
  // With a policy; started anew then, so that nothing of its making is left in its memory.
  bool begin(Coordinator& coordinator) {
    if (!coordinator.start() || !author_->look(size_.identities)) {
      return false;
    }
    const auto order = author_->order(policies_.text());
    const bool good = order && ask(coordinator.socket(), *order).whole;
    coordinator.stop();
    return good && coordinator.start();
  }

  bool connect(Fleet& fleet, const Coordinator& coordinator) {
    const double before_mb = coordinator.resident_mb();
    const double cpu_ms = coordinator.cpu_ms();
    const auto begun = Clock::now();
    const bool good = fleet.connect_all();
    const double connected_s = ms_since(begun) / 1000;
    const double connect_cpu_s = (coordinator.cpu_ms() - cpu_ms) / 1000;
    const double host_kb = (coordinator.resident_mb() - before_mb) * 1000 / size_.hosts;
    const double state_kb = fleet.received() / 1000 / size_.hosts;
    const std::chrono::seconds idle(smallest_ ? 1 : 10);
    const double received = fleet.received();
    const double idle_cpu_ms = coordinator.cpu_ms();
    fleet.await([] { return false; }, idle);
    report_.costs.rows.push_back(
        {std::to_string(size_.hosts), fmt::format("{:.1f}", connected_s), fmt::format("{:.1f}", connect_cpu_s),
         fmt::format("{:.0f}", host_kb), fmt::format("{:.0f}", coordinator.resident_mb()),
         fmt::format("{:.0f}", state_kb),
         fmt::format("{:.0f}, {:.1f}", fleet.received() - received,
                     (coordinator.cpu_ms() - idle_cpu_ms) * 60 / static_cast<double>(idle.count()))});
    if (size_.hosts >= 1000) {
      report_.aims += krait::bench::aim_line(fmt::format("fleet: {} hosts at most 60 kB each", size_.hosts),
                                             host_kb <= 60, fmt::format("{:.0f} kB", host_kb));
    }
    return good;
  }

  bool apply_all(Fleet& fleet, const Coordinator& coordinator) {
    const std::vector<Change> changes{{"one rule between two identities", 1},
                                      {"one rule for all", 0, true},
                                      {"10 rules", 10},
                                      {"100 rules", 100},
                                      {"1,000 rules", 1000},
                                      {"every rule", size_.rules, false, 2}};
    return std::ranges::all_of(changes, [&](const Change& change) { return apply(fleet, coordinator, change); });
  }

  bool apply(Fleet& fleet, const Coordinator& coordinator, const Change& change) {
    std::vector<double> host_ms;
    double last_ms = 0;
    std::size_t concerned = 0;
    const double cpu_ms = coordinator.cpu_ms();
    const double received = fleet.received();
    const int times = smallest_ ? 1 : change.times;
    for (int i = 0; i < times; ++i) {
      policies_.make(change);
      const auto order = author_->order(policies_.text());
      if (!order) {
        return false;
      }
      Applied applied;
      fleet.acknowledged_ms.clear();
      fleet.called = Clock::now();
      Errand errand(fleet, [&] { applied = ask(coordinator.socket(), *order); });
      if (!fleet.await([&] { return errand.is_done(); }, std::chrono::seconds(250)) || !applied.whole) {
        return false;
      }
      host_ms.insert(host_ms.end(), fleet.acknowledged_ms.begin(), fleet.acknowledged_ms.end());
      last_ms = std::max(last_ms, applied.all_ms);
      concerned = applied.concerned;
    }
    report_.applies.rows.push_back(
        {std::to_string(size_.hosts), change.name, std::to_string(concerned), at_part(host_ms, 0.5),
         at_part(host_ms, 0.9), at_part(host_ms, 0.99), fmt::format("{:.0f}", last_ms),
         fmt::format("{:.0f}", (coordinator.cpu_ms() - cpu_ms) / times),
         host_ms.empty() ? "-"
                         : fmt::format("{:.0f}", (fleet.received() - received) / static_cast<double>(host_ms.size()))});
    note_aim(change, host_ms);
    return true;
  }

  void note_aim(const Change& change, const std::vector<double>& host_ms) {
    if (size_.hosts < 1000 || (!change.for_all && change.rules != size_.rules)) {
      return;
    }
    const double bound_ms = size_.hosts == 1000 ? 300 : 2000;
    const std::string p99 = at_part(host_ms, 0.99);
    report_.aims +=
        krait::bench::aim_line(fmt::format("fleet: {}, {} hosts, p99 under {} ms", change.name, size_.hosts, bound_ms),
                               std::stod(p99) < bound_ms, p99 + " ms");
  }

  // All are cut off and call again, with what they hold, while an administrator goes on applying policies.
  bool storm(Fleet& fleet, const Coordinator& coordinator) {
    std::vector<common::Json> orders;
    for (int i = 0; i < (smallest_ ? 1 : 10); ++i) {
      policies_.make({"one rule between two identities", 1});
      auto order = author_->order(policies_.text());
      if (!order) {
        return false;
      }
      (*order)["wait"] = false;  // whoever is not back yet gets it with its state
      orders.push_back(*std::move(order));
    }
    for (SimulatedHost& host : fleet.hosts) {
      host.drop();
    }
    std::atomic<bool> is_over = false;
    std::vector<double> applied_ms;
    const double cpu_ms = coordinator.cpu_ms();
    const auto begun = Clock::now();
    bool good = true;
    double back_s = 0;
    {
      Errand errand(fleet, [&] {
        for (const common::Json& order : orders) {
          if (!is_over) {
            applied_ms.push_back(ask(coordinator.socket(), order).all_ms);
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
          }
        }
      });
      good = fleet.connect_all();
      back_s = ms_since(begun) / 1000;
      is_over = true;
    }
    report_.storms.rows.push_back({std::to_string(size_.hosts), fmt::format("{:.1f}", back_s),
                                   fmt::format("{:.1f}", (coordinator.cpu_ms() - cpu_ms) / 1000),
                                   std::to_string(applied_ms.size()), at_part(applied_ms, 1)});
    if (size_.hosts == 10'000) {
      report_.aims += krait::bench::aim_line("fleet: 10,000 hosts back in under 60 s", back_s < 60,
                                             fmt::format("{:.1f} s", back_s));
    }
    return good;
  }

  Size size_;
  bool smallest_;
  Report& report_;
  Policies policies_;
  std::string folder_;
  std::unique_ptr<Author> author_;
};

}  // namespace

// FOLDER or --smallest; behind it perhaps how many hosts, in place of 100, 1,000 and 10,000.
int main(int argc, char** argv) {
  const auto extent = krait::bench::extent_of(argc, argv);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::vector<Size> sizes = extent.smallest
                                ? std::vector<Size>{{20, 10, 60}}
                                : std::vector<Size>{{100, 1000, 30'000}, {1000, 1000, 30'000}, {10'000, 1000, 30'000}};
  if (argc > 2) {
    sizes = {{static_cast<std::uint32_t>(std::atoi(argv[2])), 1000, 30'000}};
  }
  Report report;
  for (const Size& size : sizes) {
    if (!Measurement(size, extent.smallest, report).run()) {
      std::fprintf(stderr, "bench_fleet: some hosts did not take part\n");
      return 2;
    }
    fmt::print(stderr, "bench_fleet: {} hosts: every rule changed, p99 {} ms; {} kB a host\n", size.hosts,
               report.applies.rows.back()[5], report.costs.rows.back()[3]);
  }
  fmt::print(
      "## Fleet\n\n{} rules between {} identities. One `policy apply --wait`, from the call to the word of each host "
      "that it concerns:\n\n{}\n{}\nAll cut off at once:\n\n{}\n{}",
      sizes.front().rules, sizes.front().identities, krait::bench::markdown(report.applies),
      krait::bench::markdown(report.costs), krait::bench::markdown(report.storms), report.aims);
  if (const auto written = krait::bench::write_csv(report.applies, extent.folder, "fleet"); !written) {
    fmt::print(stderr, "bench_fleet: {}\n", written.error().text());
    return 2;
  }
  return 0;
}
