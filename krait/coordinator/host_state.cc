#include "krait/coordinator/host_state.h"

#include <fmt/format.h>

namespace krait::coordinator {

using common::Json;

namespace {

std::string online_text(const Json& host) {
  const std::string failure = common::text_at(host, "failure");
  const auto enforced = common::find_number(host, "enforced");
  const auto sent = common::find_number(host, "sent");
  if (!failure.empty()) {
    return fmt::format("online, does not enforce {}: {}", sent ? fmt::format("revision {}", *sent) : "what it has",
                       failure);
  }
  return enforced ? fmt::format("online, enforces revision {}", *enforced)
                  : "online, has not said yet what it enforces";
}

}  // namespace

bool takes_part(const Json& host) {
  return !common::truth_at(host, "left") && !common::truth_at(host, "waits_for_approval");
}

std::string state_text(const Json& host) {
  if (!takes_part(host)) {
    return common::truth_at(host, "left") ? "has left; strike it off with host remove" : "waits for host approve";
  }
  const std::string places = common::text_at(host, "copied");
  return (common::truth_at(host, "online") ? online_text(host) : "offline") +
         (places.empty() ? "" : fmt::format("; two machines have its key: {}", places));
}

}  // namespace krait::coordinator
