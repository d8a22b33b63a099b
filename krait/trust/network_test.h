// A small network for tests: two web servers, a database, an office behind a gateway, a jump host; keys from numbers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "krait/config/load.h"
#include "krait/trust/author.h"
#include "krait/trust/naive_state.h"

namespace krait::trust {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

inline crypto::SigningKey key_of(std::uint8_t number) {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(number);
  return crypto::SigningKey::of(crypto::Secret::of(seed));
}

inline model::PublicKey wireguard_key(std::uint8_t number) {
  model::PublicKey key{};
  key.fill(number);
  return key;
}

constexpr std::uint8_t kAdmin = 1;
constexpr std::uint8_t kPolicyAdmin = 2;
constexpr std::uint8_t kReader = 3;
constexpr std::uint8_t kToken = 4;

constexpr std::string_view kPolicy = R"(
[[identity]]
name = "web"
[[identity]]
name = "db"
tag = 77
[[identity]]
name = "office"
[[identity]]
name = "gateway"
[[identity]]
name = "jump"
[[identity]]
name = "lonely"

[[rule]]
name = "web to db"
action = "allow"
from = ["web", "office"]
to = "db"
ports = ["tcp/5432", "icmp"]
log = true

[[rule]]
name = "no telnet for web"
action = "deny"
from = "web"
to = "*"
ports = "tcp/23"
reject = true

[[rule]]
name = "ssh from jump"
action = "allow"
from = "jump"
to = ["web", "db", "gateway", "jump"]
ports = "tcp/22"
expires = "2030-01-01T00:00:00Z"

[[rule]]
name = "not to db by night"
action = "deny"
from = "office"
to = "db"
ports = "tcp/5000-6000"
expires = "8h"
)";

inline model::Policy policy_of(std::string_view text) {
  auto policy = config::parse_policy(text, "policy.toml");
  EXPECT_TRUE(policy) << policy.error().text();
  return policy ? std::move(*policy) : model::Policy();
}

inline common::Ip ip(std::string_view text) { return *common::Ip::parse(text); }

inline HostBinding host(const std::string& name, const std::string& identity, std::uint8_t number) {
  return {.name = name,
          .identity = identity,
          .key = wireguard_key(number),
          .host_key = key_of(number).verify_key(),
          .key_serial = 0,
          .addresses = {ip("10.90.0." + std::to_string(number)), ip("fd90::" + std::to_string(number))},
          .routes = {}};
}

// Who signs what, and how often they have.
class Authors {
 public:
  AdminList list() const {
    AdminList list{.network = crypto::hash_of("krait test", "network"), .version = 1, .administrators = {}};
    list.administrators = {{key_of(kAdmin).verify_key(), Role::admin, "alice"},
                           {key_of(kPolicyAdmin).verify_key(), Role::policy, "paul"},
                           {key_of(kReader).verify_key(), Role::read, "rita"}};
    std::ranges::sort(list.administrators, {}, &Administrator::key);
    return list;
  }

  // Revision 1 of everything.
  Network network() {
    Network network;
    network.lists = {sign(list(), key_of(kAdmin))};
    for (const auto& [name, identity, number] :
         {std::tuple("web1", "web", 11), {"web2", "web", 12}, {"db1", "db", 13}, {"jump1", "jump", 15}}) {
      EXPECT_TRUE(network.hosts_book.put(host(name, identity, static_cast<std::uint8_t>(number))));
    }
    HostBinding gateway = host("gate1", "gateway", 14);
    gateway.routes = {{*common::Prefix::parse("10.20.0.0/16"), "office"}};
    EXPECT_TRUE(network.hosts_book.put(gateway));
    EXPECT_TRUE(network.hosts_book.put(host("lonely1", "lonely", 16)));
    set_policy(network, kPolicy);
    sign_hosts(network);
    return network;
  }

  void set_policy(Network& network, std::string_view text, std::uint8_t signer = kAdmin) {
    auto book = PolicyBook::of(policy_of(text), {});
    ASSERT_TRUE(book) << book.error().text();
    network.policy_book = std::move(*book);
    network.policy = sign(PolicyStatement{.network = list().network,
                                          .revision = ++revision_,
                                          .hosts_at_least = network.hosts.value.revision,
                                          .made_s = 1000,
                                          .root = network.policy_book.root()},
                          key_of(signer));
  }

  void sign_hosts(Network& network, std::uint8_t signer = kAdmin) {
    network.hosts = sign(HostsStatement{.network = list().network,
                                        .revision = ++revision_,
                                        .policy_at_least = network.policy.value.revision,
                                        .made_s = 1000,
                                        .root = network.hosts_book.root()},
                         key_of(signer));
  }

  Grant grant() const {
    return {.network = list().network,
            .token = key_of(kToken).verify_key(),
            .identity = "web",
            .routes = {},
            .pools = {*common::Prefix::parse("10.90.0.0/24"), *common::Prefix::parse("fd90::/64")},
            .made_s = 1000,
            .expires_s = 5000,
            .uses = 2};
  }

  Joined joined(const HostBinding& binding, const Grant& grant) const {
    Joined joined{.grant = sign(grant, key_of(kAdmin)), .host = {}};
    joined.host = sign(JoinedHost{.grant = grant_id(joined.grant), .made_s = 2000, .binding = binding}, key_of(kToken));
    return joined;
  }

  [[nodiscard]] std::uint64_t revision() const { return revision_; }

 private:
  std::uint64_t revision_ = 0;
};

inline Asker asker(const Network& network, const std::string& name) {
  const HostBinding* binding = network.hosts_book.find(name);
  return {.name = name, .key = binding != nullptr ? binding->key : wireguard_key(0), .may_go_back = false};
}

}  // namespace krait::trust
