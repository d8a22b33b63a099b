// What administrators ask: one JSON object each way, {"request":NAME, ...} and {"version":1, ...}; request.h
// says what the members are. What changes anything that hosts verify comes signed by an administrator's key already.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/event/loop.h"
#include "common/event/timer.h"
#include "common/json.h"
#include "common/result.h"
#include "krait/coordinator/service.h"
#include "krait/records/store.h"

namespace krait::coordinator {

using common::Json;

// What somebody may ask for; each includes the ones before it.
enum class Role : std::uint8_t { none, read, policy, admin };

Role role_of(trust::Role role);

struct Asker {
  std::string who;  // for the audit: "user 0", "administrator alice"
  Role role = Role::none;
  bool local = true;  // over the Unix socket
};

class Admin {
 public:
  using Reply = std::function<void(std::string answer)>;

  // All outlive it.
  Admin(common::Loop& loop, Service& service, records::Store& store, const Clock& clock, std::string server_key);

  // Answers at once, or when hosts enforce what was asked for. The reply is called once, also when whoever asked has
  // gone.
  void handle(std::string_view request, const Asker& asker, Reply reply);

 private:
  using Handler = common::Result<Json> (Admin::*)(const Json& request, const Asker& asker);
  struct Command;
  static const std::map<std::string, Command, std::less<>>& commands();

  static Json fresh_answer();
  common::Result<Json> status(const Json& request, const Asker& asker);
  common::Result<Json> authority(const Json& request, const Asker& asker);
  common::Result<Json> hosts(const Json& request, const Asker& asker);
  common::Result<Json> edit_hosts(const Json& request, const Asker& asker);
  common::Result<Json> tokens(const Json& request, const Asker& asker);
  common::Result<Json> add_token(const Json& request, const Asker& asker);
  common::Result<Json> policies(const Json& request, const Asker& asker);
  common::Result<Json> policy(const Json& request, const Asker& asker);
  common::Result<Json> apply_policy(const Json& request, const Asker& asker);
  [[nodiscard]] common::Result<std::string> text_in(const Json& request) const;
  common::Result<Json> change_admins(const Json& request, const Asker& asker);
  common::Result<Json> audit(const Json& request, const Asker& asker);
  common::Result<Json> verify_audit(const Json& request, const Asker& asker);
  common::Result<Json> settings(const Json& request, const Asker& asker);
  common::Result<Json> set_settings(const Json& request, const Asker& asker);
  common::Result<Json> rotate_keys(const Json& request, const Asker& asker);
  common::Result<Json> backup(const Json& request, const Asker& asker);
  common::Result<Json> await(const Json& request, const Asker& asker);
  void name_coordinators(Json& answer) const;
  [[nodiscard]] Json host_json(const fleet::Host& host) const;
  void reply_when_enforced(Json answer, const Json& request, Reply reply);

  // One that waits until hosts enforce a revision.
  struct Waiting {
    Json answer;
    Reply reply;
    Service::WaitId wait = 0;
    common::Timer timer;
  };
  void finish(std::uint64_t id, const Spread& spread, bool in_time);

  common::Loop& loop_;
  Service& service_;
  records::Store& store_;
  const Clock& clock_;
  std::string server_key_;
  std::string name_;  // drawn at random: several coordinators are told apart by it
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t next_waiting_ = 1;
};

}  // namespace krait::coordinator
