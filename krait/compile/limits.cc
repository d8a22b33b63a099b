#include "krait/compile/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace krait::compile {

namespace {

constexpr std::size_t kMib = std::size_t{1} << 20U;

class Check {
 public:
  explicit Check(const model::Mesh& mesh) : mesh_(mesh) {}

  // `file` has `count` of them; `text` says so with its unit: "65537 hosts".
  void at_most(std::uint32_t model::Limits::* limit, const std::string& file, std::uint64_t count,
               std::string_view unit) {
    const std::uint32_t most = mesh_.limits.*limit;
    if (count <= most) {
      return;
    }
    const model::LimitKey& key = *std::ranges::find(model::kLimitKeys, limit, &model::LimitKey::value);
    const std::string mend =
        count <= key.most
            ? fmt::format("raise {} in [limits] of {} to at least {}, see docs/limits.md", key.name, mesh_.file, count)
            : fmt::format("{} in [limits] can be {} at most; split the mesh or use prefixes", key.name, key.most);
    lines_.push_back(
        fmt::format("{}: {} {}, {} more than the limit of {}; {}", file, count, unit, count - most, most, mend));
  }

  common::Result<void> result() && {
    if (lines_.empty()) {
      return {};
    }
    return common::Error(common::ErrorCode::limit, fmt::format("{}", fmt::join(lines_, "\n")));
  }

 private:
  const model::Mesh& mesh_;
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
  Check check(mesh);
  check.at_most(&model::Limits::hosts, mesh.file, 1 + mesh.peers.size(), "hosts");
  check.at_most(&model::Limits::prefixes, mesh.file, prefixes_of(mesh), "addresses and prefixes");
  check.at_most(&model::Limits::rules, policy.file, policy.rules.size(), "rules");
  return std::move(check).result();
}

common::Result<void> check_limits(const model::Mesh& mesh, const model::Policy& policy, const Snapshot& snapshot) {
  Check check(mesh);
  check.at_most(&model::Limits::classes, policy.file, snapshot.identity_classes, "identity classes");
  check.at_most(&model::Limits::snapshot_mib, policy.file, (snapshot.image.size() + kMib - 1) / kMib,
                "MiB of compiled policy");
  return std::move(check).result();
}

}  // namespace krait::compile
