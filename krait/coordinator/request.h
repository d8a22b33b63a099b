// What administrators' requests are made of: which members there are, and what each is. Pure.
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "krait/fleet/network.h"
#include "krait/trust/items.h"

namespace krait::coordinator {

using common::Json;

// Fails with invalid_input where a member that requests have is of another kind than it should be: read as nothing, as
// common/json.h has it, it might mean more than was asked for ("hosts": all of them). Everything else reads behind
// this.
common::Result<void> check_members(const Json& request);
// Likewise where one is missing without which nobody knows what was meant.
common::Result<void> check_present(const Json& request, const char* key);

// What base64 stands for. Fails where there is none.
common::Result<trust::Bytes> decoded_at(const Json& request, const char* key);
common::Result<fleet::HostsEdit> hosts_edit_at(const Json& request);
// All of them, each of which hosts and administrators are told.
common::Result<fleet::Settings> settings_at(const Json& request);

}  // namespace krait::coordinator
