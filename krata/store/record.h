// Changes as bytes and back. Pure. The format is described in docs/krata_store.md.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "krata/store/changes.h"

namespace krata::store {

void append_change(std::string& out, const Change& change);

// All changes of a record. Fails with invalid_input where the bytes are no changes; gives back none then.
common::Result<Changes> read_changes(std::string_view bytes);

}  // namespace krata::store
