#include "krait/join/join.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/event/loop.h"
#include "common/file.h"
#include "krait/control/version.h"
#include "krait/fleet/join_token.h"
#include "krait/plan/joined.h"
#include "krait/trust/author.h"
#include "krait/wire/connection.h"
#include "krait/wire/message.h"
#include "krait/wire/talk.h"
#include "krait/wireguard/key.h"

namespace krait::join {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr std::size_t kMaxKeyBytes = 16384;
constexpr wire::FrameLimits kFrames{.incoming_bytes = wire::kMaxStateFrameBytes, .queued_bytes = std::size_t{1} << 20U};

std::string program() { return fmt::format("krait-join {}", control::kVersion); }

trust::BytesView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string text_of(const trust::Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// What the host is on the wire and in signatures; made where it is missing.
struct Keys {
  wire::KeyPair link;
  crypto::SigningKey host;
  wireguard::PrivateKey wireguard;
};

Result<wire::KeyPair> link_key(const std::string& file) {
  if (exists(file)) {
    KRAIT_TRY(const auto pem, common::read_file(file, kMaxKeyBytes));
    return wire::parse_key_pair(pem);
  }
  KRAIT_TRY(auto key, wire::make_key_pair());
  KRAIT_CHECK(common::write_file(file, key.pem, 0600));
  return key;
}

Result<crypto::SigningKey> host_key(const std::string& file) {
  if (exists(file)) {
    return crypto::SigningKey::load(file, "krait join");
  }
  auto key = crypto::SigningKey::generate();
  KRAIT_CHECK(key.save(file));
  return key;
}

Result<wireguard::PrivateKey> wireguard_key(const std::string& file) {
  if (exists(file)) {
    return wireguard::PrivateKey::load(file);
  }
  auto key = wireguard::PrivateKey::generate();
  KRAIT_CHECK(key.save(file));
  return key;
}

Result<Keys> own_keys(const JoinOptions& options) {
  KRAIT_CHECK(common::make_directory_of(options.files.folder + "/", 0755));
  KRAIT_CHECK(common::make_directory_of(options.private_key_file, 0700));
  KRAIT_TRY(auto link, link_key(options.files.key()), "the link's key");
  KRAIT_TRY(auto host, host_key(options.files.host_key()), "the host's signing key");
  KRAIT_TRY(auto wireguard, wireguard_key(options.private_key_file), "WireGuard's key");
  return Keys{std::move(link), std::move(host), std::move(wireguard)};
}

// The joining host's side of it.
class Joiner {
 public:
  Joiner(const JoinOptions& options, const Keys& keys, const fleet::JoinToken& token)
      : options_(options), keys_(keys), token_(token) {}

  Result<void> answer(wire::Talk& talk, wire::Message& message) {
    if (auto* welcome = std::get_if<wire::Welcome>(&message)) {
      return on_welcome(talk, *welcome);
    }
    if (auto* offer = std::get_if<wire::Offer>(&message)) {
      return on_offer(talk, *offer);
    }
    if (auto* joined = std::get_if<wire::Joined>(&message)) {
      return on_joined(talk, *joined);
    }
    if (auto* state = std::get_if<wire::State>(&message)) {
      return on_state(talk, *state);
    }
    return {};
  }

  // The list that the token names: what this host believes from the start.
  Result<trust::Signed<trust::AdminList>> anchor_list() const {
    for (const auto& list : lists_) {
      if (trust::admin_list_id(list) == token_.admin_list) {
        return list;
      }
    }
    return Error(ErrorCode::permission, "the coordinator does not show the administrators that the token names");
  }

  Joined result;
  std::string state_bytes;

 private:
  Result<void> on_welcome(wire::Talk& talk, const wire::Welcome& /*welcome*/) {
    const auto key = crypto::SigningKey::of(crypto::Secret::of(token_.seed.bytes()));
    talk.send(wire::Join{.token = key.verify_key().bytes,
                         .name = options_.name,
                         .wireguard_key = keys_.wireguard.public_key(),
                         .listen_port = options_.listen_port,
                         .endpoints = options_.endpoints,
                         .behind_nat = options_.behind_nat,
                         .addresses = options_.addresses});
    return {};
  }

  // Signs only for what an administrator, whom the token names, has granted.
  Result<void> on_offer(wire::Talk& talk, const wire::Offer& offer) {
    KRAIT_TRY(const auto grant, trust::parse_grant(view_of(offer.grant)));
    for (const std::string& bytes : offer.admin_lists) {
      KRAIT_TRY(auto list, trust::parse_admin_list(view_of(bytes)));
      lists_.push_back(std::move(list));
    }
    KRAIT_TRY(auto list, anchor_list());
    for (const auto& next : lists_) {
      if (next.value.version == list.value.version + 1) {
        if (!trust::may_sign_hosts(list.value, next.signer) || !trust::is_genuine(next)) {
          return Error(ErrorCode::permission, "a list of administrators is not signed by one of the list before");
        }
        list = next;
      }
    }
    trust::HostBinding binding{.name = offer.name,
                               .identity = grant.value.identity,
                               .key = keys_.wireguard.public_key(),
                               .host_key = keys_.host.verify_key(),
                               .key_serial = 0,
                               .addresses = {},
                               .routes = grant.value.routes};
    for (const std::string& text : offer.addresses) {
      const auto address = common::Ip::parse(text);
      if (!address) {
        return Error(ErrorCode::invalid_input, "the coordinator offers no address: " + text);
      }
      binding.addresses.push_back(*address);
    }
    const auto key = crypto::SigningKey::of(crypto::Secret::of(token_.seed.bytes()));
    const auto joined = trust::sign(trust::JoinedHost{.grant = trust::grant_id(grant),
                                                      .made_s = std::clamp(common::now().unix_ns / 1'000'000'000,
                                                                           grant.value.made_s, grant.value.expires_s),
                                                      .binding = std::move(binding)},
                                    key);
    KRAIT_CHECK(trust::check_vouched(grant, joined, list.value));
    talk.send(wire::Seal{text_of(trust::encode(joined))});
    return {};
  }

  Result<void> on_joined(wire::Talk& talk, const wire::Joined& joined) {
    result.name = joined.name;
    result.addresses = joined.addresses;
    result.waits_for_approval = joined.waits_for_approval;
    if (joined.waits_for_approval) {
      talk.end();
      return {};
    }
    talk.send(wire::Watch{});
    return {};
  }

  Result<void> on_state(wire::Talk& talk, const wire::State& state) {
    if (state_bytes.size() + state.bytes.size() > trust::kMaxStateBytes) {
      return Error(ErrorCode::limit, "the coordinator sends a state that is too large");
    }
    state_bytes += state.bytes;
    if (state.more) {
      return {};
    }
    KRAIT_TRY(const auto parsed, trust::parse_state(view_of(state_bytes)));
    lists_.insert(lists_.end(), parsed.lists.begin(), parsed.lists.end());
    talk.end();
    return {};
  }

  const JoinOptions& options_;
  const Keys& keys_;
  const fleet::JoinToken& token_;
  std::vector<trust::Signed<trust::AdminList>> lists_;
};

// To the user's, where there is such a user.
void give_to(const std::string& user, const std::vector<std::string>& paths) {
  const passwd* found = ::getpwnam(user.c_str());
  for (const std::string& path : paths) {
    if (found != nullptr && ::geteuid() == 0) {
      std::ignore = ::lchown(path.c_str(), found->pw_uid, found->pw_gid);
    }
  }
}

Result<void> write_files(const JoinOptions& options, const fleet::JoinToken& token, const Joined& joined,
                         const std::string& kept, const std::string& state) {
  const plan::JoinedHost host{.file = options.joined_file,
                              .name = joined.name,
                              .interface = options.interface,
                              .listen_port = options.listen_port,
                              .private_key_file = options.private_key_file,
                              .offered_file = options.files.offered()};
  const link::Membership membership{.name = joined.name,
                                    .addresses = token.addresses,
                                    .server_key = token.server_key,
                                    .endpoints = options.endpoints,
                                    .listen_port = options.listen_port};
  const std::string folder = common::directory_of(options.joined_file);
  KRAIT_CHECK(common::make_directory_of(options.joined_file, 0700));
  KRAIT_CHECK(common::write_file(options.files.membership(), link::membership_text(membership), 0600));
  KRAIT_CHECK(common::write_file(options.files.offered(), state, 0644));
  KRAIT_CHECK(plan::save_kept(host, kept));
  KRAIT_CHECK(plan::save_confirmed(host, common::now().unix_ns / 1'000'000'000));
  KRAIT_CHECK(plan::make_pair_key(host), "what keys of pairs are computed by");
  // Last: from here on the agent goes by it.
  KRAIT_CHECK(common::write_file(options.joined_file, plan::joined_host_text(host), 0600));
  give_to("krait", {folder, options.joined_file, host.kept_file(), host.confirmed_file(), host.pair_key_file(),
                    options.private_key_file});
  give_to("krait-link", {options.files.folder, options.files.key(), options.files.host_key(),
                         options.files.membership(), options.files.offered()});
  return {};
}

// At the first of the addresses where somebody answers.
template <typename Converse>
Result<void> at_any(const std::vector<std::string>& addresses, const Converse& converse) {
  Result<void> done = Error(ErrorCode::unavailable, "no coordinator is known");
  for (const std::string& address : addresses) {
    done = converse(address);
    if (done || done.error().code() != ErrorCode::unavailable) {
      return done ? Result<void>() : std::move(done.error()).with_context("join by " + address);
    }
    done = std::move(done.error()).with_context(address);
  }
  return done;
}

}  // namespace

Result<Joined> join(const JoinOptions& options) {
  KRAIT_TRY(const auto token, fleet::parse_token_text(options.token));
  if (const auto former = link::load_membership(options.files); former && former->server_key != token.server_key) {
    return Error(ErrorCode::invalid_input, "this host is in another network; sudo krait leave, then join again");
  }
  KRAIT_TRY(const auto keys, own_keys(options));
  KRAIT_TRY(const auto tls, wire::Tls::create(wire::Side::client, keys.link));
  KRAIT_TRY(const auto loop, common::Loop::create());
  Joiner joiner(options, keys, token);
  KRAIT_CHECK(at_any(token.addresses, [&](const std::string& address) {
    wire::Talk talk(*loop, *tls, {token.server_key, program(), kFrames});
    talk.set_answer([&](wire::Message& message) { return joiner.answer(talk, message); });
    return talk.run(address, kPatience);
  }));
  if (joiner.result.waits_for_approval) {
    return std::move(joiner.result);
  }
  KRAIT_TRY(const auto list, joiner.anchor_list());
  KRAIT_TRY(const auto state, trust::parse_state(view_of(joiner.state_bytes)));
  trust::Anchor anchor{.list = list};
  KRAIT_TRY(const auto verified,
            trust::verify_state(state, anchor, {.name = joiner.result.name, .key = keys.wireguard.public_key()}),
            "the coordinator's first state");
  joiner.result.identity = verified.self.binding.identity;
  KRAIT_CHECK(write_files(options, token, joiner.result, plan::kept_text(anchor, state), joiner.state_bytes));
  return std::move(joiner.result);
}

Result<Left> leave(const JoinOptions& options) {
  KRAIT_TRY(const auto membership, link::load_membership(options.files));
  Left left;
  const auto told = [&]() -> Result<void> {
    KRAIT_TRY(const auto key, link_key(options.files.key()));
    KRAIT_TRY(const auto tls, wire::Tls::create(wire::Side::client, key));
    KRAIT_TRY(const auto loop, common::Loop::create());
    return at_any(membership.addresses, [&](const std::string& address) {
      wire::Talk talk(*loop, *tls, {membership.server_key, program(), kFrames});
      bool said = false;
      talk.set_answer([&](wire::Message& message) -> Result<void> {
        if (std::holds_alternative<wire::Welcome>(message)) {
          talk.send(wire::Leave{});
          said = true;
        }
        return {};
      });
      auto done = talk.run(address, kPatience);
      // The coordinator ends the connection once the host is struck off.
      return said ? Result<void>() : std::move(done);
    });
  }();
  left.told = told.has_value();
  left.why_not = told ? "" : told.error().text();
  plan::JoinedHost host;
  host.file = options.joined_file;
  for (const std::string& file :
       {options.joined_file, host.kept_file(), host.confirmed_file(), host.pair_key_file(), options.files.membership(),
        options.files.key(), options.files.host_key(), options.files.offered()}) {
    ::unlink(file.c_str());
  }
  return left;
}

}  // namespace krait::join
