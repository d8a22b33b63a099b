#include "krait/coordinator/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/answer.h"
#include "common/file.h"
#include "krait/coordinator/request.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::number_at;
using common::Result;
using common::text_at;

namespace {

constexpr std::uint64_t kMaxWaitMs = 600'000;
constexpr std::size_t kMaxWaiting = 256;

Json spread_json(const Spread& spread, bool in_time) {
  Json failing = Json::array();
  for (const auto& [host, why] : spread.failing) {
    failing.push_back({{"host", host}, {"why", why}});
  }
  return {{"concerned", spread.concerned},
          {"enforcing", spread.enforcing},
          {"last_ms", static_cast<double>(spread.last_us) / 1000.0},
          {"in_time", in_time},
          {"failing", std::move(failing)}};
}

Result<void> check_role(const Asker& asker, Role needed, bool local_only) {
  if (asker.role >= needed && (asker.local || !local_only)) {
    return {};
  }
  if (asker.role >= needed) {
    return Error(ErrorCode::permission, "that is for the coordinator's own machine: it writes a file there");
  }
  if (!asker.local) {
    return Error(ErrorCode::permission, fmt::format("{} may not do that: it takes the role {}", asker.who,
                                                    needed == Role::admin ? "admin" : "policy"));
  }
  return Error(ErrorCode::permission,
               needed == Role::read     ? "only root and the members of the groups krait-coordinator, "
                                          "krait-coordinator-policy and krait-coordinator-read may ask"
               : needed == Role::policy ? "only root and the members of the groups krait-coordinator and "
                                          "krait-coordinator-policy may change the policy"
                                        : "only root and the members of the group krait-coordinator may change that");
}

}  // namespace

Role role_of(trust::Role role) {
  switch (role) {
    case trust::Role::admin:
      return Role::admin;
    case trust::Role::policy:
      return Role::policy;
    case trust::Role::read:
      return Role::read;
  }
  return Role::none;
}

struct Admin::Command {
  Handler handler;
  Role role;
  bool local_only = false;
  bool waits = role != Role::read;  // where it is asked to, until hosts enforce what there is then
};

Admin::Admin(common::Loop& loop, Service& service, records::Store& store, const Clock& clock, std::string server_key)
    : loop_(loop),
      service_(service),
      store_(store),
      clock_(clock),
      server_key_(std::move(server_key)),
      name_(common::read_file("/proc/sys/kernel/random/uuid", 64).value_or("").substr(0, 36)) {}

const std::map<std::string, Admin::Command, std::less<>>& Admin::commands() {
  static const std::map<std::string, Command, std::less<>> kCommands{
      {"status", {&Admin::status, Role::read}},
      {"authority", {&Admin::authority, Role::read}},
      {"hosts", {&Admin::hosts, Role::read}},
      {"hosts_edit", {&Admin::edit_hosts, Role::admin}},
      {"tokens", {&Admin::tokens, Role::read}},
      {"token_add", {&Admin::add_token, Role::admin}},
      {"policies", {&Admin::policies, Role::read}},
      {"policy", {&Admin::policy, Role::read}},
      {"policy_apply", {&Admin::apply_policy, Role::policy}},
      {"admins_change", {&Admin::change_admins, Role::admin}},
      {"audit", {&Admin::audit, Role::read}},
      {"audit_verify", {&Admin::verify_audit, Role::read}},
      {"settings", {&Admin::settings, Role::read}},
      {"settings_set", {&Admin::set_settings, Role::admin}},
      {"rotate_keys", {&Admin::rotate_keys, Role::admin}},
      {"backup", {&Admin::backup, Role::admin, true}},
      {"await", {.handler = &Admin::await, .role = Role::read, .waits = true}},
  };
  return kCommands;
}

Json Admin::fresh_answer() { return Json{{"version", common::kAnswerVersion}}; }

void Admin::handle(std::string_view request, const Asker& asker, Reply reply) {
  const auto json = common::parse_json_object(request);
  const auto found = commands().find(json ? text_at(*json, "request") : "");
  const auto failed = [&](const Error& error) { reply(common::json_line(common::error_json(error))); };
  if (!json || found == commands().end()) {
    failed(Error(ErrorCode::invalid_input, "the coordinator knows no such request; is it older than this program?"));
    return;
  }
  if (const auto well_formed = check_members(*json); !well_formed) {
    failed(well_formed.error());
    return;
  }
  if (const auto allowed = check_role(asker, found->second.role, found->second.local_only); !allowed) {
    failed(allowed.error());
    return;
  }
  auto done = (this->*found->second.handler)(*json, asker);
  if (!done) {
    failed(done.error());
  } else if (common::truth_at(*json, "wait") && found->second.waits) {
    reply_when_enforced(*std::move(done), *json, std::move(reply));
  } else {
    reply(common::json_line(*done));
  }
}

void Admin::reply_when_enforced(Json answer, const Json& request, Reply reply) {
  const std::uint64_t id = next_waiting_++;
  const bool has_room = waiting_.size() < kMaxWaiting;  // each takes a descriptor, whoever asks
  Waiting& waiting = waiting_[id];
  waiting.answer = std::move(answer);
  waiting.reply = std::move(reply);
  auto timer = common::Timer::create(loop_, [this, id] {
    const auto found = waiting_.find(id);
    if (found != waiting_.end()) {
      finish(id, service_.give_up(found->second.wait), false);
    }
  });
  if (timer) {
    waiting.timer = *std::move(timer);
    waiting.timer.after(std::chrono::milliseconds(std::min(number_at(request, "timeout_ms"), kMaxWaitMs)));
  }
  const auto wait = service_.wait([this, id](const Spread& spread) { finish(id, spread, true); });
  if (const auto found = waiting_.find(id); found != waiting_.end()) {
    found->second.wait = wait;
    if (!timer || !has_room) {
      finish(id, service_.give_up(wait), false);
    }
  }
}

void Admin::finish(std::uint64_t id, const Spread& spread, bool in_time) {
  auto waiting = waiting_.extract(id);
  waiting.mapped().answer["spread"] = spread_json(spread, in_time);
  name_coordinators(waiting.mapped().answer);
  waiting.mapped().reply(common::json_line(waiting.mapped().answer));
}

// Where there may be several: each knows which hosts are connected with itself, and nothing of the others'.
void Admin::name_coordinators(Json& answer) const {
  answer["coordinator"] = name_;
  if (store_.database().is_shared()) {
    answer["server_key"] = server_key_;
    answer["coordinators"] = service_.network().settings().addresses;
  }
}

}  // namespace krait::coordinator
