#include "krait/datapath/packet_runner.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/datapath/counters.h"
#include "krait/datapath/events.h"
#include "krait/datapath/flow_migration.h"
#include "krait/datapath/mapped_map.h"
#include "krait/datapath/object.h"
#include "krait/datapath/program.h"
#include "krait/datapath/snapshot_map.h"

namespace krait::datapath {

namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::uint32_t kActionOk = 0;         // TC_ACT_OK
constexpr std::uint32_t kActionRedirect = 7;   // TC_ACT_REDIRECT
constexpr std::uint16_t kSegmentBytes = 1360;  // any: only that there are segments matters

// What the kernel must be given to present the frame: from 6.18 on, a whole IP header.
std::size_t min_frame_bytes(std::span<const std::byte> frame) {
  if (frame.size() <= kEthernetBytes) {
    return kEthernetBytes + 1;
  }
  if (frame[12] == std::byte{0x08} && frame[13] == std::byte{0x00}) {
    return kEthernetBytes + 20;
  }
  return kEthernetBytes + (frame[12] == std::byte{0x86} && frame[13] == std::byte{0xdd} ? 40 : 1);
}

// Set the clock ahead of zero: a flow of jiffy 0 would look as old as the clock.
constexpr std::uint64_t kFirstJiffy = 1'000'000;
constexpr std::uint64_t kFirstBootNs = 1'000'000'000;

}  // namespace

struct PacketRunner::State {
  std::optional<Object> object;
  std::optional<Object> guard;
  std::optional<SnapshotMap> snapshot;
  std::optional<MappedMap> trace;
  std::optional<EventReader> events;

  [[nodiscard]] int program_fd(krait_direction direction) const {
    return object->program_fd(direction == KRAIT_INGRESS ? "krait_in_eth" : "krait_out_eth");
  }
  [[nodiscard]] int timed_fd(const TimeOptions& options) const {
    switch (options.program) {
      case Timed::fence:
        return object->program_fd("krait_fence");
      case Timed::empty:
        return guard->program_fd("krait_guard");
      default:
        return program_fd(options.run.direction);
    }
  }
};

common::Result<PacketRunner> PacketRunner::load(std::uint32_t snapshot_pages, RunMode mode, Routes routes) {
  auto state = std::make_unique<State>();
  KRAIT_TRY(auto object, open_krait_object(Framing::ethernet));
  KRAIT_TRY(auto guard, open_guard_object());
  const std::uint32_t entries = snapshot_entries(snapshot_pages);
  const std::uint8_t traced = mode == RunMode::traced ? 1 : 0;
  KRAIT_CHECK(object.set_constant("krait_tracing", traced));
  KRAIT_CHECK(object.set_constant("krait_test_clock", traced));
  KRAIT_CHECK(object.set_constant("krait_asks_routes", std::uint8_t{routes == Routes::asked}));
  KRAIT_CHECK(object.set_entries(kSnapshotMap, entries));
  KRAIT_CHECK(load_krait_object(object));
  KRAIT_CHECK(guard.load());
  state->object = std::move(object);
  state->guard = std::move(guard);
  KRAIT_TRY(auto snapshot, SnapshotMap::open(state->object->map_fd(kSnapshotMap), entries));
  KRAIT_TRY(auto trace, MappedMap::map(state->object->map_fd(kTraceMap), 0, sizeof(krait_trace)));
  state->snapshot = std::move(snapshot);
  state->trace = std::move(trace);
  state->snapshot->control().test_now_jiffies = kFirstJiffy;
  state->snapshot->control().test_now_boot_ns = kFirstBootNs;
  return PacketRunner(std::move(state));
}

PacketRunner::PacketRunner(std::unique_ptr<State> state) : state_(std::move(state)) {}
PacketRunner::PacketRunner(PacketRunner&&) noexcept = default;
PacketRunner& PacketRunner::operator=(PacketRunner&&) noexcept = default;
PacketRunner::~PacketRunner() = default;

common::Result<void> PacketRunner::publish(std::span<const std::byte> image) {
  KRAIT_CHECK(fill_inactive(image));
  switch_over();
  return wait_for_readers();
}

common::Result<void> PacketRunner::fill_inactive(std::span<const std::byte> image) {
  return state_->snapshot->fill_inactive(image);
}

void PacketRunner::switch_over() { state_->snapshot->switch_over(); }

common::Result<void> PacketRunner::wait_for_readers() { return state_->snapshot->wait_for_readers(); }

common::Result<Run> PacketRunner::run(std::span<const std::byte> frame, const RunOptions& options) {
  if (frame.size() < min_frame_bytes(frame)) {
    Run run;
    run.trace.reason = KRAIT_REASON_TRUNCATED;
    return run;
  }
  Run run;
  KRAIT_TRY(auto done, test_run(state_->program_fd(options.direction), frame, {.run = options}, &run.frame));
  std::memcpy(&run.trace, state_->trace->memory().data(), sizeof(run.trace));
  run.allowed = done.retval == kActionOk;
  run.rejected = done.retval == kActionRedirect;
  return run;
}

common::Result<PacketRunner::Done> PacketRunner::test_run(int program_fd, std::span<const std::byte> frame,
                                                          const TimeOptions& time, std::vector<std::byte>* left) {
  const RunOptions& options = time.run;
  if (frame.size() > max_frame_bytes()) {
    return common::Error(common::ErrorCode::limit, fmt::format("a frame of {} bytes; test runs take at most {}",
                                                               frame.size(), max_frame_bytes()));
  }
  __sk_buff context{};
  context.ifindex = options.interface;
  context.ingress_ifindex = options.came_in;
  if (options.gso_segments > 1) {
    context.gso_segs = options.gso_segments;
    context.gso_size = kSegmentBytes;
  }
  bpf_test_run_opts run{};
  run.sz = sizeof(run);
  run.data_in = frame.data();
  run.data_size_in = static_cast<std::uint32_t>(frame.size());
  run.ctx_in = &context;
  run.ctx_size_in = sizeof(context);
  run.repeat = static_cast<int>(time.repeat);
  if (left != nullptr) {
    left->resize(max_frame_bytes());
    run.data_out = left->data();
    run.data_size_out = static_cast<std::uint32_t>(left->size());
  }
  if (bpf_prog_test_run_opts(program_fd, &run) != 0) {
    return common::Error::from_errno(errno, "run the BPF program on a packet");
  }
  if (left != nullptr) {
    left->resize(run.data_size_out);
  }
  return Done{.retval = run.retval, .duration_ns = run.duration};
}

common::Result<std::uint32_t> PacketRunner::time_ns(std::span<const std::byte> frame, const TimeOptions& options) {
  KRAIT_TRY(auto done, test_run(state_->timed_fd(options), frame, options, nullptr));
  return done.duration_ns;
}

// A page holds the frame, the head room, and struct skb_shared_info (net/bpf/test_run.c).
std::size_t PacketRunner::max_frame_bytes() { return 3520; }

void PacketRunner::advance(std::uint64_t seconds) {
  constexpr std::uint64_t kNsPerS = 1'000'000'000;
  krait_control& control = state_->snapshot->control();
  control.test_now_jiffies += seconds * ticks_per_second();
  control.test_now_boot_ns += seconds * kNsPerS;
}

void PacketRunner::clamp_mss_to(std::uint32_t mtu_bytes) { state_->snapshot->control().clamp_mtu_bytes = mtu_bytes; }

common::Result<void> PacketRunner::set_ways_behind(std::span<const WayBehind> ways) {
  return set_ways(state_->object->map_fd(kWaysMap), ways);
}

common::Result<krait_flow_seeds> PacketRunner::flow_seeds() const {
  return read_seeds(state_->object->map_fd(kFlowsMap));
}

common::Result<void> PacketRunner::rewrite_flows(const std::function<void(krait_flow_bucket&)>& rewrite) {
  return datapath::rewrite_flows(state_->object->map_fd(kFlowsMap), rewrite);
}

std::uint64_t PacketRunner::boot_ns() const { return state_->snapshot->control().test_now_boot_ns; }

void PacketRunner::set_boot_ns(std::uint64_t boot_ns) { state_->snapshot->control().test_now_boot_ns = boot_ns; }

common::Result<Counters> PacketRunner::counters() const {
  return read_counters(state_->object->map_fd(kPairsMap), TableSizes{}.pair_buckets(),
                       state_->object->map_fd(kDropsMap));
}

common::Result<std::vector<krait_count>> PacketRunner::rule_counts() const {
  KRAIT_TRY(const auto records, state_->snapshot->rule_records());
  return read_rule_counts(state_->object->map_fd(kRulesMap), static_cast<std::uint32_t>(records.size()));
}

common::Result<std::vector<krait_event>> PacketRunner::events() {
  if (!state_->events) {
    KRAIT_TRY(auto reader, EventReader::of_map(state_->object->map_fd(kEventsMap)));
    state_->events = std::move(reader);
  }
  return state_->events->read(0);
}

}  // namespace krait::datapath
