#include <fmt/format.h>

#include <memory>
#include <string>

#include "krait/agent/client.h"
#include "krait/cli/command.h"

namespace krait::cli {

using common::Result;

namespace {

std::string text_at(const Json& json, const char* key, const char* otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::uint64_t number_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

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
  const std::string name = text_at(peer, "endpoint_name", "");
  const std::string failure = text_at(peer, "endpoint_failure", "");
  std::string text = text_at(peer, "endpoint", "no endpoint");
  if (!name.empty()) {
    text += failure.empty() ? fmt::format(" ({})", name) : fmt::format(" ({}: {})", name, failure);
  }
  return text;
}

std::string peer_text(const Json& peer) {
  const std::string handshake = peer.value("handshake_age_s", Json()).is_null()
                                    ? "no handshake yet"
                                    : fmt::format("handshake {} s ago", number_at(peer, "handshake_age_s"));
  return fmt::format("  {} ({})  {}  {}, {} received, {} sent\n", text_at(peer, "name", "not configured"),
                     text_at(peer, "identity", text_at(peer, "public_key", "").c_str()), endpoint_text(peer), handshake,
                     bytes_text(number_at(peer, "received_bytes")), bytes_text(number_at(peer, "sent_bytes")));
}

std::string status_text(const Json& status) {
  const Json agent = status.value("agent", Json::object());
  std::string text =
      fmt::format("{}: {} by krait-agent {} (pid {}), {} attachment\n", text_at(status, "interface", "?"),
                  text_at(agent, "mode", "") == "guard" ? "guarded" : "managed", text_at(agent, "version", "?"),
                  number_at(agent, "pid"), text_at(status, "attachment", "no"));
  text += fmt::format("policy: revision {}, {} rules, {} identities, from {}\n", number_at(status, "revision"),
                      number_at(status, "rules"), number_at(status, "identities"), text_at(status, "policy", "?"));
  text += fmt::format("public key: {}\n", text_at(status, "public_key", "none, this is no WireGuard interface"));
  const Json peers = status.value("peers", Json::array());
  text += fmt::format("peers: {}\n", peers.size());
  for (const Json& peer : peers) {
    text += peer_text(peer);
  }
  const Json packets = status.value("packets", Json::object());
  text += fmt::format("packets: {} allowed, {} dropped", number_at(packets, "allowed"), number_at(packets, "dropped"));
  const Json drops = status.value("drops", Json::object());
  for (const auto& [reason, count] : drops.items()) {
    if (count != 0) {
      text += fmt::format("\n  {}: {}", reason, number_at(drops, reason.c_str()));
    }
  }
  return text;
}

Result<void> status(const std::string& socket, Output& output) {
  auto answer = agent::ask(socket, agent::Request::status);
  if (!answer) {
    return answer.error().code() == common::ErrorCode::unavailable
               ? common::passed_on(answer, "ask for the status (what an agent put in force stays so without it)")
               : answer.error();
  }
  output.report(status_text(*answer), *answer);
  return {};
}

Result<void> reload(const std::string& socket, Output& output) {
  auto answer = agent::ask(socket, agent::Request::reload);
  if (!answer) {
    return answer.error();
  }
  const Json changes = answer->value("changes", Json::object());
  output.warn(agent::findings_from_json(answer->value("warnings", Json::array())));
  output.report(fmt::format("reloaded: revision {}, {} rules, {} identities; peers {} added, {} changed, {} removed",
                            number_at(*answer, "revision"), number_at(*answer, "rules"),
                            number_at(*answer, "identities"), number_at(changes, "peers_added"),
                            number_at(changes, "peers_changed"), number_at(changes, "peers_removed")),
                *answer);
  return {};
}

}  // namespace

void add_status(Shell& shell) {
  auto socket = std::make_shared<std::string>(agent::kDefaultSocket);
  CLI::App& command = shell.command("status", "Show what is in force: interface, policy, peers, drops",
                                    "Example:  krait status -o json");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return status(*socket, output); });
}

void add_reload(Shell& shell) {
  auto socket = std::make_shared<std::string>(agent::kDefaultSocket);
  CLI::App& command =
      shell.command("reload", "Put edited files in force",
                    "Returns when they are. What stays allowed loses no packet, and a wrong file changes nothing.\n"
                    "Example:  sudo krait reload");
  add_socket_flag(command, *socket);
  shell.on(command, [socket](Output& output) { return reload(*socket, output); });
}

}  // namespace krait::cli
