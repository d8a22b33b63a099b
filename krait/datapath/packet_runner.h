// Runs single packets through the real program by BPF_PROG_TEST_RUN, on maps of its own, attached to nothing: for
// explain, trace, tests and benchmarks. Needs CAP_BPF and CAP_NET_ADMIN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/result.h"
#include "krait/abi/maps.h"
#include "krait/datapath/datapath.h"

namespace krait::datapath {

struct Run {
  bool allowed = false;
  bool rejected = false;  // denied, and the sender told: `frame` is the answer
  krait_trace trace{};
  std::vector<std::byte> frame;  // as the program left it
};

inline constexpr std::uint32_t kLoopbackIndex = 1;  // in every network namespace

struct RunOptions {
  krait_direction direction = KRAIT_INGRESS;
  std::uint32_t interface = kLoopbackIndex;  // the guarded one, of the caller's network namespace
  std::uint32_t came_in = 0;  // egress: the interface that brought the packet in; 0: a socket of this host
  std::uint16_t gso_segments = 0;
};

// Which program's time is taken.
enum class Timed : std::uint8_t {
  verdict,
  fence,  // that on other interfaces
  empty,  // what calling any program costs
};

struct TimeOptions {
  RunOptions run;
  std::uint32_t repeat = 1;
  Timed program = Timed::verdict;
};

enum class RunMode : std::uint8_t {
  traced,      // the program says why (Run::trace), and its clock moves by advance() only
  production,  // as on an interface: by the kernel's clock, and Run::trace stays empty
};

// Whose routes decide what is relayed, or lies behind this host.
enum class Routes : std::uint8_t {
  assumed,  // nobody's: every packet goes where its addresses say, and comes from there
  asked,    // the kernel's, those of the caller's network namespace
};

class PacketRunner {
 public:
  static common::Result<PacketRunner> load(std::uint32_t snapshot_pages, RunMode mode = RunMode::traced,
                                           Routes routes = Routes::assumed);

  PacketRunner(PacketRunner&&) noexcept;
  PacketRunner& operator=(PacketRunner&&) noexcept;
  ~PacketRunner();

  common::Result<void> publish(std::span<const std::byte> image);
  // publish() in its three steps, for measuring: see SnapshotMap.
  common::Result<void> fill_inactive(std::span<const std::byte> image);
  void switch_over();
  common::Result<void> wait_for_readers();
  // An Ethernet frame (14 bytes of header, then IP). A frame that not every kernel can present (no byte behind the
  // Ethernet header, or not a whole IP header) is reported as truncated without running, and counted nowhere. Longer
  // ones than max_frame_bytes() fail with limit.
  common::Result<Run> run(std::span<const std::byte> frame, const RunOptions& options);
  static std::size_t max_frame_bytes();
  // The kernel's own measure of one run: the mean of `repeat` runs on the same frame, in nanoseconds.
  common::Result<std::uint32_t> time_ns(std::span<const std::byte> frame, const TimeOptions& options);
  void advance(std::uint64_t seconds);
  void clamp_mss_to(std::uint32_t mtu_bytes);                             // as Datapath does; at first 0
  common::Result<void> set_ways_behind(std::span<const WayBehind> ways);  // as Datapath does; at first none
  [[nodiscard]] common::Result<krait_flow_seeds> flow_seeds() const;
  // For tests of what no packet can bring about.
  common::Result<void> rewrite_flows(const std::function<void(krait_flow_bucket&)>& rewrite);
  // CLOCK_BOOTTIME for rules that expire; advance() moves it too.
  [[nodiscard]] std::uint64_t boot_ns() const;
  void set_boot_ns(std::uint64_t boot_ns);
  common::Result<Counters> counters() const;
  common::Result<std::vector<krait_count>> rule_counts() const;
  // Hands over the events that the program has reported since the last call.
  common::Result<std::vector<krait_event>> events();

 private:
  struct State;
  struct Done {
    std::uint32_t retval = 0;
    std::uint32_t duration_ns = 0;
  };
  static common::Result<Done> test_run(int program_fd, std::span<const std::byte> frame, const TimeOptions& options,
                                       std::vector<std::byte>* left);
  explicit PacketRunner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace krait::datapath
