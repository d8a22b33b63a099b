#include "krait/trust/items.h"

#include "krait/trust/describe.h"

namespace krait::trust {

using common::Result;

namespace {

// What a signature is for; no two are the same, and none begins another.
template <typename T>
inline constexpr std::string_view kDomain = {};
template <>
inline constexpr std::string_view kDomain<KeyChange> = "krait key change 1";
template <>
inline constexpr std::string_view kDomain<Grant> = "krait grant 1";
template <>
inline constexpr std::string_view kDomain<JoinedHost> = "krait joined host 1";
template <>
inline constexpr std::string_view kDomain<AdminList> = "krait administrators 1";
template <>
inline constexpr std::string_view kDomain<HostsStatement> = "krait hosts 1";
template <>
inline constexpr std::string_view kDomain<PolicyStatement> = "krait policy 1";

template <typename T>
Bytes encoded_signed(const Signed<T>& value) {
  Writer writer;
  describe_signed(writer, value);
  return writer.take();
}

template <typename T>
Result<Signed<T>> parsed_signed(BytesView bytes, std::string_view what) {
  Reader reader(bytes, what);
  Signed<T> value{};
  describe_signed(reader, value);
  KRAIT_CHECK(reader.finish());
  return value;
}

template <typename T>
Signed<T> signed_by(T value, const crypto::SigningKey& key) {
  const Bytes bytes = encoded(value);
  return {.value = std::move(value), .signer = key.verify_key(), .signature = key.sign(kDomain<T>, bytes)};
}

template <typename T>
bool is_signed(const Signed<T>& value) {
  return crypto::verify(value.signer, kDomain<T>, encoded(value.value), value.signature);
}

}  // namespace

Bytes encode(const HostBinding& value) { return encoded(value); }
Bytes encode(const PairRules& value) { return encoded(value); }
Bytes encode(const IdentityItem& value) { return encoded(value); }
Bytes encode(const Settings& value) { return encoded(value); }
Bytes encode(const Signed<KeyChange>& value) { return encoded_signed(value); }
Bytes encode(const Signed<Grant>& value) { return encoded_signed(value); }
Bytes encode(const Signed<JoinedHost>& value) { return encoded_signed(value); }
Bytes encode(const Signed<AdminList>& value) { return encoded_signed(value); }
Bytes encode(const Signed<HostsStatement>& value) { return encoded_signed(value); }
Bytes encode(const Signed<PolicyStatement>& value) { return encoded_signed(value); }

Result<HostBinding> parse_host_binding(BytesView bytes) { return parsed<HostBinding>(bytes, "a host's binding"); }
Result<PairRules> parse_pair_rules(BytesView bytes) { return parsed<PairRules>(bytes, "the rules of a pair"); }
Result<IdentityItem> parse_identity_item(BytesView bytes) { return parsed<IdentityItem>(bytes, "an identity"); }
Result<Settings> parse_settings(BytesView bytes) { return parsed<Settings>(bytes, "the settings"); }
Result<Signed<KeyChange>> parse_key_change(BytesView bytes) { return parsed_signed<KeyChange>(bytes, "a key change"); }
Result<Signed<Grant>> parse_grant(BytesView bytes) { return parsed_signed<Grant>(bytes, "a token's grant"); }
Result<Signed<JoinedHost>> parse_joined_host(BytesView bytes) {
  return parsed_signed<JoinedHost>(bytes, "a joined host");
}
Result<Signed<AdminList>> parse_admin_list(BytesView bytes) {
  return parsed_signed<AdminList>(bytes, "the list of administrators");
}
Result<Signed<HostsStatement>> parse_hosts_statement(BytesView bytes) {
  return parsed_signed<HostsStatement>(bytes, "the root of hosts");
}
Result<Signed<PolicyStatement>> parse_policy_statement(BytesView bytes) {
  return parsed_signed<PolicyStatement>(bytes, "the root of the policy");
}

Signed<KeyChange> sign(KeyChange value, const crypto::SigningKey& key) { return signed_by(std::move(value), key); }
Signed<Grant> sign(Grant value, const crypto::SigningKey& key) { return signed_by(std::move(value), key); }
Signed<JoinedHost> sign(JoinedHost value, const crypto::SigningKey& key) { return signed_by(std::move(value), key); }
Signed<AdminList> sign(AdminList value, const crypto::SigningKey& key) { return signed_by(std::move(value), key); }
Signed<HostsStatement> sign(HostsStatement value, const crypto::SigningKey& key) { return signed_by(value, key); }
Signed<PolicyStatement> sign(PolicyStatement value, const crypto::SigningKey& key) { return signed_by(value, key); }

bool is_genuine(const Signed<KeyChange>& value) { return is_signed(value); }
bool is_genuine(const Signed<Grant>& value) { return is_signed(value); }
bool is_genuine(const Signed<JoinedHost>& value) { return is_signed(value); }
bool is_genuine(const Signed<AdminList>& value) { return is_signed(value); }
bool is_genuine(const Signed<HostsStatement>& value) { return is_signed(value); }
bool is_genuine(const Signed<PolicyStatement>& value) { return is_signed(value); }

// Of what is signed: Ed25519 signatures of the same thing may differ.
crypto::Hash grant_id(const Signed<Grant>& grant) { return crypto::hash_of("krait grant", encoded(grant.value)); }
crypto::Hash joined_id(const Signed<JoinedHost>& joined) {
  return crypto::hash_of("krait joined", encoded(joined.value));
}
crypto::Hash admin_list_id(const Signed<AdminList>& list) {
  return crypto::hash_of("krait admins", encoded(list.value));
}

}  // namespace krait::trust
