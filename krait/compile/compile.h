// Model to kernel images. Pure and deterministic: the same model gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "krait/compile/limits.h"
#include "krait/compile/records.h"
#include "krait/model/mesh.h"
#include "krait/model/policy.h"
#include "krait/model/wireguard_image.h"

namespace krait::compile {

// A prefix (or host address) and whose it is.
struct Binding {
  common::Prefix prefix;
  std::uint32_t identity = 0;  // index into Policy::identities
  std::uint32_t host = 0;      // 0: this host's; else the number of the peer as the file lists them, from 1
  bool routed = false;         // a network behind that host, else one of its own addresses

  [[nodiscard]] bool local() const { return host == 0; }
};

// The bindings of a mesh whose references were checked (config::check_references).
std::vector<Binding> bindings_of(const model::Mesh& mesh, const model::Policy& policy);

// A compiled policy: the bytes of one snapshot buffer (krait/abi/snapshot.h), whole pages.
struct Snapshot {
  std::vector<std::byte> image;
  std::uint32_t identity_classes = 0;  // the larger of source and destination classes
  std::uint32_t port_classes = 0;
  std::uint32_t rows = 0;
  std::uint32_t cells = 0;
  std::vector<std::uint32_t> rule_of_record;  // indexes into Policy::rules by record number; kNoRule: nobody's
};
inline constexpr std::uint32_t kNoRule = ~0U;

// What a snapshot goes on from.
struct Origin {
  common::Moment now;                         // expiries count from here
  std::span<const krait_rule_record> former;  // of the snapshot in force
};

// Fails with ErrorCode::limit, saying which limit and by how much, when the policy outgrows `bounds` or what the format
// can hold; it does so before it has spent more than some seconds and some hundred MiB. No two bindings have the same
// prefix. This host's identity is that of its first own address.
common::Result<Snapshot> compile_snapshot(const std::vector<Binding>& bindings, const model::Policy& policy,
                                          std::uint64_t revision, const Origin& origin = {}, const Bounds& bounds = {});

// The records in a snapshot's image.
std::span<const krait_rule_record> rule_records(std::span<const std::byte> image);

// How long each rule still holds, like Policy::rules; kNever for those that do not expire.
std::vector<std::uint64_t> time_left_ns(const model::Policy& policy, const Origin& origin);

// A warning for each rule that has expired already: it is in no snapshot.
std::vector<common::Diagnostic> expired_rules(const model::Policy& policy, const Origin& origin);

// The interface that the mesh needs.
model::WireguardImage wireguard_image(const model::Mesh& mesh);

}  // namespace krait::compile
