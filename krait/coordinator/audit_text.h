// What the audit says of a change: who made it, and what was done, not what somebody calls it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "krait/fleet/network.h"

namespace krait::coordinator {

std::string_view role_name(trust::Role role);  // "admin", "policy", "read"

// Who asked, and whose signature counts.
std::string signed_by(const std::string& who, const trust::AdminList& list, const crypto::VerifyKey& signer);
std::string edit_text(const fleet::HostsEdit& edit, const fleet::Network& network);
std::string admins_text(const trust::AdminList& before, const trust::AdminList& after);

}  // namespace krait::coordinator
