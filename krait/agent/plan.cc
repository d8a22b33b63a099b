#include "krait/agent/plan.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/compile/evaluate.h"
#include "krait/config/load.h"

namespace krait::agent {

using common::Result;

namespace {

Result<compile::Snapshot> compile_and_test(const std::vector<compile::Binding>& bindings, const model::Policy& policy) {
  auto snapshot = compile::compile_snapshot(bindings, policy, 1);
  if (!snapshot) {
    return common::passed_on(snapshot, "compile " + policy.file);
  }
  if (auto tested = compile::run_policy_tests(snapshot->image, policy); !tested) {
    return tested.error();
  }
  return snapshot;
}

}  // namespace

Result<Plan> make_plan(const std::string& config_file, const std::string& policy_file) {
  auto mesh = config::load_mesh(config_file);
  if (!mesh) {
    return mesh.error();
  }
  auto policy = config::load_policy(policy_file.empty() ? mesh->host.policy_file : policy_file);
  if (!policy) {
    return policy.error();
  }
  if (auto checked = config::check_references(*mesh, *policy); !checked) {
    return checked.error();
  }
  Plan plan{.mesh = std::move(*mesh), .policy = std::move(*policy), .bindings = {}, .snapshot = {}, .wireguard = {}};
  plan.bindings = compile::bindings_of(plan.mesh, plan.policy);
  auto snapshot = compile_and_test(plan.bindings, plan.policy);
  if (!snapshot) {
    return snapshot.error();
  }
  plan.snapshot = std::move(*snapshot);
  plan.wireguard = compile::wireguard_image(plan.mesh);
  return plan;
}

Result<model::Policy> check_policy(const std::string& policy_file) {
  auto policy = config::load_policy(policy_file);
  if (!policy) {
    return policy;
  }
  if (auto snapshot = compile_and_test({}, *policy); !snapshot) {
    return snapshot.error();
  }
  return policy;
}

void set_revision(compile::Snapshot& snapshot, std::uint64_t revision) {
  std::memcpy(snapshot.image.data() + offsetof(krait_snapshot_header, revision), &revision, sizeof(revision));
}

std::uint32_t pages_of(const compile::Snapshot& snapshot) {
  return static_cast<std::uint32_t>(snapshot.image.size() / KRAIT_PAGE_BYTES);
}

}  // namespace krait::agent
