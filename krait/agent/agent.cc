#include "krait/agent/agent.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <memory>
#include <utility>

#include "common/answer.h"
#include "common/event/clock_watch.h"
#include "common/event/http.h"
#include "common/event/loop.h"
#include "common/event/notify.h"
#include "common/event/peer_credentials.h"
#include "common/event/shared_text.h"
#include "common/event/stream_server.h"
#include "common/event/timer.h"
#include "common/event/unix_socket.h"
#include "common/memory.h"
#include "krait/agent/metrics.h"
#include "krait/agent/metrics_server.h"
#include "krait/control/protocol.h"
#include "krait/control/version.h"
#include "krait/keeper/endpoint_keeper.h"
#include "krait/keeper/upkeep.h"
#include "krait/rundir/folder.h"

namespace krait::agent {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr const char* kGroup = "krait";          // whose members may change something
constexpr const char* kLinkUser = "krait-link";  // who may offer states that administrators signed

// The serving part. Everything it refers to outlives it.
class Service {
 public:
  // Who keeps what is in force up while the agent runs.
  struct Keepers {
    keeper::EndpointKeeper& endpoints;
    keeper::Upkeep& upkeep;
  };

  // Who is who among those that ask.
  struct Callers {
    common::Rights rights;
    std::optional<uid_t> link;  // none: there is no such user
  };

  Service(enforce::Enforcer& enforcer, Keepers keepers, common::Loop& loop, common::Log& log, const Callers& callers)
      : enforcer_(enforcer),
        endpoints_(keepers.endpoints),
        upkeep_(keepers.upkeep),
        loop_(loop),
        log_(log),
        callers_(callers) {}

  void on_signal(int number);
  void on_clock_set(common::ClockWatch& clock);
  void warn();  // about the policy in force
  void keep_endpoints();
  std::optional<common::Answer> on_control(std::string_view input, const common::Client& client);
  std::optional<common::Answer> on_http(std::string_view input);
  Result<void> share();  // before anybody is served
  void watch(const MetricsServer& metrics) { metrics_ = &metrics; }

 private:
  // For those who may only look.
  struct Shared {
    std::unique_ptr<common::SharedText> metrics;
    std::unique_ptr<common::SharedText> status;
  };

  Result<std::string> metrics_page();
  void read_anew();
  std::string answer_line(control::Request request, const common::Client& client);
  control::Json answer(control::Request request, const common::Client& client);
  control::Json reload();
  control::Json take_state();
  control::Json confirm_state();
  control::Json endpoints();
  control::Json allow_older();
  void follow_plan();  // after a new one was put in force
  control::Json status();
  control::Json rules();
  control::Json down();
  control::Json drain();
  control::Json rotate_key(bool only_announced);
  control::Json prepare_key();

  enforce::Enforcer& enforcer_;
  keeper::EndpointKeeper& endpoints_;
  keeper::Upkeep& upkeep_;
  common::Loop& loop_;
  common::Log& log_;
  const Callers& callers_;
  Shared shared_;
  const MetricsServer* metrics_ = nullptr;
};

void Service::on_signal(int number) {
  if (number == SIGHUP) {
    reload();
    common::release_free_memory();
    return;
  }
  log_.info(fmt::format("ending; the policy stays in force on {}", enforcer_.interface()));
  loop_.stop();
}

std::optional<common::Answer> Service::on_control(std::string_view input, const common::Client& client) {
  const auto end = input.find('\n');
  if (end == std::string_view::npos) {
    if (input.size() < common::kMaxRequestBytes) {
      return std::nullopt;
    }
    const Error error(ErrorCode::limit, fmt::format("a request has at most {} bytes", common::kMaxRequestBytes));
    return common::Answer{common::json_line(common::error_json(error)), input.size(), true};
  }
  auto request = control::parse_request(input.substr(0, end));
  return common::Answer{
      request ? answer_line(*request, client) : common::json_line(common::error_json(request.error())), end + 1, false};
}

std::optional<common::Answer> Service::on_http(std::string_view input) {
  const auto code = common::http_status(input);
  if (!code) {
    return std::nullopt;
  }
  if (*code != 200) {
    return common::Answer{common::http_response(*code, {}), input.size(), true};
  }
  const auto& page = shared_.metrics->get();
  return common::Answer{page ? common::http_response(200, *page) : common::http_response(500, {}), input.size(), true};
}

Result<std::string> Service::metrics_page() {
  auto state = enforcer_.state();
  if (!state) {
    log_.error("metrics: " + state.error().text());
    return state.error();
  }
  auto rules = enforcer_.rules();
  if (!rules) {
    log_.error("metrics: " + rules.error().text());
    return rules.error();
  }
  return metrics_text(enforcer_.policy(), *state, *rules);
}

Result<void> Service::share() {
  const auto add = [this](std::unique_ptr<common::SharedText>& place, common::SharedText::Reader read) {
    auto made = common::SharedText::create(loop_, std::move(read));
    if (made) {
      place = std::move(*made);
    }
    return made ? Result<void>() : std::move(made.error());
  };
  auto done = add(shared_.metrics, [this] { return metrics_page(); });
  const auto read_status = [this] {
    Result<std::string> line(common::json_line(status()));
    common::release_free_memory();  // of 10,000 peers megabytes; here as often as it is read, not as often as it is
                                    // asked for
    return line;
  };
  return done ? add(shared_.status, read_status) : std::move(done);
}

void Service::read_anew() {
  shared_.metrics->forget();
  shared_.status->forget();
}

// Whoever may change something always gets what is so now, and what the others share is not older.
std::string Service::answer_line(control::Request request, const common::Client& client) {
  if (!client.may_change && request == control::Request::status) {
    return *shared_.status->get();
  }
  std::string line = common::json_line(answer(request, client));
  if (client.may_change) {
    read_anew();
    common::release_free_memory();  // what told of 10,000 peers leaves megabytes
  }
  return line;
}

control::Json Service::answer(control::Request request, const common::Client& client) {
  const bool is_link = client.user && client.user == callers_.link && control::is_for_link(request);
  if (control::needs_right(request) && !client.may_change && !is_link) {
    return common::error_json(Error(ErrorCode::permission, common::refusal(callers_.rights, kGroup)));
  }
  switch (request) {
    case control::Request::reload:
      return reload();
    case control::Request::down:
      return down();
    case control::Request::drain:
      return drain();
    case control::Request::rotate_key:
      return rotate_key(is_link && !client.may_change);
    case control::Request::prepare_key:
      return prepare_key();
    case control::Request::rules:
      return rules();
    case control::Request::take_state:
      return take_state();
    case control::Request::confirm_state:
      return confirm_state();
    case control::Request::endpoints:
      return endpoints();
    case control::Request::allow_older:
      return allow_older();
    case control::Request::status:
      break;
  }
  return status();
}

control::Json Service::reload() {
  auto applied = enforcer_.reload();
  read_anew();
  if (!applied) {
    log_.error("reload refused, revision " + fmt::format("{}", enforcer_.last().revision) + " stays in force:\n" +
               applied.error().text());
    return common::error_json(applied.error());
  }
  log_.info(
      fmt::format("reloaded: revision {}, {} rules, {} peers", applied->revision, applied->rules, applied->peers));
  follow_plan();
  return control::applied_json(*applied);
}

void Service::follow_plan() {
  warn();
  upkeep_.follow_clock();
  keep_endpoints();
  upkeep_.on_files();
}

control::Json Service::take_state() {
  const std::uint64_t before = enforcer_.last().revision;
  auto applied = enforcer_.take_state();
  read_anew();
  common::release_free_memory();
  if (!applied) {
    log_.error(fmt::format("refused a state from the network, revision {} stays in force: {}", before,
                           applied.error().text()));
    return common::error_json(applied.error());
  }
  if (applied->revision != before || applied->changes.any()) {
    log_.info(fmt::format("took a state from the network: hosts {}, policy {}; revision {}, {} rules, {} peers",
                          enforcer_.network()->hosts_revision, enforcer_.network()->policy_revision, applied->revision,
                          applied->rules, applied->peers));
  }
  follow_plan();
  control::Json json = control::applied_json(*applied);
  json["network"] = control::network_json(*enforcer_.network());
  return json;
}

control::Json Service::confirm_state() {
  if (auto confirmed = enforcer_.confirm_state(); !confirmed) {
    log_.error("the lease is not renewed: " + confirmed.error().text());
    return common::error_json(confirmed.error());
  }
  read_anew();
  return {{"version", control::kProtocolVersion}, {"network", control::network_json(*enforcer_.network())}};
}

control::Json Service::endpoints() {
  auto state = enforcer_.state();
  return state ? control::endpoints_json(*state) : common::error_json(state.error());
}

control::Json Service::allow_older() {
  enforcer_.allow_older();
  log_.warning("the next state from the network may be older than what this host has seen");
  return {{"version", control::kProtocolVersion}, {"interface", enforcer_.interface()}};
}

control::Json Service::status() {
  auto state = enforcer_.state();
  if (!state) {
    log_.error("status: " + state.error().text());
    return common::error_json(state.error());
  }
  endpoints_.annotate(*state);
  if (auto fault = metrics_ == nullptr ? std::nullopt : metrics_->fault()) {
    state->faults.push_back(std::move(*fault));
  }
  return control::status_json(*state, enforcer_.policy(), {enforcer_.source_file(), ::getpid(), ::time(nullptr)});
}

control::Json Service::rules() {
  auto rules = enforcer_.rules();
  if (!rules) {
    log_.error("rules: " + rules.error().text());
    return common::error_json(rules.error());
  }
  return control::rules_json(*rules, enforcer_.policy());
}

void Service::on_clock_set(common::ClockWatch& clock) {
  auto set = clock.was_set();
  if (!set) {
    log_.error(set.error().text());
    return;
  }
  if (!*set) {
    return;
  }
  log_.info("the clock was set");
  upkeep_.follow_clock();
  enforcer_.remember_time();
  warn();
}

// Of an interface that something else manages the endpoints are not ours to set.
void Service::keep_endpoints() {
  if (!enforcer_.options().guarded_interface) {
    endpoints_.configured(enforcer_.interface(), enforcer_.mesh());
  }
}

void Service::warn() {
  for (const common::Diagnostic& finding : enforcer_.last().warnings) {
    log_.warning(finding.text());
  }
}

control::Json Service::down() {
  if (auto removed = enforcer_.remove(); !removed) {
    log_.error("down: " + removed.error().text());
    return common::error_json(removed.error());
  }
  log_.info(fmt::format("down: {} is no longer guarded", enforcer_.interface()));
  loop_.stop();
  return {{"version", control::kProtocolVersion}, {"interface", enforcer_.interface()}};
}

control::Json Service::prepare_key() {
  const auto keys = enforcer_.prepare_key();
  if (!keys) {
    log_.error("the next key: " + keys.error().text());
    return common::error_json(keys.error());
  }
  return {{"version", control::kProtocolVersion},
          {"public_key", model::key_text(keys->key)},
          {"next_public_key", model::key_text(keys->next)}};
}

// krait-link may not cut this host off from its peers.
control::Json Service::rotate_key(bool only_announced) {
  if (auto announced = only_announced ? enforcer_.check_announced() : Result<void>(); !announced) {
    log_.error("key rotate: " + announced.error().text());
    return common::error_json(announced.error());
  }
  auto key = enforcer_.rotate_key();
  if (!key) {
    log_.error("key rotate: " + key.error().text());
    return common::error_json(key.error());
  }
  const std::string text = model::key_text(*key);
  log_.info("the key is now the one whose public key is " + text);
  return {{"version", control::kProtocolVersion}, {"interface", enforcer_.interface()}, {"public_key", text}};
}

control::Json Service::drain() {
  if (auto drained = enforcer_.drain(); !drained) {
    log_.error("down: " + drained.error().text());
    return common::error_json(drained.error());
  }
  log_.info(fmt::format("down: everything on {} is denied", enforcer_.interface()));
  loop_.stop();
  return {
      {"version", control::kProtocolVersion}, {"interface", enforcer_.interface()}, {"managed", enforcer_.managed()}};
}

std::string started_text(const enforce::Enforcer& enforcer) {
  const control::Applied& applied = enforcer.last();
  return fmt::format("krait {} {} {}: revision {}, {} rules, {} identities, {} peers configured", control::kVersion,
                     enforcer.options().guarded_interface ? "guards" : "runs", enforcer.interface(), applied.revision,
                     applied.rules, applied.identities, applied.peers);
}

// Without the databases of users and groups only root and the agent's own user may change anything.
Service::Callers callers_of(common::Log& log) {
  auto rights = common::Rights::look_up(kGroup);
  if (!rights) {
    log.warning("only root may change anything here: " + rights.error().text());
  }
  auto link = common::look_up_user(kLinkUser);
  return {.rights = rights ? *rights : common::Rights{.own_user = ::geteuid(), .group = {}},
          .link = link ? *link : std::nullopt};
}

}  // namespace

Result<void> run_agent(const AgentOptions& options, common::Log& log) {
  // Where the lock of the interface is, and the pins are.
  const std::string in_run_directory = fmt::format("{}/", rundir::kRunDirectory);
  KRAIT_CHECK(common::make_own_directory_of(in_run_directory, rundir::folder_hint(in_run_directory)));
  common::map_large_blocks();
  auto loop = common::Loop::create();
  auto control = common::ControlSocket::listen(options.socket_path, rundir::folder_hint(options.socket_path));
  auto clock = common::ClockWatch::create();
  if (!loop || !control || !clock) {
    return !loop ? loop.error() : !control ? control.error() : clock.error();
  }
  KRAIT_TRY(auto enforcer, enforce::Enforcer::start(options.enforcer));
  const Service::Callers callers = callers_of(log);
  KRAIT_TRY(auto endpoints, keeper::EndpointKeeper::create(**loop, log));
  KRAIT_TRY(auto upkeep, keeper::Upkeep::start(**loop, enforcer, *endpoints, log));
  Service service(enforcer, {*endpoints, *upkeep}, **loop, log, callers);
  KRAIT_CHECK(service.share());
  auto signals =
      common::Signals::receive(**loop, {SIGHUP, SIGTERM, SIGINT}, [&](int number) { service.on_signal(number); });
  auto control_server = common::StreamServer::serve(
      **loop, control->take(),
      [&](std::string_view input, const common::Client& client) { return service.on_control(input, client); },
      callers.rights);
  auto metrics = MetricsServer::start(**loop, log, options.metrics, [&](std::string_view input, const common::Client&) {
    return service.on_http(input);
  });
  auto clock_watched = (*loop)->add(clock->fd(), EPOLLIN, [&](std::uint32_t) { service.on_clock_set(*clock); });
  if (!signals || !control_server || !metrics || !clock_watched) {
    return !signals          ? signals.error()
           : !control_server ? control_server.error()
           : !metrics        ? metrics.error()
                             : clock_watched.error();
  }
  service.watch(**metrics);
  common::release_free_memory();
  log.info(started_text(enforcer));
  service.warn();
  upkeep->follow_clock();
  service.keep_endpoints();
  common::notify_ready("the policy is in force");
  auto ended = (*loop)->run();
  enforcer.remember_time();
  return ended;
}

}  // namespace krait::agent
