// Who has signed what, and in which order.
#include <fmt/format.h>

#include "krait/trust/author.h"
#include "krait/trust/refused.h"
#include "krait/trust/state.h"

namespace krait::trust {

using common::Result;
using crypto::Hash;

namespace {

// The list that the anchor's leads to.
Result<Signed<AdminList>> follow_lists(const Signed<AdminList>& known, const std::vector<Signed<AdminList>>& lists) {
  Signed<AdminList> last = known;
  for (const Signed<AdminList>& next : lists) {
    const AdminList& now = last.value;
    if (next.value.network != now.network) {
      return refused("a list of administrators is another network's");
    }
    if (next.value.version < now.version) {
      continue;  // the sender does not know how far this host is
    }
    if (next.value.version == now.version) {
      if (!(next.value == now)) {
        return refused(fmt::format("there are two lists of administrators of version {}", now.version));
      }
      continue;
    }
    if (next.value.version != now.version + 1) {
      return refused(
          fmt::format("the list of administrators {} is missing, {} is there", now.version + 1, next.value.version));
    }
    if (!may_sign_hosts(now, next.signer) || !is_genuine(next)) {
      return refused(
          fmt::format("the list of administrators {} is not signed by an admin of the one before", next.value.version));
    }
    last = next;
  }
  return last;
}

template <typename Statement>
Result<void> check_age(const Statement& statement, std::uint64_t seen, const Hash& seen_root, std::string_view what) {
  if (statement.revision < seen) {
    return refused(
        fmt::format("{} are those of revision {}, and this host has seen {}", what, statement.revision, seen));
  }
  if (statement.revision == seen && statement.root != seen_root) {
    return refused(fmt::format("{} of revision {} are not those that this host has seen", what, seen));
  }
  return {};
}

Result<void> check_signers(const AdminList& list, const Statements& statements) {
  if (statements.hosts.value.network != list.network || statements.policy.value.network != list.network) {
    return refused("it is another network's");
  }
  if (!may_sign_hosts(list, statements.hosts.signer) || !is_genuine(statements.hosts)) {
    return refused("the hosts are not signed by an administrator who may");
  }
  if (!may_sign_policy(list, statements.policy.signer) || !is_genuine(statements.policy)) {
    return refused("the policy is not signed by an administrator who may");
  }
  return {};
}

}  // namespace

Result<Anchor> follow_statements(const Anchor& anchor, const Statements& statements, bool may_go_back) {
  Anchor next = anchor;
  KRAIT_TRY(next.list, follow_lists(anchor.list, statements.lists));
  KRAIT_CHECK(check_signers(next.list.value, statements));
  const HostsStatement& hosts = statements.hosts.value;
  const PolicyStatement& policy = statements.policy.value;
  if (!may_go_back) {
    KRAIT_CHECK(check_age(hosts, anchor.hosts_revision, anchor.hosts_root, "the hosts"));
    KRAIT_CHECK(check_age(policy, anchor.policy_revision, anchor.policy_root, "the rules"));
  }
  if (hosts.revision < policy.hosts_at_least || policy.revision < hosts.policy_at_least) {
    return refused(fmt::format("the hosts of revision {} and the rules of revision {} do not belong together",
                               hosts.revision, policy.revision));
  }
  next.hosts_revision = hosts.revision;
  next.hosts_root = hosts.root;
  next.policy_revision = policy.revision;
  next.policy_root = policy.root;
  return next;
}

}  // namespace krait::trust
