#include "krait/datapath/datapath.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <optional>
#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/datapath/attachment.h"
#include "krait/datapath/counters.h"
#include "krait/datapath/object.h"
#include "krait/datapath/pins.h"
#include "krait/datapath/program.h"
#include "krait/datapath/snapshot_map.h"

namespace krait::datapath {

namespace {

constexpr const char* kSnapshotPin = "snapshot";
constexpr const char* kRulesPin = "rules";

// A policy may grow by half without a new map; 4 MiB a buffer are always there.
std::uint32_t pages_with_headroom(const Options& options) {
  const std::uint32_t pages = options.snapshot_pages;
  const std::uint32_t wished = std::max<std::uint32_t>(1024, std::bit_ceil(pages + pages / 2));
  return std::max(pages, std::min(wished, options.most_snapshot_pages));
}

// Maps that are handed on from agent to agent as they are, with the layout that makes them usable.
struct SharedMap {
  const char* name;
  const char* pin;
  std::uint32_t key_bytes;
  std::uint32_t value_bytes;
  std::uint32_t entries;
};

std::array<SharedMap, 5> shared_maps(const TableSizes& sizes) {
  return {{
      {kFlowsMap, "flows", 4, sizeof(krait_flow_bucket), 1 + sizes.flow_buckets()},
      {kFragmentsMap, "fragments", sizeof(krait_fragment_key), sizeof(krait_fragment), sizes.fragments},
      {kPairsMap, "pairs", 4, sizeof(krait_pair_bucket), sizes.pair_buckets()},
      {kDropsMap, "drops", 4, sizeof(krait_drop_count), KRAIT_REASON_COUNT},
      {kEventsMap, kEventsPin, 0, 0, KRAIT_EVENTS_BYTES},
  }};
}

std::optional<bpf_map_info> info_of(int map_fd) {
  bpf_map_info info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(map_fd, &info, &bytes) == 0 ? std::optional(info) : std::nullopt;
}

bool fits(int map_fd, const SharedMap& map) {
  const auto info = info_of(map_fd);
  return info && info->key_size == map.key_bytes && info->value_size == map.value_bytes &&
         info->max_entries == map.entries;
}

bool is_same_map(int map_fd, int other_fd) {
  const auto info = info_of(map_fd);
  const auto other = info_of(other_fd);
  return info && other && info->id == other->id;
}

std::vector<krait_rule_record> records_in_force(const Pins& pins) {
  const common::Fd pinned = pins.get(kSnapshotPin);
  const auto info = pinned.valid() ? info_of(pinned.get()) : std::nullopt;
  if (!info || info->value_size != KRAIT_PAGE_BYTES) {
    return {};
  }
  const auto map = SnapshotMap::open(pinned.get(), info->max_entries);
  if (!map) {
    return {};
  }
  const auto records = map->rule_records();
  return {records.begin(), records.end()};
}

}  // namespace

struct Datapath::State {
  State(Pins pins_in, const TableSizes& sizes_in) : pins(std::move(pins_in)), sizes(sizes_in) {}

  Pins pins;
  TableSizes sizes;
  std::optional<Object> object;
  std::optional<Object> guard;
  std::optional<SnapshotMap> snapshot;
  std::uint32_t former_flags = 0;  // of a snapshot map that ours is to replace
  std::uint32_t former_clamp_mtu_bytes = 0;
  bool rules_are_adopted = false;
  Attachment attachment = Attachment::none;

  common::Result<void> choose_snapshot_map(const Options& options);
  common::Result<void> choose_rules_map(std::uint32_t rules);
  common::Result<void> take_over_rule_counts();
  [[nodiscard]] std::vector<std::pair<const char*, const char*>> pinned_maps() const;
  common::Result<void> share_maps();
  common::Result<void> pin_first_maps();
  common::Result<void> pin_attached_maps();
  common::Result<void> load(const Options& options);
  common::Result<void> clear_counts_of_nobody();
  common::Result<void> forget_rules(const std::vector<krait_rule_record>& former);
};

// The pinned map when it is large enough and of this version, else a new one.
common::Result<void> Datapath::State::choose_snapshot_map(const Options& options) {
  const common::Fd pinned = pins.get(kSnapshotPin);
  const auto info = pinned.valid() ? info_of(pinned.get()) : std::nullopt;
  if (info && info->value_size == KRAIT_PAGE_BYTES && info->max_entries >= snapshot_entries(options.snapshot_pages)) {
    auto existing = SnapshotMap::open(pinned.get(), info->max_entries);
    if (!existing) {
      return std::move(existing.error());
    }
    if (existing->control().abi_version == KRAIT_ABI_VERSION) {
      return object->reuse_map(kSnapshotMap, pinned.get());
    }
  }
  if (info && info->value_size == KRAIT_PAGE_BYTES) {
    const auto former = SnapshotMap::open(pinned.get(), info->max_entries);
    former_flags = former ? former->control().flags : 0;
    const bool same = former && former->control().abi_version == KRAIT_ABI_VERSION;
    former_clamp_mtu_bytes = same ? former->control().clamp_mtu_bytes : 0;
  }
  return object->set_entries(kSnapshotMap, snapshot_entries(pages_with_headroom(options)));
}

// The pinned map when it has room for this many rules, else a new one.
common::Result<void> Datapath::State::choose_rules_map(std::uint32_t rules) {
  const common::Fd pinned = pins.get(kRulesPin);
  const auto info = pinned.valid() ? info_of(pinned.get()) : std::nullopt;
  rules_are_adopted = info && info->value_size == sizeof(krait_count) && info->max_entries >= rule_entries(rules);
  return rules_are_adopted ? object->reuse_map(kRulesMap, pinned.get())
                           : object->set_entries(kRulesMap, rule_entries(rules));
}

// A new map goes on from the counts of the smaller one.
common::Result<void> Datapath::State::take_over_rule_counts() {
  if (rules_are_adopted) {
    return {};
  }
  const int fd = object->map_fd(kRulesMap);
  const common::Fd pinned = pins.get(kRulesPin);
  const auto info = pinned.valid() ? info_of(pinned.get()) : std::nullopt;
  if (info && info->value_size == sizeof(krait_count)) {
    const auto own = info_of(fd);
    const std::uint32_t rules = own ? std::min(info->max_entries, own->max_entries) : 0;
    if (auto copied = copy_rule_counts(pinned.get(), fd, rules); !copied) {
      return copied;
    }
  }
  return {};
}

common::Result<void> Datapath::State::share_maps() {
  for (const SharedMap& map : shared_maps(sizes)) {
    const common::Fd pinned = pins.get(map.pin);
    if (!pinned.valid() || !fits(pinned.get(), map)) {
      continue;
    }
    if (auto shared = object->reuse_map(map.name, pinned.get()); !shared) {
      return shared;
    }
  }
  return {};
}

// Names and pins of all maps that outlive the agent.
std::vector<std::pair<const char*, const char*>> Datapath::State::pinned_maps() const {
  std::vector<std::pair<const char*, const char*>> maps{{kSnapshotMap, kSnapshotPin}, {kRulesMap, kRulesPin}};
  for (const SharedMap& map : shared_maps(sizes)) {
    maps.emplace_back(map.name, map.pin);
  }
  return maps;
}

// What an earlier agent pinned stays pinned until the new programs are attached.
common::Result<void> Datapath::State::pin_first_maps() {
  for (const auto& [name, pin] : pinned_maps()) {
    if (pins.get(pin).valid()) {
      continue;
    }
    if (auto done = pins.put(pin, object->map_fd(name)); !done) {
      return done;
    }
  }
  return {};
}

common::Result<void> Datapath::State::pin_attached_maps() {
  for (const auto& [name, pin] : pinned_maps()) {
    const int fd = object->map_fd(name);
    const common::Fd pinned = pins.get(pin);
    if (pinned.valid() && is_same_map(pinned.get(), fd)) {
      continue;
    }
    if (auto done = pins.replace(pin, fd); !done) {
      return done;
    }
  }
  return {};
}

common::Result<void> Datapath::State::load(const Options& options) {
  auto opened = open_krait_object(Framing::network, sizes);
  if (!opened) {
    return std::move(opened.error());
  }
  object = std::move(*opened);
  auto opened_guard = open_guard_object();
  if (!opened_guard) {
    return std::move(opened_guard.error());
  }
  guard = std::move(*opened_guard);
  auto done = choose_snapshot_map(options);
  done = done ? choose_rules_map(options.rules) : std::move(done);
  done = done ? share_maps() : std::move(done);
  done = done ? object->load() : std::move(done);
  done = done ? guard->load() : std::move(done);
  done = done ? seed_flows(object->map_fd(kFlowsMap)) : std::move(done);
  done = done ? take_over_rule_counts() : std::move(done);
  done = done ? pin_first_maps() : std::move(done);
  if (!done) {
    return done;
  }
  const int fd = object->map_fd(kSnapshotMap);
  const auto info = info_of(fd);
  auto map = SnapshotMap::open(fd, info ? info->max_entries : 0);
  if (!map) {
    return std::move(map.error());
  }
  snapshot = std::move(*map);
  if (former_clamp_mtu_bytes != 0) {
    snapshot->control().clamp_mtu_bytes = former_clamp_mtu_bytes;
  }
  // An agent that was killed between its switch and its wait left readers in what is now the inactive buffer, and
  // counts of rules that are gone.
  auto waited = snapshot->wait_for_readers();
  return waited ? clear_counts_of_nobody() : std::move(waited);
}

common::Result<void> Datapath::State::clear_counts_of_nobody() {
  const int fd = object->map_fd(kRulesMap);
  const auto info = info_of(fd);
  const auto records = records_in_force(pins);  // this object's snapshot may be a new one
  for (std::uint32_t rule = 0; info && rules_are_adopted && rule < info->max_entries; ++rule) {
    if (rule < records.size() && records[rule].name_hash != 0) {
      continue;
    }
    if (auto cleared = clear_rule_count(fd, rule); !cleared) {
      return cleared;
    }
  }
  return {};
}

common::Result<Datapath> Datapath::open(const Options& options) {
  auto pins = Pins::open(options.bpffs, options.interface);
  if (!pins) {
    return std::move(pins.error());
  }
  auto state = std::make_unique<State>(std::move(*pins), options.tables);
  if (auto loaded = state->load(options); !loaded) {
    return passed_on(loaded, fmt::format("prepare the datapath of {}", options.interface));
  }
  return Datapath(std::move(state));
}

Datapath::Datapath(std::unique_ptr<State> state) : state_(std::move(state)) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

bool Datapath::has_room(const Options& options) const {
  const auto rules = info_of(state_->object->map_fd(kRulesMap));
  return options.tables == state_->sizes && options.snapshot_pages <= state_->snapshot->buffer_pages() && rules &&
         rule_entries(options.rules) <= rules->max_entries;
}

common::Result<void> Datapath::publish(std::span<const std::byte> image) {
  if (auto filled = state_->snapshot->fill_inactive(image); !filled) {
    return filled;
  }
  const auto records = state_->snapshot->rule_records();
  const std::vector<krait_rule_record> former(records.begin(), records.end());
  state_->snapshot->switch_over();
  auto waited = state_->snapshot->wait_for_readers();
  return waited ? state_->forget_rules(former) : std::move(waited);
}

// The numbers of rules that are gone count from nothing when they are given away again.
common::Result<void> Datapath::State::forget_rules(const std::vector<krait_rule_record>& former) {
  const auto records = snapshot->rule_records();
  for (std::uint32_t rule = 0; rule < former.size(); ++rule) {
    const bool stays = rule < records.size() && records[rule].name_hash == former[rule].name_hash;
    if (former[rule].name_hash == 0 || stays) {
      continue;
    }
    if (auto cleared = clear_rule_count(object->map_fd(kRulesMap), rule); !cleared) {
      return cleared;
    }
  }
  return {};
}

common::Result<void> Datapath::attach(std::uint32_t interface_index) {
  const Programs programs{.ingress_fd = state_->object->program_fd("krait_ingress"),
                          .egress_fd = state_->object->program_fd("krait_egress"),
                          .guard_fd = state_->guard->program_fd("krait_guard")};
  auto attached = attach_programs(interface_index, programs, state_->pins);
  if (!attached) {
    return std::move(attached.error());
  }
  state_->attachment = attached->kind;
  state_->snapshot->control().flags |= state_->former_flags | (attached->made_qdisc ? KRAIT_CONTROL_OWN_QDISC : 0);
  return state_->pin_attached_maps();
}

void Datapath::clamp_mss_to(std::uint32_t mtu_bytes) {
  // Programs read it meanwhile; either value is right for a packet of this moment.
  std::atomic_ref<std::uint32_t>(state_->snapshot->control().clamp_mtu_bytes)
      .store(mtu_bytes, std::memory_order_relaxed);
}

Attachment Datapath::attachment() const { return state_->attachment; }

bool Datapath::active() const { return state_->snapshot->active() != nullptr; }

std::uint64_t Datapath::revision() const {
  const krait_snapshot_header* header = state_->snapshot->active();
  return header == nullptr ? 0 : header->revision;
}

common::Result<Counters> Datapath::counters() const {
  return read_counters(state_->object->map_fd(kPairsMap), state_->sizes.pair_buckets(),
                       state_->object->map_fd(kDropsMap));
}

std::span<const krait_rule_record> Datapath::rule_records() const { return state_->snapshot->rule_records(); }

common::Result<std::vector<krait_count>> Datapath::rule_counts() const {
  return read_rule_counts(state_->object->map_fd(kRulesMap), static_cast<std::uint32_t>(rule_records().size()));
}

common::Result<void> Datapath::remove(const Options& options, std::uint32_t interface_index) {
  const Pins pins = Pins::at(options.bpffs, options.interface);
  bool own_qdisc = false;
  if (const common::Fd pinned = pins.get(kSnapshotPin); pinned.valid()) {
    const auto info = info_of(pinned.get());
    auto map = SnapshotMap::open(pinned.get(), info ? info->max_entries : 1);
    own_qdisc = map && (map->control().flags & KRAIT_CONTROL_OWN_QDISC) != 0;
  }
  if (interface_index != 0) {
    if (auto detached = detach_programs(interface_index, pins, own_qdisc); !detached) {
      return detached;
    }
  }
  return pins.remove_all();
}

std::vector<krait_rule_record> rule_records_in_force(const Options& options) {
  return records_in_force(Pins::at(options.bpffs, options.interface));
}

bool has_pins(const Options& options) { return Pins::at(options.bpffs, options.interface).any(); }

}  // namespace krait::datapath
