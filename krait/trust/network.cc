// Who may vouch for whom.
#include <fmt/format.h>

#include <algorithm>

#include "krait/trust/author.h"
#include "krait/trust/describe.h"

namespace krait::trust {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

std::optional<Role> role_of(const AdminList& list, const crypto::VerifyKey& key) {
  const auto found = std::ranges::find(list.administrators, key, &Administrator::key);
  return found == list.administrators.end() ? std::nullopt : std::optional(found->role);
}

Error refused(const std::string& host, std::string_view why) {
  return {ErrorCode::invalid_input, fmt::format("{} came with a token, and {}", host, why)};
}

}  // namespace

bool may_sign_hosts(const AdminList& list, const crypto::VerifyKey& key) { return role_of(list, key) == Role::admin; }

bool may_sign_policy(const AdminList& list, const crypto::VerifyKey& key) {
  const auto role = role_of(list, key);
  return role == Role::admin || role == Role::policy;
}

Result<void> check_vouched(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list) {
  const HostBinding& binding = host.value.binding;
  const Grant& terms = grant.value;
  if (terms.network != list.network || !may_sign_hosts(list, grant.signer) || !is_genuine(grant)) {
    return refused(binding.name, "the token is not signed by an admin of this network");
  }
  if (host.value.grant != grant_id(grant) || host.signer != terms.token || !is_genuine(host)) {
    return refused(binding.name, "the token did not sign for it");
  }
  if (host.value.made_s < terms.made_s || host.value.made_s > terms.expires_s) {
    return refused(binding.name, "the token was not valid then");
  }
  if (binding.identity != terms.identity) {
    return refused(binding.name, fmt::format("the token is for {}, not for {}", terms.identity, binding.identity));
  }
  if (binding.routes != terms.routes) {
    return refused(binding.name, "its routes are not those of the token");
  }
  for (const common::Ip& address : binding.addresses) {
    if (std::ranges::none_of(terms.pools, [&](const common::Prefix& pool) { return pool.contains(address); })) {
      return refused(binding.name, fmt::format("its address {} is not one of the token's", address.text()));
    }
  }
  return {};
}

Result<void> check_join(const Signed<Grant>& grant, const Signed<JoinedHost>& host, const AdminList& list,
                        const HostsBook& book, std::int64_t now_s) {
  const HostBinding& binding = host.value.binding;
  KRAIT_CHECK(check_vouched(grant, host, list));
  if (now_s > grant.value.expires_s) {
    return refused(binding.name, "the token has expired");
  }
  if (book.was_taken_back(grant_id(grant)) || book.was_taken_back(joined_id(host))) {
    return refused(binding.name, "it was taken back");
  }
  if (const HostBinding* other = book.find(binding.name)) {
    return refused(binding.name, fmt::format("there is a host {} already", other->name));
  }
  return book.is_free(binding);
}

}  // namespace krait::trust
