#include "krait/plan/plan.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "common/memory.h"
#include "krait/abi/snapshot.h"
#include "krait/compile/evaluate.h"
#include "krait/compile/limits.h"
#include "krait/config/load.h"
#include "krait/plan/clock_keeper.h"

namespace krait::plan {

using common::Result;

namespace {

Result<Files> read_both(const std::string& config_file, const std::string& policy_file) {
  KRAIT_TRY(auto mesh, config::load_mesh(config_file));
  KRAIT_TRY(auto policy,
            config::load_policy(policy_file.empty() ? mesh.host.policy_file : policy_file, mesh.limits.rules));
  KRAIT_CHECK(config::check_references(mesh, policy));
  KRAIT_CHECK(compile::check_limits(mesh, policy));
  return Files{.mesh = std::move(mesh), .policy = std::move(policy)};
}

Result<Plan> compile_plan(Files files, const compile::Origin& origin) {
  Plan plan{.mesh = std::move(files.mesh),
            .policy = std::move(files.policy),
            .bindings = {},
            .snapshot = {},
            .wireguard = {},
            .warnings = {},
            .compiled = origin.now};
  plan.bindings = compile::bindings_of(plan.mesh, plan.policy);
  KRAIT_TRY(auto snapshot,
            compile::compile_snapshot(plan.bindings, plan.policy, 1, origin, compile::Bounds::of(plan.mesh)));
  plan.snapshot = std::move(snapshot);
  plan.wireguard = compile::wireguard_image(plan.mesh);
  plan.warnings = compile::expired_rules(plan.policy, origin);
  return plan;
}

Result<CheckedPolicy> check_alone(const std::string& policy_file) {
  KRAIT_TRY(auto policy, config::load_policy(policy_file));
  common::release_free_memory();
  const compile::Bounds bounds;
  KRAIT_CHECK(compile::check_rules(bounds, policy));
  const compile::Origin origin{.now = time_by({policy.file}).now, .former = {}};
  KRAIT_TRY(const auto snapshot, compile::compile_snapshot({}, policy, 1, origin, bounds));
  KRAIT_CHECK(compile::run_policy_tests(snapshot, policy, origin.now.boot_ns));
  auto warnings = compile::expired_rules(policy, origin);
  return CheckedPolicy{.policy = std::move(policy), .warnings = std::move(warnings)};
}

}  // namespace

Result<Files> load_files(const std::string& config_file, const std::string& policy_file) {
  auto files = common::within_memory([&] { return read_both(config_file, policy_file); });
  // Reading takes more than what it leaves, and in other places than compiling.
  common::release_free_memory();
  return files;
}

Result<Plan> make_plan(Files files, const compile::Origin& origin) {
  return common::within_memory([&] {
    auto plan = compile_plan(std::move(files), origin);
    if (plan) {
      if (auto tested = compile::run_policy_tests(plan->snapshot, plan->policy, origin.now.boot_ns); !tested) {
        return Result<Plan>(std::move(tested.error()));
      }
    }
    return plan;
  });
}

Result<Plan> compile_again(const Plan& plan, const compile::Origin& origin) {
  return common::within_memory([&] { return compile_plan({.mesh = plan.mesh, .policy = plan.policy}, origin); });
}

Result<Plan> make_plan(const std::string& config_file, const std::string& policy_file) {
  KRAIT_TRY(auto files, load_files(config_file, policy_file));
  const common::Moment now = time_by({files.mesh.file, files.policy.file}).now;
  return make_plan(std::move(files), {.now = now, .former = {}});
}

Result<CheckedPolicy> check_policy(const std::string& policy_file) {
  return common::within_memory([&] { return check_alone(policy_file); });
}

void set_revision(compile::Snapshot& snapshot, std::uint64_t revision) {
  std::memcpy(snapshot.image.data() + offsetof(krait_snapshot_header, revision), &revision, sizeof(revision));
}

std::uint32_t pages_of(const compile::Snapshot& snapshot) {
  return static_cast<std::uint32_t>(snapshot.image.size() / KRAIT_PAGE_BYTES);
}

}  // namespace krait::plan
