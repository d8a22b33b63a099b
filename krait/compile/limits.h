// Whether a configuration keeps to its own [limits].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"
#include "krait/model/limits.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"

namespace krait::compile {

// What a compiled policy has to keep to, and the file whose [limits] says so. The defaults are those of a krait.toml
// without the table.
struct Bounds {
  model::Limits limits{};
  std::string file = "krait.toml";

  static Bounds of(const model::Mesh& mesh) { return {mesh.limits, mesh.file}; }
};

// All of these fail with ErrorCode::limit: a line for each limit that is exceeded, with its number, by how much, and
// what to write instead.

// What can be said before compiling: hosts, prefixes and rules.
common::Result<void> check_limits(const model::Mesh& mesh, const model::Policy& policy);

// Of a policy on its own.
common::Result<void> check_rules(const Bounds& bounds, const model::Policy& policy);

// The rest, while compile_snapshot() goes on. At once, before there are rows:
common::Result<void> check_classes(const Bounds& bounds, const model::Policy& policy, std::uint32_t identity_classes);
// Of the whole image.
common::Result<void> check_size(const Bounds& bounds, const model::Policy& policy, std::uint64_t bytes);

// That the image would become larger than it may, said before all of it is there.
common::Error too_large(const Bounds& bounds, const model::Policy& policy);
// How many bytes it may have.
std::uint64_t max_bytes(const Bounds& bounds);

}  // namespace krait::compile
