// krait-coordinator token
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base64.h"
#include "common/cli/table.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"
#include "krait/fleet/join_token.h"
#include "krait/wire/key_pair.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct CreateFlags : AdminFlags {
  std::string identity;
  std::string ttl = "1h";
  std::optional<std::uint32_t> uses;
  std::optional<std::string> routes;
  std::string note;
};

Result<void> create(const CreateFlags& flags, Output& output) {
  KRAIT_TRY(const auto ttl_s, duration_s(flags.ttl));
  KRAIT_TRY(const auto key, load_admin_key(flags.key));
  KRAIT_TRY(const auto authority, fetch_authority(flags, false));
  const auto token_key = crypto::SigningKey::generate();
  trust::Grant grant{.network = authority.lists.back().value.network,
                     .token = token_key.verify_key(),
                     .identity = flags.identity,
                     .routes = {},
                     .pools = authority.settings.prefixes,
                     .made_s = now_s(),
                     .expires_s = now_s() + ttl_s,
                     .uses = flags.uses.value_or(1)};
  if (flags.routes) {
    KRAIT_TRY(grant.routes, routes_of(*flags.routes));
  }
  if (grant.uses == 0 || grant.uses > trust::kMaxUses || (!grant.routes.empty() && grant.uses != 1)) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("--uses is 1 to {}, and 1 for a token with routes", trust::kMaxUses));
  }
  const auto server = wire::parse_hash(authority.server_key);
  if (!server || authority.settings.addresses.empty()) {
    return Error(ErrorCode::invalid_input,
                 "hosts would not know where to call; say it: krait-coordinator network set --address 192.0.2.10:7170");
  }
  KRAIT_TRY(auto answer, ask(flags, {{"request", "token_add"},
                                     {"grant", common::to_base64(trust::encode(trust::sign(grant, key)))},
                                     {"note", flags.note}}));
  const std::string text = fleet::token_text({.addresses = authority.settings.addresses,
                                              .server_key = *server,
                                              .admin_list = trust::admin_list_id(authority.lists.back()),
                                              .seed = crypto::Secret::of(token_key.seed().bytes())});
  if (!answer.value("known_identity", true)) {
    output.warn({{.file = "",
                  .message = fmt::format("the policy does not know the identity {} yet", flags.identity),
                  .hint = "nobody can join with the token before it does"}});
  }
  answer["secret"] = text;
  answer["token"] = crypto::verify_key_text(token_key.verify_key());
  answer["expires_s"] = grant.expires_s;
  output.report(text, answer);
  return {};
}

void add_create(Shell& shell, Command group) {
  auto flags = std::make_shared<CreateFlags>();
  Command command =
      shell.command(group, "create", "Print a token, with which hosts join",
                    "Who has the token may join as that identity until it is spent or has expired. On the host:\n"
                    "sudo krait join TOKEN\n"
                    "Example:  sudo krait-coordinator token create --identity web --ttl 1h\n"
                    "Example:  sudo krait-coordinator token create --identity gateway --routes "
                    "10.20.0.0/16=office");
  command.option("--identity", flags->identity, "Whom the policy calls the host", {.required = true});
  command.option("--ttl", flags->ttl, "How long it holds");
  command.option("--uses", flags->uses, "How many hosts may join with it; 1");
  command.option("--routes", flags->routes, "Networks behind the host, as PREFIX=IDENTITY, several with commas");
  command.option("--note", flags->note, "For whom it is");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return create(*flags, output); });
}

std::string token_state(const Json& token) {
  if (token.value("revoked", false)) {
    return "revoked";
  }
  if (token.value("expired", false)) {
    return "expired";
  }
  return fmt::format("{} of {} uses left, until {}", common::number_at(token, "uses_left"),
                     common::number_at(token, "uses"), time_text(common::number_at(token, "expires_s")));
}

void add_list(Shell& shell, Command group) {
  auto flags = std::make_shared<AdminFlags>();
  Command command = shell.command(group, "list", "List tokens", "Example:  sudo krait-coordinator token list");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) -> Result<void> {
    KRAIT_TRY(const auto answer, ask(*flags, {{"request", "tokens"}}));
    common::cli::Rows rows{{"TOKEN", "IDENTITY", "STATE", "NOTE"}};
    for (const Json& token : common::list_at(answer, "tokens")) {
      rows.push_back({common::text_at(token, "token"), common::text_at(token, "identity"), token_state(token),
                      common::text_at(token, "note")});
    }
    output.report(rows.size() == 1 ? "no tokens" : common::cli::table_text(rows), answer);
    return {};
  });
}

void add_revoke(Shell& shell, Command group) {
  auto flags = std::make_shared<AdminFlags>();
  auto token = std::make_shared<std::string>();
  Command command = shell.command(group, "revoke", "Take a token back",
                                  "Nobody joins with it any more, and hosts that did are no longer believed unless an\n"
                                  "administrator has vouched for them since (host approve).\n"
                                  "Example:  sudo krait-coordinator token revoke TOKEN");
  command.option("TOKEN", *token, "As token list shows it", {.required = true});
  add_reach_flags(command, *flags);
  shell.on(command, [flags, token](Output& output) -> Result<void> {
    KRAIT_TRY(const auto answer,
              edit_hosts({.reach = *flags}, [&](const Authority& authority) -> Result<fleet::HostsEdit> {
                const auto grant = authority.grants.find(*token);
                if (grant == authority.grants.end()) {
                  return Error(ErrorCode::not_found, "there is no such token; see krait-coordinator token list");
                }
                return fleet::HostsEdit{.take_back = {grant->second}};
              }));
    output.report("the token is revoked", answer);
    return {};
  });
}

}  // namespace

void add_token_commands(Shell& shell) {
  const Command group = shell.group("token", "Tokens, with which hosts join");
  add_create(shell, group);
  add_list(shell, group);
  add_revoke(shell, group);
}

}  // namespace krait::coordinator
