// krait-coordinator policy
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "common/file.h"
#include "krait/config/load.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"
#include "krait/coordinator/host_state.h"
#include "krait/fleet/difference.h"
#include "krait/plan/plan.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct PolicyFlags : AdminFlags {
  std::string file;
  bool dry_run = false;
  bool yes = false;
  std::optional<std::uint32_t> number;
  std::optional<std::uint32_t> other;
};

Json accesses_json(const std::vector<fleet::Access>& accesses) {
  Json list = Json::array();
  for (const fleet::Access& access : accesses) {
    list.push_back({{"from", access.from}, {"to", access.to}, {"ports", fleet::ports_text(access.selectors)}});
  }
  return list;
}

Json difference_json(const fleet::Difference& difference) {
  return {
      {"gained", accesses_json(difference.gained)},
      {"lost", accesses_json(difference.lost)},
      {"new_identities", difference.new_identities},
      {"gone_identities", difference.gone_identities},
      {"lease_s", {{"before", difference.lease_before_s}, {"after", difference.lease_after_s}}},
      {"preshared_keys", {{"before", difference.preshared_keys_before}, {"after", difference.preshared_keys_after}}},
      {"not_shown", difference.not_shown}};
}

// Names of hosts by identity, networks behind them as "gate1's 10.20.0.0/16".
Result<fleet::HostsOf> hosts_by_identity(const Reach& reach) {
  KRAIT_TRY(const auto answer, ask(reach, {{"request", "hosts"}}));
  auto names = std::make_shared<std::map<std::string, std::vector<std::string>>>();
  for (const Json& host : common::list_at(answer, "hosts")) {
    const std::string name = common::text_at(host, "name");
    (*names)[common::text_at(host, "identity")].push_back(name);
    for (const Json& route : common::list_at(host, "routes")) {
      (*names)[common::text_at(route, "identity")].push_back(
          fmt::format("{}'s {}", name, common::text_at(route, "prefix")));
    }
  }
  return fleet::HostsOf([names](const std::string& identity) {
    const auto found = names->find(identity);
    return found == names->end() ? std::vector<std::string>() : found->second;
  });
}

// The coordinator refuses it too; a dry run does not get there.
Result<void> check_gone_identities(const fleet::Difference& difference, const fleet::HostsOf& hosts_of) {
  for (const std::string& identity : difference.gone_identities) {
    if (const auto hosts = hosts_of(identity); !hosts.empty()) {
      return Error(
          ErrorCode::invalid_input,
          fmt::format("the policy does not know the identity {} any more, which {} has; give it another one first "
                      "(host set-identity, host set-routes), or remove the host",
                      identity, hosts.front()));
    }
  }
  return {};
}

Result<Json> stored(const Reach& reach, const std::optional<std::uint32_t>& number) {
  Json request{{"request", "policy"}};
  if (number) {
    request["policy"] = *number;
  }
  return ask(reach, request);
}

// A network without a policy has an empty one.
Result<model::Policy> model_of(const Json& answer) {
  const std::string text = common::text_at(answer, "text");
  return text.empty() ? Result<model::Policy>(model::Policy())
                      : config::parse_policy(text, fmt::format("policy {}", common::number_at(answer, "policy")));
}

Result<bool> is_confirmed(const PolicyFlags& flags) {
  if (flags.yes || ::isatty(0) != 1 || ::isatty(2) != 1) {
    return true;
  }
  fmt::print(stderr, "Apply it? [y/N] ");
  std::array<char, 16> answer{};
  const ssize_t got = ::read(0, answer.data(), answer.size());
  return got > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

// Who does not hear of it when keys of pairs come or go: a handshake takes both ends. Empty where they stay.
Result<std::vector<std::string>> offline_hosts(const Reach& reach, const fleet::Difference& difference) {
  std::vector<std::string> names;
  if (difference.preshared_keys_before == difference.preshared_keys_after) {
    return names;
  }
  KRAIT_TRY(const auto answer, all_hosts(reach));
  for (const Json& host : common::list_at(answer, "hosts")) {
    if (!host.value("online", false) && takes_part(host)) {
      names.push_back(common::text_at(host, "name"));
    }
  }
  return names;
}

std::string offline_text(const std::vector<std::string>& names) {
  return names.empty() ? ""
                       : fmt::format(
                             "\n  offline: {}. Until such a host has heard of it, it and its peers can make no new "
                             "session; those that they have end within three minutes",
                             fmt::join(names, ", "));
}

// The new text against the one in force; then it is signed and stored.
Result<void> apply_text(const PolicyFlags& flags, const std::string& text, const model::Policy& after,
                        std::uint32_t rollback_to, Output& output) {
  KRAIT_TRY(const auto timeout_s, duration_s(flags.timeout));
  KRAIT_TRY(const auto current, stored(flags, std::nullopt));
  KRAIT_TRY(const auto before, model_of(current));
  const fleet::Difference difference = fleet::difference(before, after);
  KRAIT_TRY(const auto hosts_of, hosts_by_identity(flags));
  KRAIT_TRY(const auto offline, offline_hosts(flags, difference));
  Json change = difference_json(difference);
  change["preshared_keys"]["offline"] = offline;
  const std::string shown = fleet::difference_text(difference, hosts_of) + offline_text(offline);
  KRAIT_CHECK(check_gone_identities(difference, hosts_of));
  if (flags.dry_run) {
    output.report(shown, {{"version", common::kAnswerVersion}, {"dry_run", true}, {"difference", change}});
    return {};
  }
  if (!output.json()) {
    output.report(shown, {});
  }
  KRAIT_TRY(const auto confirmed, is_confirmed(flags));
  if (!confirmed) {
    return Error(ErrorCode::invalid_input, "nothing was changed");
  }
  KRAIT_TRY(auto answer,
            apply_policy({.reach = flags,
                          .former = {common::number_at(current, "policy"), common::text_at(current, "text")},
                          .text = text,
                          .rollback_to = rollback_to,
                          .wait = flags.wait,
                          .timeout_ms = static_cast<std::uint32_t>(std::min<std::int64_t>(timeout_s, 600) * 1000)}));
  answer["difference"] = change;
  const std::string spread = spread_text(answer, output);
  output.report(fmt::format("policy {} is in force: revision {}{}{}", common::number_at(answer, "policy"),
                            common::number_at(answer, "revision"), spread.empty() ? "" : "\n", spread),
                answer);
  return {};
}

Result<void> apply(const PolicyFlags& flags, Output& output) {
  KRAIT_TRY(const auto checked, plan::check_policy(flags.file));
  KRAIT_TRY(const auto text, common::read_file(flags.file, config::kMaxFileBytes));
  if (common::Digest::of(text) != checked.policy.digest) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("{} was changed while it was checked; apply it again", flags.file));
  }
  output.warn(checked.warnings);
  return apply_text(flags, text, checked.policy, 0, output);
}

Result<void> rollback(const PolicyFlags& flags, Output& output) {
  PolicyFlags wanted = flags;
  if (!wanted.number) {
    KRAIT_TRY(const auto current, stored(flags, std::nullopt));
    const std::uint64_t number = common::number_at(current, "policy");
    if (number < 2) {
      return Error(ErrorCode::invalid_input, "there is no policy before this one");
    }
    wanted.number = static_cast<std::uint32_t>(number - 1);
  }
  KRAIT_TRY(const auto former, stored(flags, wanted.number));
  KRAIT_TRY(const auto model, model_of(former));
  return apply_text(wanted, common::text_at(former, "text"), model, *wanted.number, output);
}

Result<void> history(const PolicyFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "policies"}}));
  std::string text;
  for (const Json& policy : common::list_at(answer, "policies")) {
    text += fmt::format("{}{}  {}  {}  {}  {} rules, {} identities", text.empty() ? "" : "\n",
                        common::number_at(policy, "policy"), time_text(common::number_at(policy, "at_s")),
                        common::text_at(policy, "who"), common::text_at(policy, "what"),
                        common::number_at(policy, "rules"), common::number_at(policy, "identities"));
  }
  output.report(text.empty() ? "no policy yet; krait-coordinator policy apply FILE" : text, answer);
  return {};
}

Result<void> show(const PolicyFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, stored(flags, flags.number));
  std::string text = common::text_at(answer, "text");
  if (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  output.report(text, answer);
  return {};
}

Result<void> diff(const PolicyFlags& flags, Output& output) {
  KRAIT_TRY(const auto from, stored(flags, flags.number));
  KRAIT_TRY(const auto to, stored(flags, flags.other));
  KRAIT_TRY(const auto before, model_of(from));
  KRAIT_TRY(const auto after, model_of(to));
  KRAIT_TRY(const auto hosts_of, hosts_by_identity(flags));
  const fleet::Difference difference = fleet::difference(before, after);
  output.report(fleet::difference_text(difference, hosts_of),
                {{"version", common::kAnswerVersion}, {"difference", difference_json(difference)}});
  return {};
}

void add_changing_flags(Command command, PolicyFlags& flags) {
  command.flag("--dry-run", flags.dry_run, "Only say who would gain and lose what");
  command.flag("--yes", flags.yes, "Do not ask, on a terminal either");
  add_wait_flags(command, flags);
  add_reach_flags(command, flags);
}

void add_apply(Shell& shell, Command group) {
  auto flags = std::make_shared<PolicyFlags>();
  Command command = shell.command(group, "apply", "Put a policy in force on all hosts",
                                  "Checks it and runs its tests, says who gains and loses what, signs and stores it; "
                                  "hosts that are online enforce it\n"
                                  "within milliseconds. With --wait it returns when they do, names those that do not, "
                                  "and ends with exit code 1 then.\n"
                                  "Example:  sudo krait-coordinator policy apply --wait policy.toml");
  command.option("FILE", flags->file, "The policy", {.required = true});
  add_changing_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return apply(*flags, output); });
}

void add_rollback(Shell& shell, Command group) {
  auto flags = std::make_shared<PolicyFlags>();
  Command command = shell.command(group, "rollback", "Put a former policy in force again",
                                  "As a new one: the history goes on.\n"
                                  "Example:  sudo krait-coordinator policy rollback --wait");
  command.option("NUMBER", flags->number, "As policy history shows it; the one before");
  add_changing_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return rollback(*flags, output); });
}

void add_history(Shell& shell, Command group) {
  auto flags = std::make_shared<PolicyFlags>();
  Command command =
      shell.command(group, "history", "List all policies", "Example:  sudo krait-coordinator policy history");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return history(*flags, output); });
}

void add_show(Shell& shell, Command group) {
  auto flags = std::make_shared<PolicyFlags>();
  Command command = shell.command(group, "show", "Print a policy", "Example:  sudo krait-coordinator policy show 3");
  command.option("NUMBER", flags->number, "As policy history shows it; the one in force");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return show(*flags, output); });
}

void add_diff(Shell& shell, Command group) {
  auto flags = std::make_shared<PolicyFlags>();
  Command command = shell.command(group, "diff", "Say who gained and lost what between two policies",
                                  "Example:  sudo krait-coordinator policy diff 3");
  command.option("FROM", flags->number, "As policy history shows it");
  command.option("TO", flags->other, "The same; the one in force");
  add_reach_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return diff(*flags, output); });
}

}  // namespace

void add_policy_commands(Shell& shell) {
  const Command group = shell.group("policy", "The policy of all hosts");
  add_apply(shell, group);
  add_rollback(shell, group);
  add_history(shell, group);
  add_show(shell, group);
  add_diff(shell, group);
}

}  // namespace krait::coordinator
