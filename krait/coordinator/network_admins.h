// Administrators over the network: connections at the hosts' port whose key is one of the signed list of
// administrators.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "krait/coordinator/admin.h"
#include "krait/coordinator/service.h"
#include "krait/wire/connection.h"

namespace krait::coordinator {

// Whose TLS key it is; nullptr: no administrator's of the list.
const trust::Administrator* administrator_of(const trust::AdminList& list, const wire::KeyHash& key);

// Single-threaded; service and admin outlive it. Who is on the list, and with which role, is asked again for each
// request.
class NetworkAdmins {
 public:
  // `on_asked`: is called after each request.
  NetworkAdmins(Service& service, Admin& admin, std::function<void()> on_asked);
  NetworkAdmins(const NetworkAdmins&) = delete;
  NetworkAdmins& operator=(const NetworkAdmins&) = delete;
  ~NetworkAdmins();

  [[nodiscard]] const trust::Administrator* find(const wire::KeyHash& key) const;
  // One whose key find() knows. Of somebody with too many connections the oldest ends.
  void admit(std::unique_ptr<wire::Connection> connection);
  // After a change: ends the connections of those who are not on the list any more.
  void look_for_struck_off();

 private:
  class Session;
  void handle(Session& session, std::string_view bytes);
  void forget(std::uint64_t id);

  Service& service_;
  Admin& admin_;
  std::function<void()> on_asked_;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;  // the oldest first
  std::uint64_t next_ = 1;
};

}  // namespace krait::coordinator
