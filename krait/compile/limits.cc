#include "krait/compile/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace krait::compile {

namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;

// What to do when there are at least `count` of something.
std::string hint_of(const Bounds& bounds, std::uint32_t model::Limits::* limit, std::uint64_t count) {
  const model::LimitKey& key = *std::ranges::find(model::kLimitKeys, limit, &model::LimitKey::value);
  return count <= key.most
             ? fmt::format("raise {} in [limits] of {} to at least {}, see docs/limits.md", key.name, bounds.file,
                           count)
             : fmt::format("{} in [limits] can be {} at most; split the mesh or use prefixes", key.name, key.most);
}

class Check {
 public:
  explicit Check(const Bounds& bounds) : bounds_(bounds) {}

  // `file` has `count` of them; `text` says so with its unit: "65537 hosts".
  void at_most(std::uint32_t model::Limits::* limit, const std::string& file, std::uint64_t count,
               std::string_view unit) {
    const std::uint32_t most = bounds_.limits.*limit;
    if (count <= most) {
      return;
    }
    lines_.push_back(fmt::format("{}: {} {}, {} more than the limit of {}; {}", file, count, unit, count - most, most,
                                 hint_of(bounds_, limit, count)));
  }

  common::Result<void> result() && {
    if (lines_.empty()) {
      return {};
    }
    return common::Error(common::ErrorCode::limit, fmt::format("{}", fmt::join(lines_, "\n")));
  }

 private:
  const Bounds& bounds_;
  std::vector<std::string> lines_;
};

std::size_t prefixes_of(const model::Mesh& mesh) {
  std::size_t count = mesh.host.addresses.size() + mesh.host.routes.size();
  for (const model::Peer& peer : mesh.peers) {
    count += peer.addresses.size() + peer.routes.size();
  }
  return count;
}

}  // namespace

common::Result<void> check_limits(const model::Mesh& mesh, const model::Policy& policy) {
  const Bounds bounds = Bounds::of(mesh);
  Check check(bounds);
  check.at_most(&model::Limits::hosts, mesh.file, 1 + mesh.peers.size(), "hosts");
  check.at_most(&model::Limits::prefixes, mesh.file, prefixes_of(mesh), "addresses and prefixes");
  check.at_most(&model::Limits::rules, policy.file, policy.rules.size(), "rules");
  return std::move(check).result();
}

common::Result<void> check_rules(const Bounds& bounds, const model::Policy& policy) {
  Check check(bounds);
  check.at_most(&model::Limits::rules, policy.file, policy.rules.size(), "rules");
  return std::move(check).result();
}

common::Result<void> check_classes(const Bounds& bounds, const model::Policy& policy, std::uint32_t identity_classes) {
  Check check(bounds);
  check.at_most(&model::Limits::classes, policy.file, identity_classes, "identity classes");
  return std::move(check).result();
}

common::Result<void> check_size(const Bounds& bounds, const model::Policy& policy, std::uint64_t bytes) {
  Check check(bounds);
  check.at_most(&model::Limits::snapshot_mib, policy.file, (bytes + kMib - 1) / kMib, "MiB of compiled policy");
  return std::move(check).result();
}

common::Error too_large(const Bounds& bounds, const model::Policy& policy) {
  const std::uint32_t most = bounds.limits.snapshot_mib;
  return {common::ErrorCode::limit,
          fmt::format("{}: more than the limit of {} MiB of compiled policy; {}", policy.file, most,
                      hint_of(bounds, &model::Limits::snapshot_mib, std::uint64_t{most} + 1))};
}

std::uint64_t max_bytes(const Bounds& bounds) { return kMib * bounds.limits.snapshot_mib; }

}  // namespace krait::compile
