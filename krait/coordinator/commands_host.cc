// krait-coordinator host
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "common/answer.h"
#include "common/cli/table.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"
#include "krait/coordinator/host_state.h"

namespace krait::coordinator {

using common::Error;
using common::Result;

namespace {

struct HostFlags : AdminFlags {
  std::string host;
  std::string value;
};

std::string addresses_text(const Json& host) {
  std::string text;
  for (const Json& address : common::list_at(host, "addresses")) {
    text += (text.empty() ? "" : ", ") + (address.is_string() ? address.get<std::string>() : "");
  }
  return text;
}

Result<void> list(const HostFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, all_hosts(flags));
  common::cli::Rows rows{{"NAME", "IDENTITY", "ADDRESSES", "STATE"}};
  for (const Json& host : common::list_at(answer, "hosts")) {
    rows.push_back(
        {common::text_at(host, "name"), common::text_at(host, "identity"), addresses_text(host), state_text(host)});
  }
  output.report(
      (rows.size() == 1 ? "no hosts; krait token create prints what they join with" : common::cli::table_text(rows)) +
          silent_text(common::list_at(answer, "silent")),
      answer);
  return {};
}

Result<void> show(const HostFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, all_hosts(flags, flags.host));
  const Json& hosts = common::list_at(answer, "hosts");
  const Json host = hosts.empty() ? Json::object() : hosts.front();
  std::string routes;
  for (const Json& route : common::list_at(host, "routes")) {
    routes += fmt::format("\n  route: {} is {}", common::text_at(route, "prefix"), common::text_at(route, "identity"));
  }
  output.report(
      fmt::format("{}: {}\n  identity: {}\n  addresses: {}\n  WireGuard's key: {}\n  endpoint: {}\n  vouched for "
                  "by: {}\n  joined: {}{}",
                  flags.host, state_text(host), common::text_at(host, "identity"), addresses_text(host),
                  common::text_at(host, "key"), common::text_at(host, "endpoint", "none"),
                  common::text_at(host, "signed_by"), time_text(common::number_at(host, "joined_s")), routes),
      answer);
  return {};
}

Result<void> order(const HostFlags& flags, const std::string& done, const MakeEdit& make, Output& output) {
  KRAIT_TRY(const auto timeout_s, duration_s(flags.timeout));
  KRAIT_TRY(
      const auto answer,
      edit_hosts({flags, flags.wait, static_cast<std::uint32_t>(std::min<std::int64_t>(timeout_s, 600) * 1000)}, make));
  const std::string spread = spread_text(answer, output);
  output.report(fmt::format("{}: revision {}{}{}", done, common::number_at(answer, "revision"),
                            spread.empty() ? "" : "\n", spread),
                answer);
  return {};
}

Result<void> remove(const HostFlags& flags, Output& output) {
  return order(
      flags, fmt::format("{} is removed", flags.host),
      [&](const Authority& authority) -> Result<fleet::HostsEdit> {
        fleet::HostsEdit edit{.remove = {flags.host}};
        if (const auto joined = authority.joined.find(flags.host); joined != authority.joined.end()) {
          edit.take_back.push_back(trust::joined_id(joined->second.host));
        }
        return edit;
      },
      output);
}

// Puts the host into the tree, as it is or changed.
Result<void> put(const HostFlags& flags, const std::string& what, Output& output,
                 const std::function<Result<void>(trust::HostBinding&)>& change) {
  return order(
      flags, what,
      [&](const Authority& authority) -> Result<fleet::HostsEdit> {
        KRAIT_TRY(auto binding, authority.binding(flags.host));
        KRAIT_CHECK(change(binding));
        fleet::HostsEdit edit{.put = {std::move(binding)}};
        // From now on the tree vouches for it alone: its token must not do so again once it has been removed there.
        if (const auto joined = authority.joined.find(flags.host); joined != authority.joined.end()) {
          edit.take_back.push_back(trust::joined_id(joined->second.host));
        }
        return edit;
      },
      output);
}

void add(Shell& shell, Command group, const char* name, const char* summary, const std::string& more,
         Result<void> (*act)(const HostFlags&, Output&), const char* value = nullptr) {
  auto flags = std::make_shared<HostFlags>();
  const bool lists = std::string_view(name) == "list";
  Command command = shell.command(group, name, summary, more);
  if (!lists) {
    command.option("HOST", flags->host, "Its name", {.required = true});
  }
  if (value != nullptr) {
    command.option("VALUE", flags->value, value, {.required = true});
  }
  if (!lists && std::string_view(name) != "show") {
    add_wait_flags(command, *flags);
  }
  add_reach_flags(command, *flags);
  shell.on(command, [flags, act](Output& output) { return act(*flags, output); });
}

Result<void> set_identity(const HostFlags& flags, Output& output) {
  return put(flags, fmt::format("host {} is {}", flags.host, flags.value), output, [&](trust::HostBinding& binding) {
    binding.identity = flags.value;
    return Result<void>();
  });
}

Result<void> change_routes(const HostFlags& flags, Output& output) {
  return put(flags, fmt::format("host {} has the routes {}", flags.host, flags.value), output,
             [&](trust::HostBinding& binding) -> Result<void> {
               binding.routes.clear();
               if (flags.value != "none") {
                 KRAIT_TRY(binding.routes, routes_of(flags.value));
               }
               return {};
             });
}

Result<void> approve(const HostFlags& flags, Output& output) {
  return put(flags, fmt::format("host {} is approved", flags.host), output,
             [](trust::HostBinding&) { return Result<void>(); });
}

// --- Keys
// -------------------------------------------------------------------------------------------------------------

struct RotateFlags : AdminFlags {
  std::vector<std::string> hosts;
  bool despite_offline = false;
};

bool is_wanted(const RotateFlags& flags, const Json& host) {
  return takes_part(host) &&
         (flags.hosts.empty() || std::ranges::find(flags.hosts, common::text_at(host, "name")) != flags.hosts.end());
}

// Asks for the hosts until none of them lacks anything, or the time is up: what is lacking then, by host.
using Lacks = std::map<std::string, std::string>;
using Judge = std::function<std::string(const Json& host)>;
Result<Lacks> await_hosts(const RotateFlags& flags, std::chrono::steady_clock::time_point end, const Judge& judge) {
  constexpr std::chrono::milliseconds kPause{200};
  for (;;) {
    KRAIT_TRY(const auto answer, all_hosts(flags));
    Lacks lacks;
    for (const Json& host : common::list_at(answer, "hosts")) {
      if (std::string lack = judge(host); !lack.empty()) {
        lacks.emplace(common::text_at(host, "name"), std::move(lack));
      }
    }
    if (lacks.empty() || std::chrono::steady_clock::now() > end) {
      return lacks;
    }
    std::this_thread::sleep_for(kPause);
  }
}

std::string lacks_text(const Lacks& lacks) {
  std::string text;
  for (const auto& [host, lack] : lacks) {
    text += fmt::format("\n  {}: {}", host, lack);
  }
  return text;
}

// Whoever is to be called with the new key has to know it first.
std::string lack_of_knowledge(const RotateFlags& flags, const Json& host) {
  const bool online = host.value("online", false);
  const bool away = !takes_part(host) || (!online && flags.despite_offline);
  if (!away && !online) {
    return "offline: it would go on with the former keys of its peers";
  }
  const auto enforced = common::find_number(host, "enforced");
  const bool knows = enforced && enforced == common::find_number(host, "sent") && !host.value("behind", false) &&
                     common::text_at(host, "failure").empty();
  return away || knows ? "" : "does not enforce what it was sent";
}

Error not_rotated(const Lacks& lacks, std::string_view what) {
  return {common::ErrorCode::unavailable, fmt::format("{}{}", what, lacks_text(lacks))};
}

Result<void> rotate_keys(const RotateFlags& flags, Output& output) {
  KRAIT_TRY(const auto timeout_s, duration_s(flags.timeout));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s);
  const auto order = [&](bool go) -> Result<void> {
    const Json request{{"request", "rotate_keys"}, {"hosts", flags.hosts}, {"go", go}};
    KRAIT_TRY(const auto answer, ask(flags, request));
    std::ignore = ask_others(flags, answer, request);  // whose hosts are offline for us where it is silent
    return {};
  };
  KRAIT_CHECK(order(false));
  std::map<std::string, std::string> wanted;  // by host: the announced key
  KRAIT_TRY(const auto silent, await_hosts(flags, end, [&](const Json& host) -> std::string {
              if (!is_wanted(flags, host) || (!host.value("online", false) && flags.despite_offline)) {
                return "";
              }
              const std::string next = common::text_at(host, "next_key");
              if (!next.empty()) {
                wanted[common::text_at(host, "name")] = next;
              }
              return next.empty() ? "has announced no key; its log says why, or it is offline or older" : "";
            }));
  if (!silent.empty()) {
    return not_rotated(silent, "all keys stay:");
  }
  KRAIT_TRY(const auto unaware,
            await_hosts(flags, end, [&](const Json& host) { return lack_of_knowledge(flags, host); }));
  if (!unaware.empty()) {
    return not_rotated(
        unaware,
        "all keys stay, since not everybody knows the next ones (--despite-offline goes on without those "
        "who are offline):");
  }
  KRAIT_CHECK(order(true));
  KRAIT_TRY(const auto former, await_hosts(flags, end, [&](const Json& host) -> std::string {
              const auto key = wanted.find(common::text_at(host, "name"));
              return key == wanted.end() || common::text_at(host, "key") == key->second ? "" : "has its former key";
            }));
  output.report(fmt::format("{} of {} hosts have another key{}", wanted.size() - former.size(), wanted.size(),
                            lacks_text(former)),
                {{"version", common::kAnswerVersion},
                 {"changed", wanted.size() - former.size()},
                 {"hosts", wanted.size()},
                 {"former", former}});
  if (!former.empty()) {
    output.found_problems();
  }
  return {};
}

void add_rotate_keys(Shell& shell, Command group) {
  auto flags = std::make_shared<RotateFlags>();
  flags->timeout = "60s";
  Command command = shell.command(
      group, "rotate-keys", "Give hosts other WireGuard keys",
      "Each makes its own, which never leaves it. First all peers are told of the next ones; once everybody enforces "
      "that,\n"
      "hosts go over, and nothing but a handshake lies between. Call it again where it did not come to its end.\n"
      "Example:  krait-coordinator host rotate-keys\n"
      "Example:  krait-coordinator host rotate-keys --host web1 --host web2");
  command.repeated("--host", flags->hosts, "Only this one; may be given several times");
  command.flag("--despite-offline", flags->despite_offline,
               "Go on without hosts that are offline: they follow once they are back");
  command.option("--timeout", flags->timeout, "How long to wait");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return rotate_keys(*flags, output); });
}

}  // namespace

void add_host_commands(Shell& shell) {
  const Command group = shell.group("host", "Hosts");
  add(shell, group, "list", "List hosts, and what they enforce", "Example:  sudo krait-coordinator host list", list);
  add(shell, group, "show", "Say what is known of a host", "Example:  sudo krait-coordinator host show web1", show);
  add(shell, group, "remove", "Strike a host off",
      "Its key is refused from now on, its connection ends, and nobody is told of it any more.\n"
      "Example:  sudo krait-coordinator host remove web1 --wait",
      remove);
  add(shell, group, "set-identity", "Give a host another identity",
      "Example:  sudo krait-coordinator host set-identity web1 db --wait", set_identity, "The identity");
  add(shell, group, "set-routes", "Say which networks are behind a host",
      "Example:  sudo krait-coordinator host set-routes gate1 10.20.0.0/16=office --wait", change_routes,
      "PREFIX=IDENTITY, several with commas; none");
  add(shell, group, "approve", "Vouch for a host as an administrator",
      "What a token vouched for depends on it no longer then. With network set --approval on, hosts wait for this.\n"
      "Example:  sudo krait-coordinator host approve web1",
      approve);
  add_rotate_keys(shell, group);
}

}  // namespace krait::coordinator
