// krait-coordinator admin
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "common/answer.h"
#include "common/cli/table.h"
#include "common/file.h"
#include "krait/config/names.h"
#include "krait/coordinator/ask.h"
#include "krait/coordinator/audit_text.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/command.h"
#include "krait/fleet/join_token.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::array kRoles{trust::Role::admin, trust::Role::policy, trust::Role::read};

struct AdministratorFlags : AdminFlags {
  std::string name;
  std::optional<std::string> public_key;
  std::string new_key;
  std::string role = "admin";
  std::string invitation;
};

Result<trust::Role> role_at(const std::string& name) {
  for (const trust::Role role : kRoles) {
    if (role_name(role) == name) {
      return role;
    }
  }
  return Error(ErrorCode::invalid_input, fmt::format("\"{}\" is no role; there are admin, policy and read", name));
}

Result<crypto::VerifyKey> key_at(const std::string& text) {
  const auto key = crypto::parse_verify_key(text);
  return key ? Result<crypto::VerifyKey>(*key)
             : Error(ErrorCode::invalid_input,
                     fmt::format("\"{}\" is no administrator's public key; krait-coordinator admin key prints one",
                                 text));
}

Error no_such(const std::string& name) {
  return {ErrorCode::not_found, fmt::format("there is no administrator {}; see krait-coordinator admin list", name)};
}

Result<void> make_key(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto file, admin_key_file(flags.key));
  if (::access(file.c_str(), F_OK) != 0) {
    KRAIT_CHECK(common::make_directory_of(common::directory_of(file), 0700));
    KRAIT_CHECK(common::make_directory_of(file, 0700));
    KRAIT_CHECK(crypto::SigningKey::generate().save(file));
  }
  KRAIT_TRY(const auto key, load_admin_key(file));
  const std::string text = crypto::verify_key_text(key.verify_key());
  output.report(text, {{"version", common::kAnswerVersion}, {"public_key", text}, {"file", file}});
  return {};
}

Result<void> list(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto answer, ask(flags, {{"request", "authority"}}));
  const Json& lists = common::list_at(answer, "lists");
  const Json& last = lists.empty() ? lists : lists.back();
  KRAIT_TRY(const auto signed_list, fleet::admin_list_at(last.is_string() ? last.get<std::string>() : ""));
  Json json{
      {"version", common::kAnswerVersion}, {"list", signed_list.value.version}, {"administrators", Json::array()}};
  std::vector<trust::Administrator> administrators = signed_list.value.administrators;
  std::ranges::sort(administrators, {}, &trust::Administrator::name);
  common::cli::Rows rows{{"NAME", "ROLE", "KEY"}};
  for (const trust::Administrator& each : administrators) {
    const std::string key = crypto::verify_key_text(each.key);
    json["administrators"].push_back({{"name", each.name}, {"role", role_name(each.role)}, {"public_key", key}});
    rows.push_back({each.name, std::string(role_name(each.role)), key});
  }
  output.report(common::cli::table_text(rows), json);
  return {};
}

Result<std::string> invitation_of(const Authority& authority) {
  const auto server = wire::parse_hash(authority.server_key);
  if (!server || authority.settings.addresses.empty()) {
    return Error(ErrorCode::invalid_input,
                 "nobody would know where to call; say it: krait-coordinator network set --address 192.0.2.10:7170");
  }
  return fleet::invitation_text({.addresses = authority.settings.addresses,
                                 .server_key = *server,
                                 .admin_list = trust::admin_list_id(authority.lists.back())});
}

Result<void> invite(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto authority, fetch_authority(flags, false));
  KRAIT_TRY(const auto text, invitation_of(authority));
  output.report(text, {{"version", common::kAnswerVersion}, {"invitation", text}});
  return {};
}

// With the others as they are.
using Administrators = std::vector<trust::Administrator>;
Result<Administrators::iterator> find(Administrators& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &trust::Administrator::name);
  return found == all.end() ? Result<Administrators::iterator>(no_such(name)) : found;
}

Result<void> add(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto role, role_at(flags.role));
  KRAIT_TRY(const auto key, key_at(flags.public_key.value_or("")));
  if (const auto fault = config::check_name(flags.name)) {
    return Error(ErrorCode::invalid_input,
                 fmt::format("the name \"{}\": {}; {}", flags.name, fault->message, fault->hint));
  }
  KRAIT_TRY(auto answer, change_admins(flags, nullptr, [&](const Authority& authority) -> Result<Administrators> {
              Administrators all = authority.lists.back().value.administrators;
              for (const trust::Administrator& other : all) {
                if (other.name == flags.name || other.key == key) {
                  return Error(ErrorCode::invalid_input, fmt::format("there is an administrator {} with the key {}",
                                                                     other.name, crypto::verify_key_text(other.key)));
                }
              }
              if (all.size() == trust::kMaxAdministrators) {
                return Error(ErrorCode::limit, fmt::format("a network has {} administrators at most", all.size()));
              }
              all.push_back({.key = key, .role = role, .name = flags.name});
              return all;
            }));
  KRAIT_TRY(const auto authority, fetch_authority(flags, false));
  const auto invitation = invitation_of(authority);
  answer["invitation"] = invitation ? Json(*invitation) : Json();
  output.report(fmt::format("{} is an administrator, with the role {}: revision {}{}", flags.name, role_name(role),
                            common::number_at(answer, "revision"),
                            invitation ? "\non their machine: krait-coordinator admin connect " + *invitation : ""),
                answer);
  return {};
}

Result<void> change(const AdministratorFlags& flags, const crypto::SigningKey* successor, const std::string& done,
                    const std::function<Result<void>(Administrators&)>& edit, Output& output) {
  KRAIT_TRY(const auto answer,
            change_admins(flags, successor, [&](const Authority& authority) -> Result<Administrators> {
              Administrators all = authority.lists.back().value.administrators;
              KRAIT_CHECK(edit(all));
              return all;
            }));
  output.report(fmt::format("{}: revision {}", done, common::number_at(answer, "revision")), answer);
  return {};
}

// Somebody else's key by its public half, one's own by its file: the new one signs at once.
Result<void> replace(const AdministratorFlags& flags, Output& output) {
  if (flags.public_key.has_value() != flags.new_key.empty()) {
    return Error(ErrorCode::invalid_input, "name the new key: somebody else's public one, or --new-key with one's own");
  }
  std::optional<crypto::SigningKey> own;
  if (!flags.new_key.empty()) {
    KRAIT_TRY(own, load_admin_key(flags.new_key));
  }
  KRAIT_TRY(const auto key, own ? Result<crypto::VerifyKey>(own->verify_key()) : key_at(*flags.public_key));
  KRAIT_CHECK(change(
      flags, own ? &*own : nullptr, fmt::format("{} has another key", flags.name),
      [&](Administrators& all) -> Result<void> {
        if (std::ranges::find(all, key, &trust::Administrator::key) != all.end()) {
          return Error(ErrorCode::invalid_input, "an administrator has that key already");
        }
        KRAIT_TRY(const auto found, find(all, flags.name));
        found->key = key;
        return {};
      },
      output));
  if (!own) {
    return {};
  }
  // The new key goes on from what the former one had seen.
  KRAIT_TRY(const auto former, admin_key_file(flags.key));
  KRAIT_TRY(const auto anchor, common::read_file(anchor_file_of(former), kMaxAnchorBytes));
  return common::write_file(anchor_file_of(flags.new_key), anchor, 0600);
}

Result<void> remove(const AdministratorFlags& flags, Output& output) {
  return change(
      flags, nullptr, fmt::format("{} is no administrator any more", flags.name),
      [&](Administrators& all) -> Result<void> {
        KRAIT_TRY(const auto found, find(all, flags.name));
        all.erase(found);
        return {};
      },
      output);
}

Result<void> set_role(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto role, role_at(flags.role));
  return change(
      flags, nullptr, fmt::format("{} has the role {}", flags.name, role_name(role)),
      [&](Administrators& all) -> Result<void> {
        KRAIT_TRY(const auto found, find(all, flags.name));
        found->role = role;
        return {};
      },
      output);
}

// What the invitation names is believed, and nothing that is not signed from there on.
Result<void> connect(const AdministratorFlags& flags, Output& output) {
  KRAIT_TRY(const auto invitation, fleet::parse_invitation(flags.invitation));
  KRAIT_TRY(const auto key_file, admin_key_file(flags.key));
  KRAIT_TRY(const auto file, profile_file(flags.profile));
  Profile profile{.network = "", .addresses = invitation.addresses, .server_key = invitation.server_key};
  KRAIT_TRY(const auto answer, ask(profile, flags.key, {{"request", "authority"}}));
  std::optional<trust::Signed<trust::AdminList>> anchor;
  for (const Json& text : common::list_at(answer, "lists")) {
    KRAIT_TRY(auto list, fleet::admin_list_at(text.is_string() ? text.get<std::string>() : ""));
    if (trust::admin_list_id(list) == invitation.admin_list) {
      anchor = std::move(list);
    }
  }
  if (!anchor) {
    return Error(ErrorCode::permission, "the coordinator does not show the administrators that the invitation names");
  }
  const std::string anchor_file = anchor_file_of(key_file);
  if (::access(anchor_file.c_str(), F_OK) != 0) {
    const auto bytes = trust::encode_anchor({.list = *anchor});
    KRAIT_CHECK(common::write_file(anchor_file, fleet::string_of(bytes), 0600));
  }
  profile.network = common::text_at(common::object_at(answer, "settings"), "name");
  KRAIT_CHECK(common::make_directory_of(file, 0700));
  const std::string tried = file + ".new";
  KRAIT_CHECK(common::write_file(tried, profile_text(profile), 0600));
  auto authority = fetch_authority({.socket = {}, .coordinator = {}, .profile = tried, .key = flags.key}, false);
  if (!authority || std::rename(tried.c_str(), file.c_str()) != 0) {
    ::unlink(tried.c_str());
    return authority ? Error::from_errno(errno, "write " + file) : common::passed_on(authority, "connect");
  }
  output.report(fmt::format("{} is reached by {} from now on", profile.network, file),
                {{"version", common::kAnswerVersion}, {"network", profile.network}, {"profile", file}});
  return {};
}

using Act = Result<void> (*)(const AdministratorFlags&, Output&);

struct Words {
  const char* name;
  const char* summary;
  std::string more;
};

std::shared_ptr<AdministratorFlags> add_command(Shell& shell, Command group, const Words& words, Act act,
                                                const std::function<void(Command, AdministratorFlags&)>& options) {
  auto flags = std::make_shared<AdministratorFlags>();
  Command command = shell.command(group, words.name, words.summary, words.more);
  options(command, *flags);
  add_reach_flags(command, *flags);
  shell.on(command, [flags, act](Output& output) { return act(*flags, output); });
  return flags;
}

void name_option(Command command, AdministratorFlags& flags) {
  command.option("NAME", flags.name, "What the administrator is called", {.required = true});
}

void role_option(Command command, AdministratorFlags& flags, const char* name, bool required) {
  command.option(name, flags.role, "admin changes everything, policy policies only, read nothing",
                 {.required = required, .one_of = {"admin", "policy", "read"}});
}

void add_changes(Shell& shell, Command group) {
  add_command(shell, group,
              {"add", "Add an administrator",
               "Prints what they connect with. Their key is made on their own machine: krait-coordinator admin key.\n"
               "Example:  krait-coordinator admin add bob PUBLIC-KEY --role policy"},
              add, [](Command command, AdministratorFlags& flags) {
                name_option(command, flags);
                command.option("PUBLIC-KEY", flags.public_key, "As admin key prints it on their machine");
                role_option(command, flags, "--role", false);
              });
  add_command(shell, group,
              {"replace", "Give an administrator another key",
               "The former key signs that; hosts take the new one for no other reason. From then on the former key "
               "signs and\n"
               "opens nothing any more. One's own needs its file, since it signs what is in force anew.\n"
               "Example:  krait-coordinator admin replace bob PUBLIC-KEY\n"
               "Example:  krait-coordinator admin replace alice --new-key ~/.config/krait/new.key"},
              replace, [](Command command, AdministratorFlags& flags) {
                name_option(command, flags);
                command.option("PUBLIC-KEY", flags.public_key, "As admin key prints it on their machine");
                command.option("--new-key", flags.new_key,
                               "The file of one's own new key: admin key --key FILE makes it");
              });
  add_command(
      shell, group,
      {"remove", "Remove an administrator",
       "Their connections end, and their tokens. Hosts that joined with those stay: whoever removes vouches for "
       "them.\n"
       "Example:  krait-coordinator admin remove bob"},
      remove, name_option);
  add_command(
      shell, group,
      {"set-role", "Give an administrator another role", "Example:  krait-coordinator admin set-role bob policy"},
      set_role, [](Command command, AdministratorFlags& flags) {
        name_option(command, flags);
        role_option(command, flags, "ROLE", true);
      });
}

}  // namespace

void add_admin_commands(Shell& shell) {
  const Command group = shell.group("admin", "Administrators and their keys");
  const auto nothing = [](Command, AdministratorFlags&) {};
  add_command(
      shell, group,
      {"key", "Print this machine's administrator's public key",
       "Makes the key where there is none. It never leaves the machine.\nExample:  krait-coordinator admin key"},
      make_key, nothing);
  add_command(shell, group, {"list", "List administrators", "Example:  krait-coordinator admin list"}, list, nothing);
  add_changes(shell, group);
  add_command(shell, group,
              {"invite", "Print what an administrator connects with",
               "No secret: it says where the coordinators are, by what key they are known, and who the administrators "
               "are.\n"
               "Example:  krait-coordinator admin invite"},
              invite, nothing);
  add_command(shell, group,
              {"connect", "Reach a network from this machine",
               "Writes a profile, by which all commands go from then on, and from where on this machine's key signs.\n"
               "Example:  krait-coordinator admin connect INVITATION"},
              connect, [](Command command, AdministratorFlags& flags) {
                command.option("INVITATION", flags.invitation, "As admin add or admin invite prints it",
                               {.required = true});
              });
}

}  // namespace krait::coordinator
