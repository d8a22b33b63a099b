#include "krait/cli/answers.h"

#include <fmt/format.h>

#include <iterator>

#include "common/calendar.h"

namespace krait::cli {

using common::find_number;
using common::list_at;
using common::number_at;
using common::object_at;
using common::text_at;

namespace {

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string endpoint_text(const Json& peer) {
  const std::string name = text_at(peer, "endpoint_name");
  const std::string failure = text_at(peer, "endpoint_failure");
  std::string text = text_at(peer, "endpoint", "no endpoint");
  if (!name.empty()) {
    text += failure.empty() ? fmt::format(" ({})", name) : fmt::format(" ({}: {})", name, failure);
  }
  return text;
}

std::string peer_text(const Json& peer) {
  const std::string handshake = !find_number(peer, "handshake_age_s")
                                    ? "no handshake yet"
                                    : fmt::format("handshake {} s ago", number_at(peer, "handshake_age_s"));
  const Json* next = common::find_member(peer, "next_key");
  const char* key = next != nullptr && *next == true ? ", next key" : "";
  return fmt::format("  {}{} ({})  {}  {}, {} received, {} sent\n", text_at(peer, "name", "not configured"), key,
                     text_at(peer, "identity", text_at(peer, "public_key")), endpoint_text(peer), handshake,
                     bytes_text(number_at(peer, "received_bytes")), bytes_text(number_at(peer, "sent_bytes")));
}

std::string expiry_text(const Json& rule) {
  const auto left_s = find_number(rule, "expires_in_s");
  if (!left_s) {
    return "";
  }
  if (*left_s == 0) {
    return "  expired";
  }
  return *left_s < 60 ? fmt::format("  expires in {} s", *left_s)
                      : fmt::format("  expires in {} h {} min", *left_s / 3600, *left_s / 60 % 60);
}

std::string day_text(std::uint64_t unix_s) { return common::utc_text(unix_s, "%Y-%m-%d %H:%M UTC"); }

// Only where the clock is not gone by.
std::string clock_text(const Json& clock) {
  constexpr std::uint64_t kCorrectionS = 3600;
  if (number_at(clock, "behind_s") <= kCorrectionS) {
    return "";
  }
  return fmt::format("clock: {}, but it has been {}, by which rules end\n", day_text(number_at(clock, "time_s")),
                     day_text(number_at(clock, "known_time_s")));
}

// A line for each.
std::string faults_text(const Json& answer) {
  std::string text;
  for (const Json& fault : list_at(answer, "faults")) {
    const std::string hint = text_at(fault, "hint");
    text += fmt::format("fault: {}{}{}\n", text_at(fault, "what", "?"), hint.empty() ? "" : "; ", hint);
  }
  return text;
}

// Of a host that has joined one.
std::string network_text(const Json& network) {
  if (network.empty()) {
    return "";
  }
  std::string text =
      fmt::format("network: {}, hosts of revision {}, policy of revision {}\n", text_at(network, "id", "?"),
                  number_at(network, "hosts_revision"), number_at(network, "policy_revision"));
  if (const std::uint64_t lease_s = number_at(network, "lease_s"); lease_s != 0) {
    const auto confirmed_s = common::find_number(network, "confirmed_s");
    text += fmt::format("lease: {} s, {}\n", lease_s,
                        confirmed_s ? "confirmed " + day_text(*confirmed_s) : std::string("never confirmed"));
  }
  if (const auto found = network.find("preshared_keys"); found != network.end() && *found == true) {
    text += "preshared keys: one for each pair of hosts\n";
  }
  if (const std::string refused = text_at(network, "refused"); !refused.empty()) {
    text += fmt::format("refused: {}\n", refused);
  }
  return text;
}

}  // namespace

std::string status_text(const Json& status) {
  const Json& agent = object_at(status, "agent");
  std::string text =
      fmt::format("{}: {} by krait-agent {} (pid {}), {} attachment\n", text_at(status, "interface", "?"),
                  text_at(agent, "mode") == "guard" ? "guarded" : "managed", text_at(agent, "version", "?"),
                  number_at(agent, "pid"), text_at(status, "attachment", "no"));
  text += fmt::format("stage: {}\n", text_at(status, "stage", "?"));
  text += faults_text(status);
  text += clock_text(object_at(status, "clock"));
  text += network_text(object_at(status, "network"));
  text += fmt::format("policy: revision {}, {} rules, {} identities, from {}\n", number_at(status, "revision"),
                      number_at(status, "rules"), number_at(status, "identities"), text_at(status, "policy", "?"));
  text += fmt::format("public key: {}\n", text_at(status, "public_key", "none, this is no WireGuard interface"));
  const Json& peers = list_at(status, "peers");
  text += fmt::format("peers: {}\n", peers.size());
  for (const Json& peer : peers) {
    text += peer_text(peer);
  }
  const Json& packets = object_at(status, "packets");
  text += fmt::format("packets: {} allowed, {} dropped", number_at(packets, "allowed"), number_at(packets, "dropped"));
  const Json& drops = object_at(status, "drops");
  for (const auto& [reason, count] : drops.items()) {
    if (count != 0) {
      text += fmt::format("\n  {}: {}", reason, number_at(drops, reason.c_str()));
    }
  }
  return text;
}

std::string rules_text(const Json& rules) {
  const std::string file = text_at(rules, "policy", "?");
  std::string text = fmt::format("{:>12}  {:>14}  rule", "packets", "bytes");
  for (const Json& rule : list_at(rules, "rules")) {
    text += fmt::format("\n{:>12}  {:>14}  {} \"{}\"  {}:{}{}", number_at(rule, "packets"), number_at(rule, "bytes"),
                        text_at(rule, "action", "?"), text_at(rule, "rule", "?"), file, number_at(rule, "line"),
                        expiry_text(rule));
  }
  return text;
}

std::string reload_text(const Json& applied) {
  const Json& changes = object_at(applied, "changes");
  return faults_text(applied) +
         fmt::format("reloaded: revision {}, {} rules, {} identities; peers {} added, {} changed, {} removed",
                     number_at(applied, "revision"), number_at(applied, "rules"), number_at(applied, "identities"),
                     number_at(changes, "peers_added"), number_at(changes, "peers_changed"),
                     number_at(changes, "peers_removed"));
}

}  // namespace krait::cli
