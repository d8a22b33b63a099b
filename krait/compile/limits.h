// Whether a configuration keeps to its own [limits].
#pragma once

#include "common/result.h"
#include "krait/compile/compile.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"

namespace krait::compile {

// Both fail with ErrorCode::limit: a line for each limit that is exceeded, with its number, by how much, and what to
// write instead. The first before compiling: hosts, prefixes and rules. The second after: classes and the image's size.
common::Result<void> check_limits(const model::Mesh& mesh, const model::Policy& policy);
common::Result<void> check_limits(const model::Mesh& mesh, const model::Policy& policy, const Snapshot& snapshot);

}  // namespace krait::compile
