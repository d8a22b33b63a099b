#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/ip.h"
#include "krait/agent/client.h"
#include "krait/cli/command.h"
#include "krait/datapath/bpffs.h"
#include "krait/datapath/events.h"

namespace krait::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct Flags {
  std::string socket = agent::kDefaultSocket;
  bool follow = false;
};

// The words for the numbers in events, as the agent knows them now.
class Names {
 public:
  explicit Names(const Json& rules) : file_(rules.value("policy", "")) {
    for (const Json& identity : rules.value("identities", Json::array())) {
      identities_[identity.value("tag", 0U)] = identity.value("name", "");
    }
    for (const Json& rule : rules.value("rules", Json::array())) {
      rules_[rule.value("number", 0U)] = {rule.value("rule", ""), rule.value("line", 0U)};
    }
  }

  [[nodiscard]] Json identity(std::uint32_t tag) const {
    const auto found = identities_.find(tag);
    return tag == 0 ? Json() : found != identities_.end() ? Json(found->second) : Json(fmt::format("tag:{}", tag));
  }
  // The rule's name and place; nulls when no rule decided, or one that is gone.
  void add_rule(std::uint32_t number_plus_1, Json& json) const {
    const auto found = rules_.find(number_plus_1 - 1);
    const bool known = number_plus_1 != 0 && found != rules_.end();
    json["rule"] = known ? Json(found->second.name) : Json();
    json["file"] = known ? Json(file_) : Json();
    json["line"] = known ? Json(found->second.line) : Json();
  }

 private:
  struct Rule {
    std::string name;
    std::uint32_t line = 0;
  };
  std::string file_;
  std::map<std::uint32_t, std::string> identities_;
  std::map<std::uint32_t, Rule> rules_;
};

std::string address_text(const std::uint32_t* mapped_be) {
  const bool v4 = mapped_be[0] == 0 && mapped_be[1] == 0 && mapped_be[2] == htonl(0xffff);
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? mapped_be + 3 : mapped_be, text, sizeof(text));
  return text;
}

std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_ICMPV6:
      return "icmpv6";
    default:
      return fmt::format("proto/{}", protocol);
  }
}

std::string time_text(std::uint64_t boot_ns, const common::Moment& now) {
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  const std::int64_t unix_ns = now.unix_ns - static_cast<std::int64_t>(now.boot_ns - boot_ns);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(unix_ns / kNsPerS)),
                     unix_ns % kNsPerS / 1'000'000);
}

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

Json json_of(const krait_event& event, const Names& names) {
  Json json{{"time", time_text(event.boot_ns, common::now())}};
  json["verdict"] = event.reason == KRAIT_ALLOWED ? "allow" : "drop";
  json["reason"] = event.reason == KRAIT_ALLOWED ? Json() : Json(agent::reason_label(event.reason));
  json["direction"] = event.direction == KRAIT_EGRESS ? "egress" : "ingress";
  json["from"] = names.identity(event.source_tag);
  json["to"] = names.identity(event.destination_tag);
  json["source"] = address_text(event.source_be);
  json["destination"] = address_text(event.destination_be);
  json["protocol"] = protocol_text(event.protocol);
  const bool ports = has_ports(event.protocol);
  const bool icmp = event.protocol == IPPROTO_ICMP || event.protocol == IPPROTO_ICMPV6;
  json["source_port"] = ports ? Json(ntohs(event.source_port_be)) : Json();
  json["destination_port"] = ports ? Json(ntohs(event.destination_port_be)) : Json();
  json["icmp_type"] = icmp ? Json(event.icmp_type) : Json();
  json["bytes"] = event.bytes;
  names.add_rule(event.rule, json);
  json["suppressed"] = event.suppressed;
  return json;
}

std::string end_text(const Json& json, const char* name, const char* address, const char* port) {
  const std::string who = json[name].is_null() ? "unknown" : json[name].get<std::string>();
  const std::string where = json[address].get<std::string>();
  return json[port].is_null() ? fmt::format("{} ({})", who, where)
                              : fmt::format("{} ({} {})", who, where, json[port].dump());
}

std::string text_of(const Json& json) {
  std::string text = fmt::format(
      "{}  {:<5}  {:<7}  {}{}  {} -> {}", json["time"].get<std::string>(), json["verdict"].get<std::string>(),
      json["direction"].get<std::string>(), json["protocol"].get<std::string>(),
      json["icmp_type"].is_null() ? "" : " type " + json["icmp_type"].dump(),
      end_text(json, "from", "source", "source_port"), end_text(json, "to", "destination", "destination_port"));
  if (!json["reason"].is_null()) {
    text += "  " + json["reason"].get<std::string>();
  }
  if (!json["rule"].is_null()) {
    text += fmt::format("  by rule \"{}\" ({}:{})", json["rule"].get<std::string>(), json["file"].get<std::string>(),
                        json["line"].dump());
  }
  if (json["suppressed"] != 0) {
    text += fmt::format("  ({} more like it not shown)", json["suppressed"].dump());
  }
  return text;
}

// Packets may be reported that a policy judged which has come into force since.
class Reporter {
 public:
  Reporter(std::string socket, Json rules) : socket_(std::move(socket)), names_(rules), revision_(rules["revision"]) {}

  void report(const std::vector<krait_event>& events, Output& output) {
    if (events.empty()) {
      return;
    }
    if (auto rules = agent::ask(socket_, agent::Request::rules); rules && (*rules)["revision"] != revision_) {
      names_ = Names(*rules);
      revision_ = (*rules)["revision"];
    }
    for (const krait_event& event : events) {
      const Json json = json_of(event, names_);
      output.report(output.json() ? "" : text_of(json), json);
    }
  }

 private:
  std::string socket_;
  Names names_;
  Json revision_;
};

Result<void> events(const Flags& flags, Output& output) {
  auto rules = agent::ask(flags.socket, agent::Request::rules);
  if (!rules) {
    return rules.error();
  }
  auto reader = datapath::EventReader::open(datapath::kBpffs, rules->value("interface", ""));
  if (!reader) {
    return reader.error();
  }
  Reporter reporter(flags.socket, std::move(*rules));
  do {
    auto read = reader->read(flags.follow ? -1 : 0);
    if (!read) {
      return read.error();
    }
    reporter.report(*read, output);
    if (!output.finish()) {
      return Error(ErrorCode::system, "nobody reads the events any more");
    }
  } while (flags.follow);
  return {};
}

}  // namespace

void add_events(Shell& shell) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = shell.command(
      "events", "Show dropped packets, and what rules with log = true opened",
      "A sample: at most 16 a second for each drop reason and CPU. Each is shown once, the oldest that the\n"
      "kernel still has first. Needs root.\n"
      "Example:  sudo krait events --follow");
  command.add_flag("-f,--follow", flags->follow, "Go on until interrupted");
  add_socket_flag(command, flags->socket);
  shell.on(command, [flags](Output& output) { return events(*flags, output); });
}

}  // namespace krait::cli
