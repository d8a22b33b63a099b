#include "krait/compile/limits.h"

#include <gtest/gtest.h>

#include <string>

#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"

namespace krait::compile {
namespace {

using model::Limits;

model::Mesh mesh_of(std::uint32_t hosts, std::uint32_t prefixes_each) {
  model::Mesh mesh;
  mesh.file = "krait.toml";
  mesh.host.addresses.resize(1);
  mesh.host.routes.resize(prefixes_each - 1);
  mesh.peers.resize(hosts - 1);
  for (model::Peer& peer : mesh.peers) {
    peer.addresses.resize(1);
    peer.routes.resize(prefixes_each - 1);
  }
  return mesh;
}

// Each of `classes` - 1 identities is named by one rule; class 0 is "in no rule".
model::Policy policy_of(std::uint32_t classes) {
  model::Policy policy;
  policy.file = "policy.toml";
  for (std::uint32_t i = 0; i + 1 < classes; ++i) {
    policy.identities.push_back({"i" + std::to_string(i), 1 + i, {}});
    policy.rules.push_back({.name = "r" + std::to_string(i),
                            .action = model::Action::allow,
                            .from = {false, {i}},
                            .to = {true, {}},
                            .selectors = {{KRAIT_SELECTOR_TCP + 80, KRAIT_SELECTOR_TCP + 80}},
                            .at = {}});
  }
  return policy;
}

std::string said(const common::Result<void>& result) {
  if (result) {
    return "within";
  }
  EXPECT_EQ(result.error().code(), common::ErrorCode::limit);
  return result.error().text();
}

std::string said(const model::Mesh& mesh, const model::Policy& policy) {
  if (auto before = check_limits(mesh, policy); !before) {
    return said(before);
  }
  const auto snapshot = compile_snapshot({}, policy, 1, {}, Bounds::of(mesh));
  return snapshot ? "within" : said(common::Result<void>(snapshot.error()));
}

std::string said_with(Limits limits) {
  model::Mesh mesh = mesh_of(4, 3);
  mesh.limits = limits;
  return said(mesh, policy_of(6));
}

TEST(CheckLimits, HoldAtTheNumberItself) {
  EXPECT_EQ(said_with({.hosts = 4, .prefixes = 12, .rules = 5, .classes = 6, .snapshot_mib = 1}), "within");
}

TEST(CheckLimits, SayWhichAndByHowMuch) {
  EXPECT_EQ(said_with({.hosts = 3}),
            "krait.toml: 4 hosts, 1 more than the limit of 3; raise hosts in [limits] of krait.toml to at least 4, see "
            "docs/limits.md");
  EXPECT_EQ(said_with({.prefixes = 11}),
            "krait.toml: 12 addresses and prefixes, 1 more than the limit of 11; raise prefixes in [limits] of "
            "krait.toml to at least 12, see docs/limits.md");
  EXPECT_EQ(said_with({.rules = 2}),
            "policy.toml: 5 rules, 3 more than the limit of 2; raise rules in [limits] of krait.toml to at least 5, "
            "see docs/limits.md");
  EXPECT_EQ(said_with({.classes = 5}),
            "policy.toml: 6 identity classes, 1 more than the limit of 5; raise classes in [limits] of krait.toml to "
            "at least 6, see docs/limits.md");
}

TEST(CheckLimits, SayAllThatAreExceeded) {
  EXPECT_EQ(said_with({.hosts = 1, .rules = 1}),
            "krait.toml: 4 hosts, 3 more than the limit of 1; raise hosts in [limits] of krait.toml to at least 4, see "
            "docs/limits.md\n"
            "policy.toml: 5 rules, 4 more than the limit of 1; raise rules in [limits] of krait.toml to at least 5, "
            "see docs/limits.md");
}

TEST(CheckLimits, CountTheImageInWholeMebibytes) {
  const Bounds bounds{.limits = {.snapshot_mib = 1}};
  const model::Policy policy = policy_of(1);
  EXPECT_EQ(said(check_size(bounds, policy, std::size_t{1} << 20U)), "within");
  EXPECT_EQ(said(check_size(bounds, policy, (std::size_t{1} << 20U) + KRAIT_PAGE_BYTES)),
            "policy.toml: 2 MiB of compiled policy, 1 more than the limit of 1; raise snapshot_mib in [limits] of "
            "krait.toml to at least 2, see docs/limits.md");
}

TEST(CheckLimits, DoNotSuggestWhatLimitsCannotBe) {
  EXPECT_EQ(said(check_classes({}, policy_of(1), 65'536)),
            "policy.toml: 65536 identity classes, 61536 more than the limit of 4000; classes in [limits] can be 65535 "
            "at most; split the mesh or use prefixes");
}

TEST(Limits, DefaultsAreInTheirRanges) {
  for (const model::LimitKey& key : model::kLimitKeys) {
    const std::uint32_t value = Limits{}.*key.value;
    EXPECT_GE(value, key.least) << key.name;
    EXPECT_LE(value, key.most) << key.name;
    EXPECT_TRUE(!key.power_of_two || (value & (value - 1)) == 0) << key.name;
  }
}

// The format refuses what it cannot hold, whatever [limits] says; the ranges lie within it.
TEST(Limits, LieWithinTheFormat) {
  for (const model::LimitKey& key : model::kLimitKeys) {
    EXPECT_LE(key.value == &Limits::rules ? key.most : 0, KRAIT_MAX_RULES);
    EXPECT_LE(key.value == &Limits::classes ? key.most : 0, 0xffffU);
  }
}

}  // namespace
}  // namespace krait::compile
