#include "krait/datapath/program.h"

#include <sys/random.h>

#include <cerrno>
#include <ctime>

#include "krait/abi/maps.h"
#include "krait/bpf/objects.h"
#include "krait/datapath/flow_migration.h"

namespace krait::datapath {

std::uint32_t ticks_per_second() {
  timespec tick{};
  if (::clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_nsec == 0) {
    return 100;
  }
  return static_cast<std::uint32_t>((1'000'000'000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

common::Result<Object> open_krait_object(Framing framing, const TableSizes& sizes) {
  KRAIT_TRY(auto object, Object::open({krait_bpf_object, krait_bpf_object_end}, "krait"));
  KRAIT_CHECK(object.set_constant("krait_hz", ticks_per_second()));
  KRAIT_CHECK(object.set_constant("krait_pair_mask", sizes.pair_buckets() - 1));
  KRAIT_CHECK(object.set_entries(kPairsMap, sizes.pair_buckets()));
  KRAIT_CHECK(object.set_constant("krait_flow_mask", sizes.flow_buckets() - 1));
  KRAIT_CHECK(object.set_entries(kFlowsMap, 1 + sizes.flow_buckets()));
  KRAIT_CHECK(object.set_entries(kFragmentsMap, sizes.fragments));
  std::uint32_t mark = 0;
  if (::getrandom(&mark, sizeof(mark), 0) != sizeof(mark)) {
    return common::Error::from_errno(errno, "draw a random number");
  }
  KRAIT_CHECK(object.set_constant("krait_reject_mark", mark | 1U));  // 0 is what others use
  const bool network = framing == Framing::network;
  for (const char* unused : {network ? "krait_in_eth" : "krait_ingress", network ? "krait_out_eth" : "krait_egress"}) {
    KRAIT_CHECK(object.leave_out(unused));
  }
  return object;
}

common::Result<void> load_krait_object(Object& object, int shared_flows_fd) {
  const bool is_new = shared_flows_fd < 0;
  KRAIT_TRY(const auto seeds, is_new ? draw_seeds() : read_seeds(shared_flows_fd));
  KRAIT_CHECK(object.set_constant("krait_flow_seeds", seeds));
  if (!is_new) {
    KRAIT_CHECK(object.reuse_map(kFlowsMap, shared_flows_fd));
  }
  KRAIT_CHECK(object.load());
  return is_new ? begin_flows(object.map_fd(kFlowsMap), seeds) : common::Result<void>();
}

common::Result<Object> open_guard_object() {
  return Object::open({krait_guard_object, krait_guard_object_end}, "guard");
}

}  // namespace krait::datapath
