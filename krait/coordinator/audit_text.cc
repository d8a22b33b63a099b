#include "krait/coordinator/audit_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace krait::coordinator {

std::string_view role_name(trust::Role role) {
  return role == trust::Role::admin ? "admin" : role == trust::Role::policy ? "policy" : "read";
}

std::string signed_by(const std::string& who, const trust::AdminList& list, const crypto::VerifyKey& signer) {
  const auto found = std::ranges::find(list.administrators, signer, &trust::Administrator::key);
  return found == list.administrators.end() || who == "administrator " + found->name
             ? who
             : fmt::format("{}, signed by {}", who, found->name);
}

std::string edit_text(const fleet::HostsEdit& edit, const fleet::Network& network) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  for (const std::string& name : edit.remove) {
    add(fmt::format("host {} is removed", name));
  }
  for (const trust::HostBinding& bound : edit.put) {
    std::string routes;
    for (const trust::Route& route : bound.routes) {
      routes += fmt::format("{} {}={}", routes.empty() ? ", routes" : ",", route.prefix.text(), route.identity);
    }
    add(fmt::format("host {} is vouched for as {}{}", bound.name, bound.identity, routes));
  }
  for (const crypto::Hash& hash : edit.take_back) {
    for (const auto& [key, token] : network.tokens()) {
      if (trust::grant_id(token.grant) == hash) {
        add(fmt::format("token {} is revoked", key));
      }
    }
  }
  return text.empty() ? "hosts" : text;
}

std::string admins_text(const trust::AdminList& before, const trust::AdminList& after) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  const auto find = [](const trust::AdminList& list, const std::string& name) {
    const auto found = std::ranges::find(list.administrators, name, &trust::Administrator::name);
    return found == list.administrators.end() ? nullptr : &*found;
  };
  for (const trust::Administrator& now : after.administrators) {
    const trust::Administrator* former = find(before, now.name);
    if (former == nullptr) {
      add(fmt::format("administrator {} is added: {}, {}", now.name, role_name(now.role),
                      crypto::verify_key_text(now.key)));
    } else if (former->key != now.key) {
      add(fmt::format("administrator {} has the key {}", now.name, crypto::verify_key_text(now.key)));
    }
    if (former != nullptr && former->role != now.role) {
      add(fmt::format("administrator {} has the role {}", now.name, role_name(now.role)));
    }
  }
  for (const trust::Administrator& former : before.administrators) {
    if (find(after, former.name) == nullptr) {
      add(fmt::format("administrator {} is removed", former.name));
    }
  }
  return text.empty() ? "administrators" : text;
}

}  // namespace krait::coordinator
