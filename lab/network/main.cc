// An administrator, a coordinator and a link in one, for scenarios: signs a network whose books lie in a folder, gives
// hosts their states, and hands them to agents. Nothing of it is for use.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/answer.h"
#include "common/clock.h"
#include "common/file.h"
#include "krait/config/load.h"
#include "krait/control/client.h"
#include "krait/crypto/secret.h"
#include "krait/plan/joined.h"
#include "krait/trust/author.h"
#include "krait/trust/naive_state.h"

namespace {

using namespace krait;
using common::Error;
using common::ErrorCode;
using common::Result;

using Words = std::vector<std::string>;

constexpr const char* kUsage =
    "krait-lab-network init FOLDER\n"
    "                  bind FOLDER NAME IDENTITY PUBLIC-KEY ADDRESS...\n"
    "                  remove FOLDER NAME\n"
    "                  policy FOLDER FILE\n"
    "                  state FOLDER HOST FILE [HOST=ENDPOINT...]\n"
    "                  kept FOLDER HOST HOST-FILE [HOST=ENDPOINT...]\n"
    "                  ask SOCKET REQUEST [USER-ID]\n";

constexpr std::size_t kMaxBytes = std::size_t{64} << 20U;

trust::BytesView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view text_of(const trust::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What an administrator and a coordinator hold, in files of a folder.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  Result<void> begin() {
    KRAIT_CHECK(common::make_directory_of(file("key"), 0700));
    const auto admin = crypto::SigningKey::generate();
    KRAIT_CHECK(admin.save(file("key")));
    trust::AdminList list;
    list.network = crypto::hash_of("krait lab", crypto::Secret::random().bytes());
    list.administrators = {{.key = admin.verify_key(), .role = trust::Role::admin, .name = "lab"}};
    network_.lists = {sign(std::move(list), admin)};
    KRAIT_TRY(auto nobody, trust::PolicyBook::of({}));
    network_.policy_book = std::move(nobody);
    KRAIT_CHECK(sign_policy());
    KRAIT_CHECK(sign_hosts());
    return save();
  }

  Result<void> load() {
    KRAIT_TRY(const auto list, read("list", trust::parse_admin_list));
    network_.lists = {list};
    KRAIT_TRY(network_.hosts_book, read("hosts.book", trust::HostsBook::load));
    KRAIT_TRY(network_.policy_book, read("policy.book", trust::PolicyBook::load));
    KRAIT_TRY(network_.hosts, read("hosts", trust::parse_hosts_statement));
    KRAIT_TRY(network_.policy, read("policy", trust::parse_policy_statement));
    return {};
  }

  Result<void> save() const {
    KRAIT_CHECK(write("list", encode(network_.lists[0])));
    KRAIT_CHECK(write("hosts.book", network_.hosts_book.save()));
    KRAIT_CHECK(write("policy.book", network_.policy_book.save()));
    KRAIT_CHECK(write("hosts", encode(network_.hosts)));
    return write("policy", encode(network_.policy));
  }

  Result<void> sign_hosts() {
    KRAIT_TRY(const auto admin, crypto::SigningKey::load(file("key"), "krait-lab-network"));
    network_.hosts = sign(trust::HostsStatement{.network = network_.lists[0].value.network,
                                                .revision = next_revision(),
                                                .policy_at_least = network_.policy.value.revision,
                                                .made_s = 0,
                                                .root = network_.hosts_book.root()},
                          admin);
    return {};
  }

  Result<void> sign_policy() {
    KRAIT_TRY(const auto admin, crypto::SigningKey::load(file("key"), "krait-lab-network"));
    network_.policy = sign(trust::PolicyStatement{.network = network_.lists[0].value.network,
                                                  .revision = next_revision(),
                                                  .hosts_at_least = network_.hosts.value.revision,
                                                  .made_s = 0,
                                                  .root = network_.policy_book.root()},
                           admin);
    return {};
  }

  trust::Network& network() { return network_; }

 private:
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }
  [[nodiscard]] std::uint64_t next_revision() const {
    return std::max(network_.hosts.value.revision, network_.policy.value.revision) + 1;
  }
  Result<void> write(const char* name, const trust::Bytes& bytes) const {
    return common::write_file(file(name), text_of(bytes), 0600);
  }
  template <typename T>
  Result<T> read(const char* name, Result<T> (*parse)(trust::BytesView)) const {
    KRAIT_TRY(const auto text, common::read_file(file(name), kMaxBytes));
    return parse(bytes_of(text));
  }

  std::string path_;
  trust::Network network_;
};

Error wrong_use() { return {ErrorCode::invalid_input, kUsage}; }

Result<std::vector<trust::Advice>> advice_of(const Words& words, std::size_t first) {
  std::vector<trust::Advice> advice;
  for (std::size_t i = first; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const auto endpoint =
        equals == std::string::npos ? std::nullopt : common::Endpoint::parse(words[i].substr(equals + 1));
    if (!endpoint) {
      return wrong_use();
    }
    advice.push_back({.host = words[i].substr(0, equals), .endpoint = endpoint, .keepalive_s = 0});
  }
  return advice;
}

Result<void> do_init(const Words& words) { return Folder(words[0]).begin(); }

Result<void> do_bind(const Words& words) {
  Folder folder(words[0]);
  KRAIT_CHECK(folder.load());
  const auto key = model::parse_public_key(words[3]);
  if (!key) {
    return wrong_use();
  }
  trust::HostBinding binding{.name = words[1],
                             .identity = words[2],
                             .key = *key,
                             .host_key = {},
                             .key_serial = 0,
                             .addresses = {},
                             .routes = {}};
  for (std::size_t i = 4; i < words.size(); ++i) {
    const auto ip = common::Ip::parse(words[i]);
    if (!ip) {
      return wrong_use();
    }
    binding.addresses.push_back(*ip);
  }
  std::ranges::sort(binding.addresses);
  KRAIT_CHECK(folder.network().hosts_book.put(binding));
  KRAIT_CHECK(folder.sign_hosts());
  return folder.save();
}

Result<void> do_remove(const Words& words) {
  Folder folder(words[0]);
  KRAIT_CHECK(folder.load());
  folder.network().hosts_book.remove(words[1]);
  KRAIT_CHECK(folder.sign_hosts());
  return folder.save();
}

Result<void> do_policy(const Words& words) {
  Folder folder(words[0]);
  KRAIT_CHECK(folder.load());
  KRAIT_TRY(const auto loaded, config::load_policy(words[1]));
  KRAIT_TRY(auto book, trust::PolicyBook::of(loaded));
  folder.network().policy_book = std::move(book);
  KRAIT_CHECK(folder.sign_policy());
  return folder.save();
}

Result<trust::State> state_of(Folder& folder, const Words& words) {
  KRAIT_CHECK(folder.load());
  KRAIT_TRY(auto advice, advice_of(words, 3));
  return trust::state_for(folder.network(), words[1], 1, std::move(advice));
}

Result<void> do_state(const Words& words) {
  Folder folder(words[0]);
  KRAIT_TRY(const auto made, state_of(folder, words));
  return common::write_file(words[2], text_of(encode_state(made)), 0644);
}

Result<void> do_kept(const Words& words) {
  Folder folder(words[0]);
  KRAIT_TRY(const auto made, state_of(folder, words));
  KRAIT_TRY(const auto host, plan::load_joined_host(words[2]));
  const trust::Anchor anchor{.list = folder.network().lists[0]};
  KRAIT_CHECK(plan::save_kept(host, plan::kept_text(anchor, made)));
  return plan::save_confirmed(host, common::now().unix_ns / 1'000'000'000);
}

Result<void> do_ask(const Words& words) {
  constexpr std::array kRequests{
      std::pair("take_state", control::Request::take_state),
      std::pair("confirm_state", control::Request::confirm_state), std::pair("endpoints", control::Request::endpoints),
      std::pair("allow_older", control::Request::allow_older), std::pair("reload", control::Request::reload)};
  const auto request = std::ranges::find(kRequests, words[1], [](const auto& one) { return one.first; });
  if (request == kRequests.end()) {
    return wrong_use();
  }
  if (words.size() > 2) {
    const auto user = static_cast<uid_t>(std::stoul(words[2]));
    if (::setgid(user) != 0 || ::setuid(user) != 0) {
      return Error::from_errno(errno, "become the user " + words[2]);
    }
  }
  KRAIT_TRY(const auto answer, control::ask(words[0], request->second));
  std::fputs(common::json_line(answer).c_str(), stdout);
  return {};
}

struct Command {
  std::size_t least;  // words
  std::function<Result<void>(const Words&)> run;
};

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, Command, std::less<>> commands{
      {"init", {1, do_init}},   {"bind", {5, do_bind}}, {"remove", {2, do_remove}}, {"policy", {2, do_policy}},
      {"state", {3, do_state}}, {"kept", {3, do_kept}}, {"ask", {2, do_ask}}};
  const Words words(argv + std::min(argc, 2), argv + argc);
  const auto command = commands.find(argc > 1 ? argv[1] : "");
  const bool is_wrong = command == commands.end() || words.size() < command->second.least;
  const Result<void> done = is_wrong ? Result<void>(wrong_use()) : command->second.run(words);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().text().c_str());
    return common::exit_code(done.error());
  }
  return 0;
}
