// krait on a veth: the programs as in production, behind 14 bytes of Ethernet.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "bench/net/arena.h"
#include "bench/scale.h"
#include "common/result.h"
#include "krait/datapath/snapshot_map.h"

namespace krait::bench {

class KraitFilter {
 public:
  // Compiles the policy and judges both directions of the guarded host's veth by it. Later images may be as large as
  // the first and half as large again. `bpffs` is the folder of a BPF file system.
  static common::Result<KraitFilter> attach(const Arena& arena, const Scale& scale, const std::string& bpffs);

  KraitFilter(KraitFilter&&) noexcept;
  KraitFilter& operator=(KraitFilter&&) noexcept;
  ~KraitFilter();

  // Returns when no packet is judged by the older image any more.
  common::Result<void> publish(std::span<const std::byte> image);
  datapath::SnapshotMap& snapshot();

 private:
  struct State;
  explicit KraitFilter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace krait::bench
