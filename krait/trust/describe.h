// How each item is laid out. docs/signed_state.md shows the same as a table.
#pragma once

#include <type_traits>

#include "krait/abi/selector.h"
#include "krait/trust/codec.h"

namespace krait::trust {

// The first byte of every item: what it is, in this layout. Another layout gets another number.
enum class Kind : std::uint8_t {
  admin_list = 1,
  hosts_statement = 2,
  policy_statement = 3,
  grant = 4,
  joined_host = 5,
  key_change = 6,
  host_binding = 16,
  owner = 17,    // whose an address or a route is
  removed = 18,  // that a grant or a joined host was taken back
  identity = 32,
  settings = 33,
  pair_rules = 34,
  settings_with_preshared_keys = 35,
  anchor = 64,
  state = 65,
  hosts_book = 66,
  policy_book = 67,
  kept = 68,
};

inline constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // the end of the year 9999

template <typename Codec>
void describe_kind(Codec& codec, Kind kind) {
  auto number = static_cast<std::uint8_t>(kind);
  codec.integer(number);
  codec.require(number == static_cast<std::uint8_t>(kind), "of another kind, or of a newer version of krait");
}

template <typename Codec, typename Value>
void describe_seconds(Codec& codec, Value& seconds) {
  codec.integer(seconds);
  codec.require(seconds >= 0 && seconds <= kMaxSeconds, "a time before 1970 or after 9999");
}

template <typename Codec, typename Value>
void describe_routes(Codec& codec, Value& routes) {
  codec.list(routes, kMaxRoutes, [](auto& inner, auto& route) {
    describe_prefix(inner, route.prefix);
    describe_name(inner, route.identity);
  });
  codec.require(ascends(routes, &Route::prefix), "routes out of order");
}

// As the template takes it: const for a Writer.
template <typename Value, typename T>
concept Like = std::is_same_v<std::remove_const_t<Value>, T>;

template <typename Codec, Like<HostBinding> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::host_binding);
  describe_name(codec, value.name);
  describe_name(codec, value.identity);
  codec.raw(value.key);
  codec.raw(value.host_key.bytes);
  codec.integer(value.key_serial);
  codec.list(value.addresses, kMaxAddresses, [](auto& inner, auto& ip) { describe_ip(inner, ip); });
  codec.require(!value.addresses.empty() && ascends(value.addresses), "addresses missing or out of order");
  describe_routes(codec, value.routes);
}

template <typename Codec, Like<KeyChange> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::key_change);
  codec.raw(value.network);
  describe_name(codec, value.host);
  codec.integer(value.serial);
  codec.raw(value.key);
  codec.optional(value.next_key, [](auto& inner, auto& key) { inner.raw(key); });
}

template <typename Codec, Like<Grant> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::grant);
  codec.raw(value.network);
  codec.raw(value.token.bytes);
  describe_name(codec, value.identity);
  describe_routes(codec, value.routes);
  codec.list(value.pools, kMaxPools, [](auto& inner, auto& pool) { describe_prefix(inner, pool); });
  codec.require(!value.pools.empty() && ascends(value.pools), "pools missing or out of order");
  describe_seconds(codec, value.made_s);
  describe_seconds(codec, value.expires_s);
  codec.integer(value.uses);
  codec.require(value.uses >= 1 && value.uses <= kMaxUses, "a number of uses that is not allowed");
  codec.require(value.routes.empty() || value.uses == 1, "routes for more than one host");
}

template <typename Codec, Like<JoinedHost> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::joined_host);
  codec.raw(value.grant);
  describe_seconds(codec, value.made_s);
  describe(codec, value.binding);
}

template <typename Codec, Like<AdminList> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::admin_list);
  codec.raw(value.network);
  codec.integer(value.version);
  codec.require(value.version >= 1, "a version of 0");
  codec.list(value.administrators, kMaxAdministrators, [](auto& inner, auto& administrator) {
    inner.raw(administrator.key.bytes);
    auto role = static_cast<std::uint8_t>(administrator.role);
    inner.integer(role);
    inner.require(role >= 1 && role <= 3, "a role that is none");
    if constexpr (std::remove_reference_t<decltype(inner)>::kReads) {
      administrator.role = static_cast<Role>(role);
    }
    describe_name(inner, administrator.name);
  });
  codec.require(ascends(value.administrators, &Administrator::key), "administrators out of order");
  codec.require(std::ranges::any_of(value.administrators, [](const auto& one) { return one.role == Role::admin; }),
                "no admin in the list");
}

template <typename Codec, Like<HostsStatement> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::hosts_statement);
  codec.raw(value.network);
  codec.integer(value.revision);
  codec.integer(value.policy_at_least);
  describe_seconds(codec, value.made_s);
  codec.raw(value.root);
}

template <typename Codec, Like<PolicyStatement> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::policy_statement);
  codec.raw(value.network);
  codec.integer(value.revision);
  codec.integer(value.hosts_at_least);
  describe_seconds(codec, value.made_s);
  codec.raw(value.root);
}

// "*" or a name.
template <typename Codec, typename Text>
void describe_identity(Codec& codec, Text& name) {
  codec.text(name, kMaxNameBytes);
  codec.require(name == kAnyIdentity || is_name(name), "an identity's name that is none");
}

template <typename Codec, typename Value>
void describe_tag(Codec& codec, Value& value, std::string_view name) {
  codec.integer(value);
  codec.require((value == 0) == (name == kAnyIdentity), "a tag of 0");
}

template <typename Codec, typename Value>
void describe_selectors(Codec& codec, Value& selectors) {
  codec.list(selectors, kMaxSelectorRanges, [](auto& inner, auto& range) {
    inner.integer(range.first);
    inner.integer(range.last);
    inner.require(range.first <= range.last && range.last < KRAIT_SELECTORS, "ports that are none");
  });
  const bool touches = std::ranges::adjacent_find(selectors, [](const auto& a, const auto& b) {
                         return b.first <= a.last + 1;
                       }) != selectors.end();
  codec.require(!selectors.empty() && !touches, "ports missing or out of order");
}

template <typename Codec, Like<PairRule> Value>
void describe(Codec& codec, Value& value) {
  codec.text(value.name, kMaxRuleNameBytes);
  codec.require(is_rule_name(value.name) && !value.name.starts_with(kOwnRules), "a rule's name that is none");
  codec.truth(value.forward);
  bool allows = value.action == model::Action::allow;
  codec.truth(allows);
  if constexpr (Codec::kReads) {
    value.action = allows ? model::Action::allow : model::Action::deny;
  }
  describe_selectors(codec, value.selectors);
  codec.optional(value.expires, [](auto& inner, auto& expires) {
    bool is_duration = expires.kind == model::Expiry::Kind::after;
    inner.truth(is_duration);
    if constexpr (std::remove_reference_t<decltype(inner)>::kReads) {
      expires.kind = is_duration ? model::Expiry::Kind::after : model::Expiry::Kind::at;
    }
    describe_seconds(inner, expires.seconds);
  });
  codec.truth(value.log);
  codec.truth(value.reject);
  codec.truth(value.outlasts_lease);
}

template <typename Codec, Like<PairRules> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::pair_rules);
  describe_identity(codec, value.other);
  describe_tag(codec, value.tag, value.other);
  codec.list(value.rules, kMaxRulesOfPair, [](auto& inner, auto& rule) { describe(inner, rule); });
  codec.require(!value.rules.empty() &&
                    ascends(value.rules,
                            [](const PairRule& rule) { return std::pair(std::string_view(rule.name), !rule.forward); }),
                "rules missing or out of order");
}

template <typename Codec, Like<IdentityItem> Value>
void describe(Codec& codec, Value& value) {
  describe_kind(codec, Kind::identity);
  describe_identity(codec, value.name);
  describe_tag(codec, value.tag, value.name);
  codec.raw(value.row);
}

template <typename Codec, Like<Settings> Value>
void describe(Codec& codec, Value& value) {
  if constexpr (Codec::kReads) {
    value.preshared_keys = codec.is_next(static_cast<std::uint8_t>(Kind::settings_with_preshared_keys));
  }
  describe_kind(codec, value.preshared_keys ? Kind::settings_with_preshared_keys : Kind::settings);
  codec.integer(value.lease_s);
}

template <typename Codec, typename Value>
void describe_signed(Codec& codec, Value& value) {
  describe(codec, value.value);
  codec.raw(value.signer.bytes);
  codec.raw(value.signature);
}

template <typename T>
Bytes encoded(const T& value) {
  Writer writer;
  describe(writer, value);
  return writer.take();
}

template <typename T>
common::Result<T> parsed(BytesView bytes, std::string_view what) {
  Reader reader(bytes, what);
  T value{};
  describe(reader, value);
  KRAIT_CHECK(reader.finish());
  return value;
}

}  // namespace krait::trust
