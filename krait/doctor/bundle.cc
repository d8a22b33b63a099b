#include "krait/doctor/bundle.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <set>

#include "common/calendar.h"
#include "common/file.h"
#include "common/json.h"
#include "krait/config/load.h"
#include "krait/control/client.h"
#include "krait/control/version.h"
#include "krait/doctor/archive.h"
#include "krait/doctor/checks.h"
#include "krait/doctor/journal.h"
#include "krait/doctor/metrics_page.h"
#include "krait/doctor/network_report.h"
#include "krait/doctor/report.h"
#include "krait/doctor/secrets.h"
#include "krait/rundir/bpffs.h"
#include "krait/wireguard/wireguard.h"

namespace krait::doctor {

using common::Result;

namespace {

constexpr std::size_t kMaxLogBytes = std::size_t{64} << 20U;
constexpr std::size_t kMaxLogLines = 5000;
constexpr const char* kUsualKeyFile = "/var/lib/krait/host.key";  // where the configuration cannot be read

// Collects the members, and what is missing.
class Collection {
 public:
  void add(const std::string& name, Result<std::string> text) {
    if (text) {
      members_.push_back({name, std::move(*text)});
    } else {
      missing_.push_back(fmt::format("{}: {}", name, text.error().text()));
    }
  }
  void add(const std::string& name, const control::Json& json) {
    members_.push_back({name, json.dump(2, ' ', false, control::Json::error_handler_t::replace) + "\n"});
  }
  [[nodiscard]] std::vector<Member>& members() { return members_; }
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::vector<Member> members_;
  std::vector<std::string> missing_;
};

std::string host_name() {
  std::array<char, 65> name{};
  ::gethostname(name.data(), name.size() - 1);
  std::string text = name.data();
  for (char& character : text) {
    if (std::isalnum(static_cast<unsigned char>(character)) == 0 && character != '-' && character != '.') {
      character = '_';
    }
  }
  return text;
}

std::string pins_listing(const std::string& directory) {
  if (!rundir::is_bpffs(directory)) {  // the agent's user may have made a link in its place
    return fmt::format("{} is no BPF file system\n", directory);
  }
  std::string text;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    text += entry.path().string() + "\n";
  }
  return error ? fmt::format("{}: {}\n", directory, error.message()) : text;
}

void add_answer(Collection& collection, const std::string& name, const std::string& socket, control::Request request) {
  auto answer = control::ask(socket, request);
  if (answer) {
    collection.add(name, *answer);
  } else {
    collection.add(name, Result<std::string>(answer.error()));
  }
}

void add_log(Collection& collection, const std::string& socket) {
  const std::string log = std::filesystem::path(socket).parent_path() / "agent.log";
  auto text = common::read_file_of_others(log, kMaxLogBytes);
  if (text || text.error().code() != common::ErrorCode::not_found) {
    collection.add("agent.log", std::move(text));
  }
  auto journal = journal_of("krait-agent", kMaxLogLines);
  if (!journal || !journal->empty()) {
    collection.add("journal.log", std::move(journal));
  }
}

// Every public key that the bundle may show: the configuration's and those that the agent told.
std::set<model::PublicKey> public_keys_of(const Facts& facts, const std::string& socket) {
  std::set<model::PublicKey> keys;
  const auto add = [&](const control::Json& holder) {
    if (const auto key = model::parse_public_key(common::text_at(holder, "public_key"))) {
      keys.insert(*key);
    }
  };
  if (facts.config.mesh) {
    for (const model::Peer& peer : facts.config.mesh->peers) {
      keys.insert(peer.public_key);
      if (peer.next_public_key) {
        keys.insert(*peer.next_public_key);
      }
    }
  }
  if (const auto status = control::ask(socket, control::Request::status)) {
    add(*status);
    for (const control::Json& peer : common::list_at(*status, "peers")) {
      add(peer);
    }
  }
  return keys;
}

Collection with_log(Collection collection, const Where& where) {
  add_log(collection, where.socket);
  return collection;
}

Collection collect(const Where& where, const Facts& facts) {
  Collection collection;
  collection.add("version.txt", Result<std::string>(fmt::format("krait {}\n", control::kVersion)));
  collection.add("doctor.json", findings_report(check_all(facts)));
  collection.add("host.json", host_report(facts));
  collection.add("network.json", network_report(facts.network));
  collection.add("programs.json", programs_report(facts.link));
  collection.add("pins.txt", Result<std::string>(pins_listing(facts.pins.directory)));
  add_answer(collection, "status.json", where.socket, control::Request::status);
  add_answer(collection, "rules.json", where.socket, control::Request::rules);
  collection.add("metrics.txt", metrics_page(kMaxLogBytes));
  if (facts.config.joined) {
    collection.add("joined.json", common::read_file(where.joined, config::kMaxFileBytes));
    return with_log(std::move(collection), where);
  }
  collection.add("krait.toml", common::read_file(where.config, config::kMaxFileBytes));
  if (facts.config.mesh) {
    collection.add("policy.toml", common::read_file(facts.config.mesh->host.policy_file, config::kMaxFileBytes));
  }
  return with_log(std::move(collection), where);
}

}  // namespace

std::string bundle_name() {
  return fmt::format("krait-debug-{}-{}.tar.gz", host_name(),
                     common::utc_text(std::int64_t{std::time(nullptr)}, "%Y%m%dT%H%M%SZ"));
}

Result<Bundle> make_bundle(const Where& where, const std::string& file) {
  KRAIT_TRY(const auto facts, gather(where));
  Collection collection = collect(where, facts);
  Bundle bundle{.file = file, .members = {}, .missing = collection.missing()};
  if (!bundle.missing.empty()) {
    collection.add("missing.json", control::Json(bundle.missing));
  }
  const std::set<model::PublicKey> public_keys = public_keys_of(facts, where.socket);
  const Secrets secrets =
      find_secrets(facts.config.mesh ? facts.config.mesh->host.private_key_file : kUsualKeyFile, public_keys);
  for (Member& member : collection.members()) {
    member.text = without_secrets(std::move(member.text), secrets, public_keys);
    bundle.members.push_back(member.name);
  }
  KRAIT_TRY(auto bytes, pack("krait-debug", collection.members(), std::time(nullptr)));
  KRAIT_CHECK(common::write_file(file, bytes, 0600));
  return bundle;
}

}  // namespace krait::doctor
