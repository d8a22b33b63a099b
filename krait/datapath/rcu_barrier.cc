#include "krait/datapath/rcu_barrier.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>

namespace krait::datapath {

common::Result<RcuBarrier> RcuBarrier::create() {
  RcuBarrier barrier;
  barrier.inner_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "krait_rcu_inner", 4, 4, 1, nullptr));
  if (!barrier.inner_.valid()) {
    return common::Error::from_errno(errno, "create a BPF map: this needs root, or CAP_BPF and CAP_NET_ADMIN");
  }
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.inner_map_fd = static_cast<std::uint32_t>(barrier.inner_.get());
  barrier.outer_.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "krait_rcu", 4, 4, 1, &options));
  if (!barrier.outer_.valid()) {
    return common::Error::from_errno(errno, "create a BPF map of maps");
  }
  return barrier;
}

common::Result<void> RcuBarrier::wait() const {
  const std::uint32_t key = 0;
  const int inner = inner_.get();
  if (bpf_map_update_elem(outer_.get(), &key, &inner, BPF_ANY) != 0) {
    return common::Error::from_errno(errno, "wait for running BPF programs");
  }
  return {};
}

}  // namespace krait::datapath
