// What the two files ask for, checked and compiled: the one way from files to kernel images, used by the agent and by
// every command that reads a whole configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "krait/compile/compile.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"
#include "krait/model/wireguard_image.h"

namespace krait::plan {

// Both files, read, with the references between them checked.
struct Files {
  model::Mesh mesh;
  model::Policy policy;
};

struct Plan {
  model::Mesh mesh;
  model::Policy policy;
  std::vector<compile::Binding> bindings;
  compile::Snapshot snapshot;
  model::WireguardImage wireguard;
  std::vector<common::Diagnostic> warnings;
  common::Moment compiled{};  // when; calendar expiries stand on it
};

// Reads both files (the policy that krait.toml names unless `policy_file` is not empty). The key file is not opened.
// Fails with the diagnostics of what is wrong.
common::Result<Files> load_files(const std::string& config_file, const std::string& policy_file = {});

// Compiles and runs the policy's tests. Fails with the diagnostics of what is wrong, or limit.
common::Result<Plan> make_plan(Files files, const compile::Origin& origin);

// A plan's files once more, for another time. The policy's tests are not run: what has ended fails those that expect
// it, and must end all the same.
common::Result<Plan> compile_again(const Plan& plan, const compile::Origin& origin);

// Both, as if nothing had been in force, by the latest time that this process can know of.
common::Result<Plan> make_plan(const std::string& config_file, const std::string& policy_file = {});

struct CheckedPolicy {
  model::Policy policy;
  std::vector<common::Diagnostic> warnings;
};

// Loads one policy on its own, compiles it and runs its tests, by the latest time that this process can know of.
common::Result<CheckedPolicy> check_policy(const std::string& policy_file);

// Numbers a compiled snapshot.
void set_revision(compile::Snapshot& snapshot, std::uint64_t revision);

// The pages of a snapshot.
std::uint32_t pages_of(const compile::Snapshot& snapshot);

}  // namespace krait::plan
