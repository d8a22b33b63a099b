// krait-coordinator host
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
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

std::string state_text(const Json& host) {
  if (host.value("left", false)) {
    return "has left; strike it off with host remove";
  }
  if (host.value("waits_for_approval", false)) {
    return "waits for host approve";
  }
  if (!host.value("online", false)) {
    return "offline";
  }
  const std::string failure = common::text_at(host, "failure");
  return failure.empty()
             ? fmt::format("online, enforces revision {}", common::number_at(host, "enforced"))
             : fmt::format("online, does not enforce revision {}: {}", common::number_at(host, "sent"), failure);
}

Result<void> list(const HostFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "hosts"}}));
  std::string text;
  for (const Json& host : common::list_at(answer, "hosts")) {
    text += fmt::format("{}{}  {}  {}  {}", text.empty() ? "" : "\n", common::text_at(host, "name"),
                        common::text_at(host, "identity"), addresses_text(host), state_text(host));
  }
  output.report(text.empty() ? "no hosts; krait-coordinator token create prints what they join with" : text, answer);
  return {};
}

Result<void> show(const HostFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "hosts"}, {"host", flags.host}}));
  const Json& host = common::list_at(answer, "hosts").front();
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
}

}  // namespace krait::coordinator
