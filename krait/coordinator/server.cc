#include "krait/coordinator/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <utility>

#include "common/answer.h"
#include "common/clock.h"
#include "common/event/http.h"
#include "common/event/loop.h"
#include "common/event/loopback.h"
#include "common/event/notify.h"
#include "common/event/peer_credentials.h"
#include "common/event/stream_server.h"
#include "common/event/timer.h"
#include "common/event/unix_socket.h"
#include "common/fd.h"
#include "common/file.h"
#include "common/memory.h"
#include "krait/control/version.h"
#include "krait/coordinator/admin.h"
#include "krait/coordinator/metrics.h"
#include "krait/coordinator/network_admins.h"
#include "krait/coordinator/service.h"
#include "krait/coordinator/store_ledger.h"
#include "krait/crypto/key_mode.h"
#include "krait/wire/connection.h"
#include "krait/wire/dial.h"
#include "krait/wire/listener.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Loop;
using common::Result;

namespace {

constexpr const char* kChangeGroup = "krait-coordinator";
constexpr const char* kPolicyGroup = "krait-coordinator-policy";
constexpr const char* kReadGroup = "krait-coordinator-read";
constexpr const char* kFolderHint = "make it root's or the coordinator's own: chown root: DIR";

// A host that does not read is cut off when more than its next whole state waits.
constexpr wire::FrameLimits kHostFrames{.incoming_bytes = wire::kMaxHostFrameBytes,
                                        .queued_bytes = std::size_t{48} << 20U};
constexpr wire::FrameLimits kAdminFrames{.incoming_bytes = wire::kMaxAdminFrameBytes,
                                         .queued_bytes = 2 * wire::kMaxAdminFrameBytes};

// Anybody on the machine may connect, to be told that they may not ask; and nobody takes all descriptors.
constexpr std::size_t kMaxDeniedBytes = 4096;
constexpr std::size_t kMaxConnectionsOfOne = 64;

// How often it is looked for who does not say which host they are.
constexpr std::chrono::seconds kStrangerPeriod{10};

// How often a store that cannot tell of others' commits is asked.
constexpr std::chrono::seconds kAskPeriod{1};
constexpr std::chrono::milliseconds kMinRetry{200};
constexpr std::chrono::milliseconds kMaxRetry{5000};

// In a lease: three of them may be lost on the way. And between two, whatever the lease.
constexpr int kConfirmations = 4;
constexpr std::chrono::seconds kMinConfirmPeriod{1};
constexpr std::chrono::seconds kMaxConfirmPeriod{12 * 3600};

class RealClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t unix_s() const override { return common::now().unix_ns / 1'000'000'000; }
  [[nodiscard]] std::int64_t steady_us() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

class Server;

// A host's connection.
class HostConnection final : public wire::ConnectionUser, public Peer {
 public:
  HostConnection(Server& server, std::unique_ptr<wire::Connection> connection)
      : server_(server), connection_(std::move(connection)) {
    connection_->set_user(*this);
  }
  void begin(Service& service) {
    const auto from = wire::peer_endpoint(connection_->fd());
    id_ = service.on_connected(*this, connection_->peer(), from ? std::optional(from->ip) : std::nullopt);
  }
  [[nodiscard]] SessionId id() const { return id_; }

  void on_open() override {}
  void on_frame(std::string_view bytes) override;
  void on_drained() override;
  void on_closed(const std::string& why) override;

  void send(const wire::Message& message) override { connection_->send(wire::encode(message)); }
  void send(const wire::Frame& frame) override { connection_->send(frame); }
  void finish() override { connection_->finish(); }
  [[nodiscard]] bool idle() const override { return connection_->idle(); }

 private:
  Server& server_;
  std::unique_ptr<wire::Connection> connection_;
  SessionId id_ = 0;
};

// An administrator's, over the Unix socket.
class AdminConnection final : public wire::ConnectionUser {
 public:
  AdminConnection(Server& server, std::unique_ptr<wire::Connection> connection, Asker asker, std::uint64_t id)
      : server_(server), connection_(std::move(connection)), asker_(std::move(asker)), id_(id) {
    connection_->set_user(*this);
  }
  void on_open() override {}
  void on_frame(std::string_view bytes) override;
  void on_closed(const std::string& why) override;
  void send(std::string_view answer) { connection_->send(answer); }
  [[nodiscard]] const std::string& who() const { return asker_.who; }

 private:
  Server& server_;
  std::unique_ptr<wire::Connection> connection_;
  Asker asker_;
  std::uint64_t id_;
};

class Server {
 public:
  Server(Loop& loop, records::Store store, const wire::KeyPair& key, common::Log& log)
      : loop_(loop),
        log_(log),
        store_(std::move(store)),
        ledger_(store_),
        service_(ledger_, clock_),
        admin_(loop, service_, store_, clock_, wire::hash_text(key.hash)),
        network_admins_(service_, admin_, [this] { on_asked(); }) {}

  Result<void> start(const ServerOptions& options, const wire::KeyPair& key) {
    KRAIT_CHECK(service_.load());
    last_revision_ = service_.revision();
    KRAIT_TRY(confirm_timer_, common::Timer::create(loop_, [this] { confirm_leases(); }));
    KRAIT_TRY(stranger_timer_, common::Timer::create(loop_, [this] { end_strangers(); }));
    follow_lease();
    service_.set_complain([this](const std::string& what) { log_.warning(what); });
    KRAIT_TRY(tls_, wire::Tls::create(wire::Side::server, key));
    KRAIT_CHECK(listen_for_hosts(options));
    KRAIT_CHECK(listen_for_admins(options));
    KRAIT_CHECK(listen_for_scrapers(options));
    return watch_store();
  }

  void on_host_frame(HostConnection& host, std::string_view bytes) {
    auto message = wire::decode(bytes);
    if (!message) {
      host.send(wire::Refused{wire::RefusalCode::wrong, message.error().text()});
      host.finish();
      return;
    }
    service_.on_message(host.id(), *message);
    look_for_others();
  }
  void on_host_drained(HostConnection& host) { service_.on_drained(host.id()); }
  void on_host_gone(HostConnection& host) {
    service_.on_gone(host.id());
    hosts_.erase(&host);
  }
  void on_admin_frame(std::uint64_t id, const Asker& asker, std::string_view bytes) {
    admin_.handle(bytes, asker, [this, id](const std::string& answer) {
      if (const auto found = admins_.find(id); found != admins_.end()) {
        found->second->send(answer);
      }
    });
    on_asked();
  }
  void on_asked() {
    follow();
    look_for_others();
  }
  void on_admin_gone(std::uint64_t id) { admins_.erase(id); }

  [[nodiscard]] std::string started_text() const {
    return fmt::format("krait-coordinator {} serves {}: revision {}, {} hosts, port {}", control::kVersion,
                       service_.network().settings().name, service_.revision(), service_.network().hosts().size(),
                       port_);
  }

 private:
  Result<void> listen_for_hosts(const ServerOptions& options) {
    const auto where = common::Endpoint::parse(options.listen);
    if (!where) {
      return Error(ErrorCode::invalid_input, fmt::format("--listen {} is no address with a port", options.listen));
    }
    KRAIT_TRY(auto fd, wire::listen_on(where->ip, where->port));
    KRAIT_TRY(const auto own, wire::own_endpoint(fd.get()));
    port_ = own.port;
    KRAIT_TRY(host_listener_, wire::Listener::start(loop_, std::move(fd), tls_.get(), {.frames = kHostFrames},
                                                    [this](std::unique_ptr<wire::Connection> connection) {
                                                      if (network_admins_.find(connection->peer()) != nullptr) {
                                                        network_admins_.admit(std::move(connection));
                                                        return;
                                                      }
                                                      auto host = std::make_unique<HostConnection>(
                                                          *this, std::move(connection));
                                                      host->begin(service_);
                                                      HostConnection* const at = host.get();
                                                      hosts_.emplace(at, std::move(host));
                                                      if (!std::exchange(looks_for_strangers_, true)) {
                                                        stranger_timer_.every(kStrangerPeriod);
                                                      }
                                                    }));
    return {};
  }

  Result<void> listen_for_admins(const ServerOptions& options) {
    KRAIT_TRY(auto socket, common::ControlSocket::listen(options.socket, kFolderHint));
    socket_ = std::make_unique<common::ControlSocket>(std::move(socket));
    change_ = common::Rights::look_up(kChangeGroup).value_or(common::Rights{.own_user = ::geteuid(), .group = {}});
    policy_ = common::Rights::look_up(kPolicyGroup).value_or(common::Rights{.own_user = ::geteuid(), .group = {}});
    read_ = common::Rights::look_up(kReadGroup).value_or(common::Rights{.own_user = ::geteuid(), .group = {}});
    KRAIT_TRY(admin_listener_, wire::Listener::start(loop_, socket_->take(), nullptr, {.frames = kAdminFrames},
                                                     [this](std::unique_ptr<wire::Connection> connection) {
                                                       const std::uint64_t id = next_admin_++;
                                                       Asker asker = asker_of(connection->fd());
                                                       if (asker.role == Role::none) {
                                                         connection->set_limits({kMaxDeniedBytes, kMaxDeniedBytes});
                                                       }
                                                       make_room(asker.who);
                                                       admins_.emplace(
                                                           id, std::make_unique<AdminConnection>(
                                                                   *this, std::move(connection), std::move(asker), id));
                                                     }));
    return {};
  }

  void make_room(const std::string& who) {
    const auto is_theirs = [&](const auto& entry) { return entry.second->who() == who; };
    if (std::cmp_greater_equal(std::ranges::count_if(admins_, is_theirs), kMaxConnectionsOfOne)) {
      admins_.erase(std::ranges::find_if(admins_, is_theirs));
    }
  }

  [[nodiscard]] Asker asker_of(int fd) const {
    const common::Client client = common::client_of(fd, change_);
    const std::string who = client.user ? fmt::format("user {}", *client.user) : "nobody";
    const auto is_of = [&](const common::Rights& rights) { return common::client_of(fd, rights).may_change; };
    return {who, client.may_change ? Role::admin
                 : is_of(policy_)  ? Role::policy
                 : is_of(read_)    ? Role::read
                                   : Role::none};
  }

  Result<void> listen_for_scrapers(const ServerOptions& options) {
    if (options.metrics.empty()) {
      return {};
    }
    const auto where = common::Endpoint::parse(options.metrics);
    if (!where) {
      return Error(ErrorCode::invalid_input, fmt::format("--metrics {} is no address with a port", options.metrics));
    }
    KRAIT_TRY(auto fd, common::listen_tcp(*where));
    KRAIT_TRY(metrics_, common::StreamServer::serve(loop_, std::move(fd),
                                                    [this](std::string_view input, const common::Client&)
                                                        -> std::optional<common::Answer> { return page(input); }));
    return {};
  }

  // Whether the database answers is for whoever shares hosts out among coordinators, and for people.
  [[nodiscard]] std::optional<common::Answer> page(std::string_view input) const {
    const auto health = common::http_status(input, "/health");
    const auto metrics = common::http_status(input);
    if (!health || !metrics) {
      return std::nullopt;
    }
    if (*health != 404) {
      const int status = *health == 200 && is_store_away_ ? 503 : *health;
      return common::Answer{common::http_response(status, "ok\n"), input.size(), true};
    }
    const std::string text = *metrics == 200 ? metrics_text(service_, host_listener_->refused(), !is_store_away_) : "";
    return common::Answer{common::http_response(*metrics, text), input.size(), true};
  }

  void end_strangers() {
    if (service_.end_strangers() == 0) {
      stranger_timer_.stop();
      looks_for_strangers_ = false;
    }
  }

  // --- Leases
  // -----------------------------------------------------------------------------------------------------------------

  // Hosts that are idle hear several times in a lease that nothing is newer; without a lease nobody says anything.
  void follow_lease() {
    const std::chrono::seconds lease{service_.network().trusted().policy_book.settings().lease_s};
    if (lease == lease_) {
      return;
    }
    lease_ = lease;
    if (lease_.count() == 0) {
      confirm_timer_.stop();
    } else {
      confirm_timer_.every(std::clamp(lease_ / kConfirmations, kMinConfirmPeriod, kMaxConfirmPeriod));
    }
  }

  // A coordinator that does not reach its database does not know what is the newest.
  void confirm_leases() {
    const auto known = service_.catch_up();
    if (known) {
      service_.confirm_leases();
    } else {
      log_.warning("leases are not confirmed: " + known.error().text());
    }
    look_for_others();
  }

  // What administrators, hosts or other coordinators did may concern all of these.
  void follow() {
    network_admins_.look_for_struck_off();
    follow_lease();
    if (service_.revision() < last_revision_) {
      log_.error(
          fmt::format("the database has gone back from revision {} to {}: hosts that have seen a newer state refuse "
                      "what it holds until an administrator signs it anew (network sign-anew)",
                      last_revision_, service_.revision()));
    }
    last_revision_ = service_.revision();
  }

  // --- Other coordinators
  // ------------------------------------------------------------------------------------------------

  Result<void> watch_store() {
    if (!store_.database().is_shared()) {
      return {};
    }
    KRAIT_TRY(ask_timer_, common::Timer::create(loop_, [this] { ask_store(); }));
    watch_notices();
    return {};
  }

  // By a descriptor of its own: libpq closes its one when it connects anew, and the number may be a host's from then
  // on.
  void watch_notices() {
    forget_notices();
    heard_connection_ = store_.database().connection();
    const int fd = store_.database().notice_fd();
    notices_.reset(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const auto token = !notices_.valid()
                           ? Result<Loop::Token>(Error(ErrorCode::unsupported, "no notices"))
                           : loop_.add(notices_.get(), EPOLLIN, [this](std::uint32_t) { look_for_others(); });
    if (token) {
      notice_token_ = *token;
      ask_timer_.stop();
    } else {
      ask_timer_.after(kAskPeriod);
    }
  }

  void forget_notices() {
    if (notice_token_ != 0) {
      loop_.remove(std::exchange(notice_token_, 0));
    }
    notices_.reset();
  }

  // After whatever may have asked the store: a query may have taken in what would have made the descriptor readable, or
  // have connected anew, and of what was said before nobody has heard.
  void look_for_others() {
    if (!store_.database().is_shared()) {
      return;
    }
    if (store_.database().connection() != heard_connection_) {
      ask_store();
      return;
    }
    if (is_store_away_) {
      return;  // it is asked again when its time has come
    }
    const auto heard = store_.database().take_notices();
    if (!heard) {
      lose_store(heard.error());
    } else if (*heard) {
      catch_up();
    }
  }

  void catch_up() {
    if (const auto done = service_.catch_up(); !done) {
      lose_store(done.error());
    }
    follow();
  }

  // Connects anew where the database has gone, and reads what was missed.
  void ask_store() {
    if (const auto done = service_.catch_up(); !done) {
      lose_store(done.error());
      return;
    }
    if (std::exchange(is_store_away_, false)) {
      log_.info(fmt::format("the database answers again: revision {}", service_.revision()));
    }
    store_retry_ = kMinRetry;
    watch_notices();
    follow();
  }

  // Hosts stay, and what they have; nothing can be changed.
  void lose_store(const Error& error) {
    if (!std::exchange(is_store_away_, true)) {
      log_.warning(error.text());
    }
    forget_notices();
    ask_timer_.after(store_retry_);
    store_retry_ = std::min(2 * store_retry_, kMaxRetry);
  }

  Loop& loop_;
  common::Log& log_;
  RealClock clock_;
  records::Store store_;
  StoreLedger ledger_;
  Service service_;
  Admin admin_;
  NetworkAdmins network_admins_;
  std::unique_ptr<wire::Tls> tls_;
  std::unique_ptr<wire::Listener> host_listener_;
  std::unique_ptr<wire::Listener> admin_listener_;
  std::unique_ptr<common::ControlSocket> socket_;
  std::unique_ptr<common::StreamServer> metrics_;
  common::Rights change_;
  common::Rights policy_;
  common::Rights read_;
  std::map<HostConnection*, std::unique_ptr<HostConnection>> hosts_;
  std::map<std::uint64_t, std::unique_ptr<AdminConnection>> admins_;
  std::uint64_t next_admin_ = 1;
  common::Timer ask_timer_;
  common::Timer confirm_timer_;
  common::Timer stranger_timer_;
  bool looks_for_strangers_ = false;
  std::chrono::seconds lease_{0};
  common::Fd notices_;
  Loop::Token notice_token_ = 0;
  std::uint64_t heard_connection_ = 0;
  std::chrono::milliseconds store_retry_ = kMinRetry;
  bool is_store_away_ = false;
  std::uint64_t last_revision_ = 0;
  std::uint16_t port_ = 0;
};

void HostConnection::on_frame(std::string_view bytes) { server_.on_host_frame(*this, bytes); }
void HostConnection::on_drained() { server_.on_host_drained(*this); }
void HostConnection::on_closed(const std::string& /*why*/) { server_.on_host_gone(*this); }
void AdminConnection::on_frame(std::string_view bytes) { server_.on_admin_frame(id_, asker_, bytes); }
void AdminConnection::on_closed(const std::string& /*why*/) { server_.on_admin_gone(id_); }

// Each host takes a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

Result<void> check_mode(const std::string& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) {
    return Error::from_errno(errno, "look at " + file);
  }
  return crypto::check_key_mode(info.st_mode, file);
}

}  // namespace

std::string key_file_of(const ServerOptions& options) { return options.state + "/server.pem"; }
std::string database_file_of(const ServerOptions& options) { return options.state + "/network.db"; }

Result<void> serve(const ServerOptions& options, common::Log& log) {
  constexpr std::size_t kMaxKeyBytes = 16384;
  raise_descriptor_limit();
  auto pem = common::read_file(key_file_of(options), kMaxKeyBytes);
  if (!pem && pem.error().code() == ErrorCode::not_found) {
    return Error(
        ErrorCode::invalid_input,
        fmt::format("there is no {}; krait-coordinator init makes a network, and each further coordinator of it "
                    "has a copy of that file",
                    key_file_of(options)));
  }
  if (!pem) {
    return passed_on(pem, "read the coordinator's key");
  }
  KRAIT_TRY(const auto key, wire::parse_key_pair(*pem), key_file_of(options));
  KRAIT_CHECK(check_mode(key_file_of(options)));
  KRAIT_TRY(auto database, options.database.empty() ? records::open_sqlite(database_file_of(options), true)
                                                    : records::open_postgresql(options.database));
  KRAIT_TRY(auto store, records::Store::open(std::move(database)));
  KRAIT_TRY(const auto loop, Loop::create());
  Server server(*loop, std::move(store), key, log);
  KRAIT_CHECK(server.start(options, key));
  KRAIT_TRY(const auto signals, common::Signals::receive(*loop, {SIGTERM, SIGINT}, [&](int) { loop->stop(); }));
  common::release_free_memory();
  log.info(server.started_text());
  common::notify_ready("hosts are served");
  return loop->run();
}

}  // namespace krait::coordinator
