// What administrators' requests are made of. Pure.
#pragma once

#include "common/json.h"
#include "common/result.h"
#include "krait/fleet/network.h"
#include "krait/trust/items.h"

namespace krait::coordinator {

using common::Json;

bool truth_at(const Json& json, const char* key);  // else false
// What base64 stands for. Fails where there is none.
common::Result<trust::Bytes> decoded_at(const Json& request, const char* key);
common::Result<fleet::HostsEdit> hosts_edit_at(const Json& request);
// All of them, each of which hosts and administrators are told.
common::Result<fleet::Settings> settings_at(const Json& request);

}  // namespace krait::coordinator
