// Zones' values as JSON: on the control socket, and in the daemon's state.
#pragma once

#include <string_view>

#include "common/json.h"
#include "common/result.h"
#include "krata/model/zone.h"

namespace krata::model {

common::Json spec_json(const ZoneSpec& spec);
// Checked by check(). A member that is not known, or of another kind, is refused: what the asker meant by it would be
// left out silently. Errors: invalid_input, limit.
common::Result<ZoneSpec> spec_from_json(const common::Json& json);

common::Json resources_json(const Resources& resources);
// What `json` has instead of what `now` is; the same strictness.
common::Result<Resources> resources_from_json(const common::Json& json, const Resources& now);

common::Json end_json(const End& end);
common::Result<End> end_from_json(const common::Json& json);

std::string_view name_of(Restart restart);

// "512M", "2G", or MiB without a unit. invalid_input.
common::Result<std::uint32_t> parse_memory(std::string_view text);
// "FILE:/path[:ro]". invalid_input.
common::Result<DiskSpec> parse_disk(std::string_view text);

}  // namespace krata::model
