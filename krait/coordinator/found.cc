#include "krait/coordinator/found.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/file.h"
#include "krait/config/names.h"
#include "krait/coordinator/author.h"
#include "krait/coordinator/store_ledger.h"
#include "krait/fleet/rows.h"
#include "krait/wire/key_pair.h"

namespace krait::coordinator {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Error wrong(std::string text) { return {ErrorCode::invalid_input, std::move(text)}; }

Result<fleet::Settings> settings_of(const Founding& founding) {
  for (const std::string* name : {&founding.name, &founding.admin_name}) {
    if (const auto fault = config::check_name(*name)) {
      return wrong(fmt::format("{}; {}", fault->message, fault->hint));
    }
  }
  fleet::Settings settings{.name = founding.name, .approval = founding.approval, .made_s = now_s()};
  for (const std::string& text : founding.prefixes) {
    const auto prefix = common::Prefix::parse(text);
    if (!prefix || prefix->has_host_bits() || prefix->length == 0) {
      return wrong(fmt::format("the prefix {} is none; write 10.90.0.0/16 or fd90::/64", text));
    }
    if (!trust::is_private(*prefix)) {
      return wrong(
          fmt::format("the prefix {} is not a private network's, and hosts would refuse it; take one of "
                      "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fd00::/8",
                      text));
    }
    if (std::ranges::any_of(settings.prefixes,
                            [&](const auto& other) { return other.ip.family == prefix->ip.family; })) {
      return wrong("one prefix of IPv4 and one of IPv6 at most");
    }
    settings.prefixes.push_back(*prefix);
  }
  std::ranges::sort(settings.prefixes);
  for (const std::string& text : founding.addresses) {
    if (!common::Endpoint::parse(text)) {
      return wrong(fmt::format("the address {} is none; write 192.0.2.10:7170 or [2001:db8::1]:7170", text));
    }
    settings.addresses.push_back(text);
  }
  return settings;
}

Result<void> give_to_owner_of(const std::string& folder, const std::vector<std::string>& files) {
  struct stat found{};
  if (::stat(folder.c_str(), &found) != 0) {
    return Error::from_errno(errno, "look at " + folder);
  }
  for (const std::string& file : files) {
    if (::geteuid() == 0 && ::chown(file.c_str(), found.st_uid, found.st_gid) != 0 && errno != ENOENT) {
      return Error::from_errno(errno, "give " + file + " to the folder's owner");
    }
  }
  return {};
}

// The first revision.
std::vector<fleet::Row> first_rows(const Founding& founding, const fleet::Settings& settings,
                                   const crypto::Hash& network, const crypto::SigningKey& key) {
  const trust::AdminList list{
      .network = network,
      .version = 1,
      .administrators = {{.key = key.verify_key(), .role = trust::Role::admin, .name = founding.admin_name}}};
  const std::int64_t made_s = settings.made_s;
  return fleet::found(
      settings, trust::sign(list, key),
      trust::sign(
          trust::HostsStatement{.network = network, .revision = 1, .made_s = made_s, .root = trust::HostsBook().root()},
          key),
      trust::sign(
          trust::PolicyStatement{
              .network = network, .revision = 1, .made_s = made_s, .root = trust::PolicyBook().root()},
          key));
}

Result<void> write_first_revision(const Founding& founding, const std::vector<fleet::Row>& rows, std::int64_t at_s) {
  const bool file = founding.server.database.empty();
  KRAIT_TRY(auto database, file ? records::open_sqlite(database_file_of(founding.server), false)
                                : records::open_postgresql(founding.server.database));
  KRAIT_TRY(auto store, records::Store::create(std::move(database)));
  StoreLedger ledger(store);
  fleet::Network network;
  KRAIT_CHECK(network.absorb(rows));
  KRAIT_TRY(const auto committed, ledger.commit({0, founding.admin_name, "the network is made", at_s, rows}));
  return committed ? Result<void>() : Error(ErrorCode::unavailable, "somebody else makes a network in this database");
}

}  // namespace

Result<Founded> found_network(const Founding& founding) {
  const std::string& folder = founding.server.state;
  KRAIT_TRY(const auto settings, settings_of(founding));
  KRAIT_CHECK(common::make_directory_of(folder + "/", 0700));
  for (const std::string& file : {key_file_of(founding.server), database_file_of(founding.server)}) {
    if (::access(file.c_str(), F_OK) == 0) {
      return wrong(fmt::format("{} is there already: this folder has a network", file));
    }
  }
  KRAIT_TRY(const auto server, wire::make_key_pair());
  KRAIT_TRY(const auto random, wire::random_bytes(crypto::kHashBytes));
  crypto::Hash network{};
  std::ranges::transform(random, network.begin(), [](char c) { return static_cast<std::uint8_t>(c); });

  const bool has_key = ::access(founding.admin_key_file.c_str(), F_OK) == 0;
  KRAIT_CHECK(common::make_directory_of(common::directory_of(founding.admin_key_file), 0700));
  KRAIT_CHECK(common::make_directory_of(founding.admin_key_file, 0700));
  KRAIT_TRY(const auto key, has_key ? crypto::SigningKey::load(founding.admin_key_file, "krait-coordinator init")
                                    : Result<crypto::SigningKey>(crypto::SigningKey::generate()));
  const std::vector<fleet::Row> rows = first_rows(founding, settings, network, key);
  auto written = write_first_revision(founding, rows, settings.made_s);
  if (written) {
    written = common::write_file(key_file_of(founding.server), server.pem, 0600);
  }
  if (written && !has_key) {
    written = key.save(founding.admin_key_file);
  }
  if (written) {
    KRAIT_TRY(const auto list, trust::parse_admin_list(fleet::view_of(rows[1].value.value_or(""))));
    const auto anchor = trust::encode_anchor({.list = list});
    written = common::write_file(anchor_file_of(founding.admin_key_file), fleet::string_of(anchor), 0600);
  }
  if (written) {
    const std::string database = database_file_of(founding.server);
    written = give_to_owner_of(
        folder, {key_file_of(founding.server), database, database + ".lock", database + "-wal", database + "-shm"});
  }
  if (!written) {
    ::unlink(key_file_of(founding.server).c_str());
    for (const char* end : {"", ".lock", "-wal", "-shm"}) {
      ::unlink((database_file_of(founding.server) + end).c_str());
    }
    return common::passed_on(written, "make the network");
  }
  return Founded{crypto::hash_text(network), wire::hash_text(server.hash)};
}

}  // namespace krait::coordinator
