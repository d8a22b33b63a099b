// Files to model. Pure but for reading the named files; blocks on the file system only.
//
// Every error is ErrorCode::invalid_input with diagnostics (file:line:column, what, hint), the first 20 of a file; a
// file that cannot be read is a diagnostic of line 0. Input is untrusted: any bytes give a model or an error in bounded
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/result.h"
#include "krait/model/limits.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"

namespace krait::config {

inline constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20U;

// What reading a file may take, by an estimate from its text: policy.toml with 100,000 rules (as much again for each
// further 100,000 that [limits] allows), krait.toml.
inline constexpr std::size_t kPolicyMemoryBytes = std::size_t{360} << 20U;
inline constexpr std::size_t kMeshMemoryBytes = std::size_t{1} << 30U;

// policy.toml; `max_rules` is the limit of krait.toml. The tests in it are read, not run: see
// krait/compile/evaluate.h.
common::Result<model::Policy> parse_policy(std::string_view text, const std::string& file,
                                           std::uint32_t max_rules = model::Limits{}.rules);
// The same for a text that follows on another, of which `policy` is what parse_policy() gave: costs what differs, and
// one pass over the text, where that lies within rules.
struct FormerPolicy {
  std::string_view text;
  const model::Policy& policy;
};
common::Result<model::Policy> parse_policy_after(const FormerPolicy& former, std::string_view text,
                                                 const std::string& file);
common::Result<model::Policy> load_policy(const std::string& path, std::uint32_t max_rules = model::Limits{}.rules);

// krait.toml. Neither the key file nor the policy file that it names is opened.
common::Result<model::Mesh> parse_mesh(std::string_view text, const std::string& file);
common::Result<model::Mesh> load_mesh(const std::string& path);

// Whether the file still holds the very text that was loaded; false when it cannot be read.
bool is_unchanged(const std::string& path, const common::Digest& digest);

// Every identity that the mesh names is one of the policy's.
common::Result<void> check_references(const model::Mesh& mesh, const model::Policy& policy);

}  // namespace krait::config
