// For tests and benchmarks: an administrator of a small network, with keys made from numbers.
#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "krait/config/load.h"
#include "krait/fleet/network.h"

namespace krait::fleet {

inline constexpr std::int64_t kNow = 1'700'000'000;

class TestAuthor {
 public:
  explicit TestAuthor(std::uint8_t number = 200) : key_(signing_key(number)) {}

  static crypto::SigningKey signing_key(std::uint8_t number) {
    std::array<std::uint8_t, 32> seed{};
    seed.fill(number);
    return crypto::SigningKey::of(crypto::Secret::of(seed));
  }

  [[nodiscard]] static crypto::Hash network_id() { return crypto::hash_of("krait test", "network"); }

  [[nodiscard]] std::vector<Row> found(const std::string& prefix4 = "10.90.0.0/29") const {
    const trust::AdminList list{
        .network = network_id(), .version = 1, .administrators = {{key_.verify_key(), trust::Role::admin, "alice"}}};
    Settings settings;
    settings.name = "test";
    settings.prefixes = {*common::Prefix::parse(prefix4), *common::Prefix::parse("fd90::/64")};
    return fleet::found(
        settings, trust::sign(list, key_),
        trust::sign(trust::HostsStatement{.network = network_id(), .revision = 1, .made_s = kNow}, key_),
        trust::sign(trust::PolicyStatement{.network = network_id(), .revision = 1, .made_s = kNow}, key_));
  }

  // `allowed`: "FROM TO", by tcp/5432.
  [[nodiscard]] static std::string policy_text(const std::string& identities, const std::string& allowed) {
    std::string text;
    std::istringstream names(identities);
    for (std::string name; names >> name;) {
      text += "[[identity]]\nname = \"" + name + "\"\n";
    }
    std::istringstream pair(allowed);
    std::string from;
    std::string to;
    pair >> from >> to;
    return text + "[[rule]]\nname = \"rule\"\naction = \"allow\"\nfrom = [\"" + from + "\"]\nto = [\"" + to +
           "\"]\nports = [\"tcp/5432\"]\n";
  }

  [[nodiscard]] common::Result<std::vector<Row>> apply(const Network& network, const std::string& identities,
                                                       const std::string& allowed) const {
    return apply_text(network, policy_text(identities, allowed));
  }
  [[nodiscard]] common::Result<std::vector<Row>> apply_text(const Network& network, const std::string& text) const {
    KRAIT_TRY(const auto model, config::parse_policy(text, "policy.toml"));
    KRAIT_TRY(const auto book, trust::PolicyBook::of(model));
    const trust::PolicyStatement statement{.network = network_id(),
                                           .revision = network.trusted().policy.value.revision + 1,
                                           .hosts_at_least = network.trusted().hosts.value.revision,
                                           .made_s = kNow,
                                           .root = book.root()};
    return network.apply_policy({.text = text, .who = "alice", .what = "apply", .at_s = kNow},
                                trust::sign(statement, key_));
  }

  [[nodiscard]] trust::Signed<trust::HostsStatement> statement(const Network& network, const HostsEdit& edit) const {
    trust::HostsBook book = network.trusted().hosts_book;
    for (const std::string& name : edit.remove) {
      book.remove(name);
    }
    for (const crypto::Hash& hash : edit.take_back) {
      book.take_back(hash);
    }
    for (const trust::HostBinding& bound : edit.put) {
      std::ignore = book.put(bound);
    }
    return trust::sign(trust::HostsStatement{.network = network_id(),
                                             .revision = network.trusted().hosts.value.revision + 1,
                                             .policy_at_least = network.trusted().policy.value.revision,
                                             .made_s = kNow,
                                             .root = book.root()},
                       key_);
  }
  [[nodiscard]] common::Result<std::vector<Row>> remove(const Network& network, const std::string& name,
                                                        std::int64_t now_s) const {
    HostsEdit edit{.remove = {name}};
    if (const auto joined = network.trusted().joined.find(name); joined != network.trusted().joined.end()) {
      edit.take_back.push_back(trust::joined_id(joined->second.host));
    }
    return network.edit_hosts(edit, statement(network, edit), now_s);
  }

  [[nodiscard]] Token token(const std::string& identity, std::uint8_t number, std::int64_t made_s = kNow,
                            std::uint32_t uses = 1) const {
    const trust::Grant grant{.network = network_id(),
                             .token = signing_key(number).verify_key(),
                             .identity = identity,
                             .routes = {},
                             .pools = {*common::Prefix::parse("10.90.0.0/29"), *common::Prefix::parse("fd90::/64")},
                             .made_s = made_s,
                             .expires_s = made_s + 3600,
                             .uses = uses};
    return {.grant = trust::sign(grant, key_), .note = "", .who = "alice", .uses_left = uses};
  }

  [[nodiscard]] static Applicant applicant(const std::string& name, std::uint8_t number) {
    Applicant applicant;
    applicant.token = signing_key(number).verify_key();
    applicant.name = name;
    applicant.key.fill(number);
    applicant.link_key.fill(number);
    applicant.endpoints = {*common::Endpoint::parse("192.0.2." + std::to_string(number) + ":51820")};
    applicant.listen_port = 51820;
    return applicant;
  }

  [[nodiscard]] static trust::Signed<trust::JoinedHost> seal(const Offer& offer, std::uint8_t number) {
    const trust::HostBinding binding{.name = offer.name,
                                     .identity = offer.grant.value.identity,
                                     .key = offer.key,
                                     .host_key = signing_key(static_cast<std::uint8_t>(number + 100)).verify_key(),
                                     .key_serial = 0,
                                     .addresses = offer.addresses,
                                     .routes = offer.grant.value.routes};
    return trust::sign(
        trust::JoinedHost{
            .grant = trust::grant_id(offer.grant), .made_s = offer.grant.value.made_s, .binding = binding},
        signing_key(number));
  }

 private:
  crypto::SigningKey key_;
};

}  // namespace krait::fleet
