#include "krait/datapath/datapath.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/datapath/attachment.h"
#include "krait/datapath/counters.h"
#include "krait/datapath/fence.h"
#include "krait/datapath/flow_migration.h"
#include "krait/datapath/loaded.h"
#include "krait/datapath/pins.h"
#include "krait/datapath/program.h"
#include "krait/datapath/snapshot_map.h"
#include "krait/datapath/survey.h"

namespace krait::datapath {

using common::Fd;
using common::Result;

namespace {

constexpr const char* kSnapshotPin = "snapshot";
constexpr const char* kRulesPin = "rules";
constexpr const char* kFlowsPin = "flows";

// The pinned snapshot map of whatever version; none when there is none that makes sense.
std::optional<SnapshotMap> pinned_snapshot(const Pins& pins) {
  const Fd pinned = pins.get(kSnapshotPin);
  if (!pinned.valid() || !fits(pinned.get(), map_shapes({})[static_cast<std::size_t>(MapId::snapshot)])) {
    return std::nullopt;
  }
  auto map = SnapshotMap::open(pinned.get(), entries_of(pinned.get()));
  return map ? std::optional(std::move(*map)) : std::nullopt;
}

std::vector<krait_rule_record> records_of(const std::optional<SnapshotMap>& map) {
  auto records = map ? map->rule_records() : Result<std::vector<krait_rule_record>>();
  return records ? std::move(*records) : std::vector<krait_rule_record>();
}

// The pinned table of flows, whatever its size.
Fd pinned_flows(const Pins& pins) {
  Fd pinned = pins.get(kFlowsPin);
  MapShape shape = map_shapes({})[static_cast<std::size_t>(MapId::flows)];
  shape.entries = 2;
  shape.at_least = true;
  return pinned.valid() && fits(pinned.get(), shape) ? std::move(pinned) : Fd();
}

std::uint32_t index_of(const std::string& interface) { return ::if_nametoindex(interface.c_str()); }

}  // namespace

struct Datapath::State {
  State(Pins pins_in, const TableSizes& sizes_in) : pins(std::move(pins_in)), sizes(sizes_in) {}

  Pins pins;
  TableSizes sizes;
  Loaded loaded;
  std::optional<SnapshotMap> snapshot;
  std::string interface;
  bool only_guards = false;
  std::uint32_t former_flags = 0;  // of a snapshot map that ours is to replace
  bool may_former_decide = false;
  std::uint64_t former_revision = 0;
  std::uint32_t former_clamp_mtu_bytes = 0;
  std::vector<krait_rule_record> former_records;
  Fd former_flows;          // a table whose flows are carried over to ours
  bool is_adopted = false;  // the programs are those that are pinned
  Links links;
  FenceLinks fence_links;
  Attachment attachment = Attachment::none;

  Result<void> load(const Options& options);
  Result<void> prepare_new_maps();
  Result<void> take_over_rule_counts();
  Result<void> clear_counts_of_nobody();
  Result<void> forget_rules(const std::vector<krait_rule_record>& former);
  Result<Attached> attach_anew(std::uint32_t interface_index);
  void remember_flags();
};

// Where a map is not the pinned one it goes on from what the pinned one holds.
Result<void> Datapath::State::prepare_new_maps() {
  if (!loaded.shares(pins, MapId::snapshot)) {
    const auto former = pinned_snapshot(pins);
    may_former_decide = !former || former->active();
    former_flags = former ? former->control().flags : 0;
    former_revision = former ? former->control().last_revision : 0;
    former_clamp_mtu_bytes = former ? former->control().clamp_mtu_bytes : 0;
    former_records = records_of(former);
  }
  former_flows = loaded.shares(pins, MapId::flows) ? Fd() : pinned_flows(pins);
  if (former_flows.valid()) {
    KRAIT_CHECK(carry_flows(former_flows.get(), loaded.map(MapId::flows)));
  }
  return take_over_rule_counts();
}

// A new map goes on from the counts of the smaller one.
Result<void> Datapath::State::take_over_rule_counts() {
  const Fd pinned = pins.get(kRulesPin);
  MapShape shape = map_shapes({})[static_cast<std::size_t>(MapId::rules)];
  shape.entries = 0;
  if (loaded.shares(pins, MapId::rules) || !pinned.valid() || !fits(pinned.get(), shape)) {
    return {};
  }
  const int fd = loaded.map(MapId::rules);
  return copy_rule_counts(pinned.get(), fd, std::min(entries_of(pinned.get()), entries_of(fd)));
}

Result<void> Datapath::State::load(const Options& options) {
  if (is_adopted) {
    auto adopted = Loaded::adopt(pins, options);
    is_adopted = adopted.has_value();
    if (adopted) {
      loaded = std::move(*adopted);
    }
  }
  if (!is_adopted) {
    if (const Fd flows = pinned_flows(pins); flows.valid()) {
      KRAIT_CHECK(check_flows_layout(flows.get()));
    }
    KRAIT_TRY(auto made, Loaded::load(pins, options));
    loaded = std::move(made);
    KRAIT_CHECK(prepare_new_maps());
  }
  KRAIT_TRY(auto map, SnapshotMap::open(loaded.map(MapId::snapshot), entries_of(loaded.map(MapId::snapshot))));
  snapshot = std::move(map);
  if (former_clamp_mtu_bytes != 0) {
    snapshot->control().clamp_mtu_bytes = former_clamp_mtu_bytes;
  }
  links = pinned_links(pins);
  // An agent that was killed between its switch and its wait left readers in what is now the inactive buffer, and
  // counts of rules that are gone.
  auto waited = snapshot->wait_for_readers();
  return waited ? clear_counts_of_nobody() : std::move(waited);
}

Result<void> Datapath::State::clear_counts_of_nobody() {
  if (!loaded.shares(pins, MapId::rules)) {
    return {};
  }
  const int fd = loaded.map(MapId::rules);
  const auto records = records_of(pinned_snapshot(pins));  // our own snapshot may be a new one
  for (std::uint32_t rule = 0; rule < entries_of(fd); ++rule) {
    if (rule < records.size() && records[rule].name_hash != 0) {
      continue;
    }
    KRAIT_CHECK(clear_rule_count(fd, rule));
  }
  return {};
}

Result<Datapath> Datapath::open(const Options& options, Open how) {
  KRAIT_CHECK(check_kernel_keeps_packets_apart());
  KRAIT_TRY(auto pins, Pins::open(options.bpffs, options.interface));
  auto state = std::make_unique<State>(std::move(pins), options.tables);
  state->is_adopted = how == Open::adopt;
  state->interface = options.interface;
  state->only_guards = options.only_guards;
  const std::string doing = fmt::format("prepare the datapath of {}", options.interface);
  KRAIT_CHECK(settle_pins(state->pins, index_of(options.interface)), doing);
  KRAIT_CHECK(state->load(options), doing);
  return Datapath(std::move(state));
}

Datapath::Datapath(std::unique_ptr<State> state) : state_(std::move(state)) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

bool Datapath::has_room(const Options& options) const {
  return options.tables == state_->sizes && options.snapshot_pages <= state_->snapshot->buffer_pages() &&
         rule_entries(options.rules) <= entries_of(state_->loaded.map(MapId::rules));
}

Result<void> Datapath::publish(std::span<const std::byte> image) {
  KRAIT_TRY(auto former, state_->snapshot->rule_records());
  if (former.empty()) {
    former = state_->former_records;
  }
  KRAIT_CHECK(state_->snapshot->fill_inactive(image));
  state_->snapshot->switch_over();
  state_->snapshot->control().last_revision = revision();
  KRAIT_CHECK(state_->snapshot->wait_for_readers());
  return state_->forget_rules(former);
}

Result<bool> Datapath::is_published(std::span<const std::byte> image) const {
  return state_->snapshot->is_active(image);
}

Result<void> Datapath::deny_all() {
  state_->snapshot->deny_all();
  return state_->snapshot->wait_for_readers();
}

Result<void> Datapath::resume() {
  state_->snapshot->resume();
  if (!active()) {
    return common::Error(common::ErrorCode::not_found, "the kernel has no policy to go on with");
  }
  return {};
}

// The numbers of rules that are gone count from nothing when they are given away again.
Result<void> Datapath::State::forget_rules(const std::vector<krait_rule_record>& former) {
  KRAIT_TRY(const auto records, snapshot->rule_records());
  for (std::uint32_t rule = 0; rule < former.size(); ++rule) {
    const bool stays = rule < records.size() && records[rule].name_hash == former[rule].name_hash;
    if (former[rule].name_hash == 0 || stays) {
      continue;
    }
    KRAIT_CHECK(clear_rule_count(loaded.map(MapId::rules), rule));
  }
  return {};
}

// The new set is pinned beside the old one before anything is attached: see begin_pins().
Result<Attached> Datapath::State::attach_anew(std::uint32_t interface_index) {
  krait_control& control = snapshot->control();
  control.build = 0;
  KRAIT_TRY(const auto next, begin_pins(pins));
  KRAIT_CHECK(loaded.pin(next));
  KRAIT_TRY(auto attached, attach_programs(interface_index, loaded.programs(), links));
  KRAIT_CHECK(pin_links(links, pins));
  // The kernel does not wait for packets that the former program still judges, by the former policy.
  KRAIT_CHECK(snapshot->wait_for_readers());
  if (former_flows.valid()) {  // flows that opened while the former program still judged
    KRAIT_CHECK(carry_flows(former_flows.get(), loaded.map(MapId::flows)));
  }
  KRAIT_CHECK(commit_pins(pins));
  if (snapshot->active()) {  // the former program counted by its own rules until now
    KRAIT_CHECK(forget_rules(former_records));
  }
  former_flows.reset();
  may_former_decide = false;
  control.build = build_id();
  is_adopted = true;
  return attached;
}

void Datapath::State::remember_flags() {
  krait_control& control = snapshot->control();
  control.flags |= former_flags & KRAIT_CONTROL_OWN_QDISC;
  control.flags = only_guards ? control.flags | KRAIT_CONTROL_ONLY_GUARDS : control.flags & ~KRAIT_CONTROL_ONLY_GUARDS;
}

Result<Mended> Datapath::attach(std::uint32_t interface_index) {
  State& state = *state_;
  state.remember_flags();
  KRAIT_TRY(auto attached, state.is_adopted ? attach_programs(interface_index, state.loaded.programs(), state.links)
                                            : state.attach_anew(interface_index));
  state.attachment = attached.kind;
  state.snapshot->control().flags |= attached.made_qdisc ? KRAIT_CONTROL_OWN_QDISC : 0;
  return attached.mended;
}

bool Datapath::is_attached(std::uint32_t interface_index) const { return is_on(interface_index, state_->links); }

Result<bool> Datapath::keep_pins() {
  State& state = *state_;
  KRAIT_CHECK(rundir::mount_bpffs(state.pins.bpffs()));
  KRAIT_CHECK(state.pins.make());
  const bool were_pinned = state.loaded.is_pinned(state.pins);
  if (!were_pinned) {
    KRAIT_CHECK(state.loaded.pin(state.pins));
  }
  KRAIT_TRY(const bool pinned_links, pin_links(state.links, state.pins));
  return !were_pinned || pinned_links;
}

bool Datapath::is_first(std::uint32_t interface_index, const netlink::FirstPrograms& clsact) const {
  const Programs programs = state_->loaded.programs();
  if (state_->attachment == Attachment::tcx) {
    return are_first_tcx(interface_index, programs);
  }
  return clsact.ingress_id == program_id(programs.ingress_fd) && clsact.egress_id == program_id(programs.egress_fd);
}

void Datapath::clamp_mss_to(std::uint32_t mtu_bytes) {
  // Programs read it meanwhile; either value is right for a packet of this moment.
  std::atomic_ref<std::uint32_t>(state_->snapshot->control().clamp_mtu_bytes)
      .store(mtu_bytes, std::memory_order_relaxed);
}

Result<void> Datapath::set_ways_behind(std::span<const WayBehind> ways) {
  return set_ways(state_->loaded.map(MapId::ways), ways);
}

Attachment Datapath::attachment() const { return state_->attachment; }

bool Datapath::active() const { return state_->snapshot->active(); }
bool Datapath::may_former_decide() const { return state_->may_former_decide; }

std::uint64_t Datapath::revision() const {
  const auto header = state_->snapshot->header();
  return header && *header ? (*header)->revision : 0;
}

std::uint64_t Datapath::held_revision() const {
  const auto header = state_->snapshot->held_header();
  return header && *header ? (*header)->revision : 0;
}

std::uint64_t Datapath::last_revision() const {
  return std::max<std::uint64_t>(state_->snapshot->control().last_revision, state_->former_revision);
}

Result<Counters> Datapath::counters() const {
  return read_counters(state_->loaded.map(MapId::pairs), state_->sizes.pair_buckets(),
                       state_->loaded.map(MapId::drops));
}

Result<std::vector<krait_rule_record>> Datapath::rule_records() const { return state_->snapshot->rule_records(); }

Result<std::vector<krait_count>> Datapath::rule_counts() const {
  KRAIT_TRY(const auto records, rule_records());
  return read_rule_counts(state_->loaded.map(MapId::rules), static_cast<std::uint32_t>(records.size()));
}

Fenced Datapath::fence_off(const Outside& outside, const InUse& is_in_use) {
  State& state = *state_;
  const Programs programs = state.loaded.programs();
  std::vector<Post> posts;
  posts.reserve(outside.interfaces.size() + outside.ports.size());
  for (const std::uint32_t index : outside.interfaces) {
    posts.push_back({.interface_index = index, .program_fd = programs.fence_fd});
  }
  for (const std::uint32_t index : outside.ports) {
    posts.push_back({.interface_index = index, .program_fd = programs.fence_port_fd});
  }
  return put_fence({.pins = state.pins, .interface = state.interface, .kind = state.attachment, .is_in_use = is_in_use},
                   posts, state.fence_links);
}

Result<void> Datapath::remove(const Options& options, std::uint32_t interface_index, const InUse& is_in_use) {
  const Pins pins = Pins::at(options.bpffs, options.interface);
  const auto map = pinned_snapshot(pins);
  take_fence({.pins = pins, .interface = options.interface, .is_in_use = is_in_use});
  const bool own_qdisc = map && (map->control().flags & KRAIT_CONTROL_OWN_QDISC) != 0;
  if (interface_index != 0) {
    KRAIT_CHECK(detach_programs(interface_index, pins, own_qdisc));
  }
  KRAIT_CHECK(pins.remove_all());
  rundir::release_bpffs(options.bpffs);
  return {};
}

Result<void> Datapath::deny_all_left_over(const Options& options) {
  auto map = pinned_snapshot(Pins::at(options.bpffs, options.interface));
  if (!map) {
    return {};
  }
  map->deny_all();
  return map->wait_for_readers();
}

std::vector<krait_rule_record> rule_records_in_force(const Options& options) {
  const Pins pins = Pins::at(options.bpffs, options.interface);
  if (!settle_pins(pins, index_of(options.interface))) {
    return {};
  }
  return records_of(pinned_snapshot(pins));
}

bool has_pins(const Options& options) { return Pins::at(options.bpffs, options.interface).any(); }

bool only_guards(const Options& options) {
  const auto map = pinned_snapshot(Pins::at(options.bpffs, options.interface));
  return map && (map->control().flags & KRAIT_CONTROL_ONLY_GUARDS) != 0;
}

bool manages(const Options& options, std::uint32_t interface_index) {
  const Pins pins = Pins::at(options.bpffs, options.interface);
  return pins.any() && !only_guards(options) && is_on(interface_index, pinned_links(pins));
}

}  // namespace krait::datapath
