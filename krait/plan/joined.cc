#include "krait/plan/joined.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "common/answer.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "krait/abi/selector.h"
#include "krait/compile/limits.h"
#include "krait/crypto/pair.h"
#include "krait/crypto/sign.h"
#include "krait/plan/clock_keeper.h"
#include "krait/trust/kept.h"

namespace krait::plan {

using common::Error;
using common::ErrorCode;
using common::Json;
using common::Result;

namespace {

constexpr std::size_t kMaxHostFileBytes = 65536;
constexpr int kHostFileVersion = 1;
constexpr std::int64_t kMaxUnixS = 253'402'300'799 - std::numeric_limits<std::uint32_t>::max();  // with any lease
constexpr auto kMembers =
    std::to_array<const char*>({"version", "name", "interface", "listen_port", "private_key_file", "offered_file"});

// What no administrator's rule is called (krait/trust refuses the prefix).
constexpr const char* kBetweenOthers = "krait: between other hosts";

std::string_view text_of(const trust::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

trust::BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<model::Address> addresses_of(const trust::HostBinding& binding) {
  std::vector<model::Address> addresses;
  for (const common::Ip& ip : binding.addresses) {
    addresses.push_back({ip, {}});
  }
  return addresses;
}

std::vector<model::Route> routes_of(const trust::HostBinding& binding) {
  std::vector<model::Route> routes;
  for (const trust::Route& route : binding.routes) {
    routes.push_back({route.prefix, {route.identity, {}}, {}});
  }
  return routes;
}

// What the tunnel carries.
class Carried {
 public:
  void add(const trust::HostBinding& binding) {
    for (const common::Ip& ip : binding.addresses) {
      add(common::Prefix::host(ip));
    }
    for (const trust::Route& route : binding.routes) {
      add(route.prefix);
    }
  }
  [[nodiscard]] bool carries(const common::Ip& ip) const {
    return std::ranges::any_of(lengths_, [&](const auto& of) {
      return of.first == ip.family && prefixes_.contains(common::Prefix{ip, of.second}.masked());
    });
  }

 private:
  void add(const common::Prefix& prefix) {
    prefixes_.insert(prefix);
    lengths_.emplace(prefix.ip.family, prefix.length);
  }
  std::set<common::Prefix> prefixes_;
  std::set<std::pair<common::Family, std::uint8_t>> lengths_;
};

// Nobody signs endpoints: one inside the tunnel would make the tunnel run into itself, and is not believed.
model::Peer peer_of(const trust::KnownHost& host, const Carried& carried) {
  model::Peer peer;
  peer.name = host.binding.name;
  peer.identity = {host.binding.identity, {}};
  peer.public_key = host.binding.key;
  peer.next_public_key = host.next_key;
  if (host.endpoint && !carried.carries(host.endpoint->ip)) {
    peer.endpoint = host.endpoint;
  }
  peer.keepalive_s = host.keepalive_s;
  peer.host_key = host.binding.host_key.bytes;
  peer.addresses = addresses_of(host.binding);
  peer.routes = routes_of(host.binding);
  return peer;
}

model::Mesh mesh_of(const trust::Verified& verified, const JoinedHost& host) {
  model::Mesh mesh;
  mesh.file = host.file;
  mesh.host.name = verified.self.binding.name;
  mesh.host.identity = {verified.self.binding.identity, {}};
  mesh.host.addresses = addresses_of(verified.self.binding);
  mesh.host.routes = routes_of(verified.self.binding);
  mesh.host.private_key_file = host.private_key_file;
  mesh.host.listen_port = host.listen_port;
  mesh.host.interface = host.interface;
  mesh.host.policy_file = host.kept_file();
  mesh.is_network = true;
  if (verified.settings.preshared_keys) {
    mesh.pair_keys = model::PairKeys{.file = host.pair_key_file(),
                                     .host_key = verified.self.binding.host_key.bytes,
                                     .network = verified.anchor.list.value.network};
  }
  Carried carried;
  for (const trust::KnownHost& peer : verified.peers) {
    carried.add(peer.binding);
  }
  for (const trust::KnownHost& peer : verified.peers) {
    mesh.peers.push_back(peer_of(peer, carried));
  }
  return mesh;
}

class PolicyMaker {
 public:
  explicit PolicyMaker(const trust::Verified& verified) : verified_(verified) {
    for (const auto& [name, tag] : verified.identities) {
      index_.emplace(name, static_cast<std::uint32_t>(policy_.identities.size()));
      policy_.identities.push_back({.name = name, .tag = tag, .at = {}});
    }
  }

  model::Policy make() {
    for (const trust::KnownRule& rule : verified_.rules) {
      policy_.rules.push_back(rule_of(rule));
    }
    deny_between_others();
    return std::move(policy_);
  }

 private:
  // Each of a rule's sources with each of its destinations is what the administrator said; of those pairs that are not
  // this host's other rules may say more, and deny_between_others() has the last word.
  model::Rule rule_of(const trust::KnownRule& rule) {
    model::Rule made;
    made.name = rule.name;
    made.action = rule.as.action;
    for (const auto& [from, to] : rule.pairs) {
      add(made.from, from);
      add(made.to, to);
    }
    tidy(made.from);
    tidy(made.to);
    made.selectors = rule.as.selectors;
    made.expires = rule.as.expires;
    made.log = rule.as.log;
    made.reject = rule.as.reject;
    made.outlasts_lease = rule.as.outlasts_lease;
    return made;
  }

  void add(model::Subjects& subjects, const std::string& name) const {
    if (name == trust::kAnyIdentity) {
      subjects.any = true;
    } else {
      subjects.identities.push_back(index_.at(name));
    }
  }

  static void tidy(model::Subjects& subjects) {
    std::ranges::sort(subjects.identities);
    const auto twice = std::ranges::unique(subjects.identities);
    subjects.identities.erase(twice.begin(), twice.end());
    if (subjects.any) {
      subjects.identities.clear();
    }
  }

  void deny_between_others() {
    std::set<std::string_view> own{verified_.self.binding.identity};
    for (const trust::Route& route : verified_.self.binding.routes) {
      own.insert(route.identity);
    }
    model::Rule denial;
    denial.name = kBetweenOthers;
    denial.action = model::Action::deny;
    for (const auto& [name, index] : index_) {
      if (!own.contains(name)) {
        denial.from.identities.push_back(index);
      }
    }
    if (denial.from.identities.empty()) {
      return;
    }
    tidy(denial.from);
    denial.to = denial.from;
    denial.selectors = {{0, KRAIT_SELECTORS - 1}};
    policy_.rules.push_back(std::move(denial));
  }

  const trust::Verified& verified_;
  model::Policy policy_;
  std::map<std::string, std::uint32_t, std::less<>> index_;
};

// What is kept, verified again.
struct Kept {
  trust::Verified verified;
  common::Digest digest;
};

Result<Kept> load_kept(const JoinedHost& host) {
  KRAIT_TRY(const auto text, common::read_file(host.kept_file(), trust::kMaxKeptBytes));
  KRAIT_TRY(const auto kept, trust::parse_kept(bytes_of(text)), "read " + host.kept_file());
  const trust::Asker asker{.name = host.name};
  KRAIT_TRY(auto verified, trust::verify_state(kept.second, kept.first, asker),
            "take up the state in " + host.kept_file());
  return Kept{.verified = std::move(verified), .digest = common::Digest::of(text)};
}

Error wrong_file(const std::string& file, std::string_view what) {
  return {ErrorCode::invalid_input, fmt::format("{}: {}; krait join writes it", file, what)};
}

Result<SignedFiles> signed_files(const trust::Verified& verified, const JoinedHost& host) {
  KRAIT_TRY(auto files, files_of(verified, host));
  KRAIT_TRY(const auto text, common::read_file(host.file, kMaxHostFileBytes));
  files.mesh.digest = common::Digest::of(text);
  const std::int64_t confirmed_s = load_confirmed(host);
  set_lease(files.policy, verified.settings, confirmed_s);
  return SignedFiles{.files = std::move(files),
                     .anchor = verified.anchor,
                     .settings = verified.settings,
                     .announced_key = verified.self.next_key,
                     .confirmed_s = confirmed_s};
}

}  // namespace

std::string JoinedHost::kept_file() const { return common::directory_of(file) + "/state"; }

std::string JoinedHost::confirmed_file() const { return common::directory_of(file) + "/confirmed"; }

std::string JoinedHost::pair_key_file() const { return common::directory_of(file) + "/pair.key"; }

std::string JoinedHost::host_key_file() const { return common::directory_of(offered_file) + "/host-sign.key"; }

Result<void> make_pair_key(const JoinedHost& host) {
  KRAIT_TRY(const auto key, crypto::SigningKey::load(host.host_key_file(), "krait join"));
  const crypto::Secret secret = crypto::pair_secret(key);
  const std::string file = host.pair_key_file();
  if (const auto present = crypto::Secret::load(file, "krait join"); present && present->bytes() == secret.bytes()) {
    return {};
  }
  ::unlink(file.c_str());
  return secret.save(file);
}

void make_missing_pair_key(const std::string& joined_file) {
  const auto text = common::read_file_of_others(joined_file, kMaxHostFileBytes);
  const auto host = text ? parse_joined_host(*text, joined_file) : Result<JoinedHost>(text.error());
  if (host && ::access(host->pair_key_file().c_str(), F_OK) != 0) {
    std::ignore = make_pair_key(*host);
  }
}

Result<void> save_confirmed(const JoinedHost& host, std::int64_t unix_s) {
  return common::write_file(host.confirmed_file(), fmt::format("{}\n", unix_s), 0600);
}

std::int64_t load_confirmed(const JoinedHost& host) {
  constexpr std::size_t kMaxBytes = 64;
  const auto text = common::read_file(host.confirmed_file(), kMaxBytes);
  std::int64_t unix_s = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), unix_s).ec != std::errc() || unix_s < 0 ||
      unix_s > kMaxUnixS) {
    return 0;
  }
  return unix_s;
}

void set_lease(model::Policy& policy, const trust::Settings& settings, std::int64_t confirmed_s) {
  for (model::Rule& rule : policy.rules) {
    if (settings.lease_s != 0 && rule.action == model::Action::allow && !rule.outlasts_lease) {
      rule.lease_ends_s = confirmed_s + settings.lease_s;
    }
  }
}

Result<JoinedHost> parse_joined_host(std::string_view text, const std::string& file) {
  const auto json = common::parse_json_object(text);
  if (!json) {
    return wrong_file(file, "not one JSON object");
  }
  for (const auto& [name, value] : json->items()) {
    if (std::ranges::find(kMembers, std::string_view(name)) == kMembers.end()) {
      return wrong_file(file, fmt::format("unknown member \"{}\"", name));
    }
  }
  if (common::number_at(*json, "version") != kHostFileVersion) {
    return wrong_file(file, "not of this version");
  }
  const std::uint64_t port = common::number_at(*json, "listen_port");
  JoinedHost host{.file = file,
                  .name = common::text_at(*json, "name"),
                  .interface = common::text_at(*json, "interface"),
                  .listen_port = static_cast<std::uint16_t>(port),
                  .private_key_file = common::text_at(*json, "private_key_file"),
                  .offered_file = common::text_at(*json, "offered_file")};
  if (port < 1 || port > std::numeric_limits<std::uint16_t>::max()) {
    return wrong_file(file, "listen_port is no port");
  }
  for (const auto& [name, value] : {std::pair("name", &host.name), {"interface", &host.interface}}) {
    if (value->empty()) {
      return wrong_file(file, fmt::format("{} is missing", name));
    }
  }
  if (!host.private_key_file.starts_with('/') || !host.offered_file.starts_with('/')) {
    return wrong_file(file, "private_key_file and offered_file are absolute paths");
  }
  return host;
}

std::string joined_host_text(const JoinedHost& host) {
  const Json json{{"version", kHostFileVersion},
                  {"name", host.name},
                  {"interface", host.interface},
                  {"listen_port", host.listen_port},
                  {"private_key_file", host.private_key_file},
                  {"offered_file", host.offered_file}};
  return common::json_line(json);
}

Result<JoinedHost> load_joined_host(const std::string& file) {
  KRAIT_TRY(const auto text, common::read_file(file, kMaxHostFileBytes));
  return parse_joined_host(text, file);
}

std::string kept_text(const trust::Anchor& anchor, const trust::State& state) {
  return std::string(text_of(trust::encode_kept(anchor, state)));
}

Result<void> save_kept(const JoinedHost& host, std::string_view kept) {
  return common::write_file(host.kept_file(), kept, 0600);
}

Result<SignedFiles> load_signed_files(const JoinedHost& host) {
  return common::within_memory([&]() -> Result<SignedFiles> {
    KRAIT_TRY(const auto kept, load_kept(host));
    KRAIT_TRY(auto made, signed_files(kept.verified, host));
    made.files.policy.digest = kept.digest;
    return made;
  });
}

Result<Plan> make_joined_plan(const std::string& joined_file) {
  KRAIT_TRY(const auto host, load_joined_host(joined_file));
  KRAIT_TRY(auto made, load_signed_files(host));
  const common::Moment now = time_by({made.files.mesh.file, made.files.policy.file}).now;
  return make_plan(std::move(made.files), {.now = now, .former = {}});
}

Result<Offered> load_offered(const JoinedHost& host, const model::PublicKey& key, bool may_go_back) {
  return common::within_memory([&]() -> Result<Offered> {
    KRAIT_TRY(const auto kept, load_kept(host));
    KRAIT_TRY(const auto text, common::read_file_of_others(host.offered_file, trust::kMaxStateBytes),
              "read the state that is offered");
    KRAIT_TRY(const auto state, trust::parse_state(bytes_of(text)), "read the state that is offered");
    const trust::Asker asker{.name = host.name, .key = key, .may_go_back = may_go_back};
    KRAIT_TRY(const auto verified, trust::verify_state(state, kept.verified.anchor, asker),
              "the state that is offered is refused");
    KRAIT_TRY(auto made, signed_files(verified, host));
    Offered offered{.signed_files = std::move(made), .kept = kept_text(verified.anchor, state)};
    offered.signed_files.files.policy.digest = common::Digest::of(offered.kept);
    return offered;
  });
}

Result<Files> files_of(const trust::Verified& verified, const JoinedHost& host) {
  Files files{.mesh = mesh_of(verified, host), .policy = PolicyMaker(verified).make()};
  files.policy.file = host.kept_file();
  KRAIT_CHECK(compile::check_limits(files.mesh, files.policy));
  return files;
}

}  // namespace krait::plan
