#include "bench/net/krait_filter.h"

#include <fmt/format.h>

#include <utility>

#include "krait/abi/snapshot.h"
#include "krait/compile/compile.h"
#include "krait/datapath/attachment.h"
#include "krait/datapath/object.h"
#include "krait/datapath/pins.h"
#include "krait/datapath/program.h"

namespace krait::bench {

struct KraitFilter::State {
  datapath::Object object;
  datapath::Object guard;
  datapath::SnapshotMap snapshot;
};

common::Result<KraitFilter> KraitFilter::attach(const Arena& arena, const Scale& scale, const std::string& bpffs) {
  KRAIT_TRY(const auto first, compile::compile_snapshot(scale.bindings, scale.policy, 1));
  auto object = datapath::open_krait_object(datapath::Framing::ethernet);
  auto guard = datapath::open_guard_object();
  // The veths' names are all the same; the namespaces' descriptors are not.
  auto pins = datapath::Pins::open(bpffs, fmt::format("{}", arena.guarded.fd()));
  if (!object || !guard || !pins) {
    return std::move(!object ? object.error() : !guard ? guard.error() : pins.error());
  }
  const auto pages = static_cast<std::uint32_t>(first.image.size() / KRAIT_PAGE_BYTES);
  const std::uint32_t entries = datapath::snapshot_entries(pages + pages / 2);
  auto done = object->set_entries(datapath::kSnapshotMap, entries);
  const auto rules = static_cast<std::uint32_t>(scale.policy.rules.size());
  done = done ? object->set_entries(datapath::kRulesMap, datapath::rule_entries(rules)) : std::move(done);
  done = done ? datapath::load_krait_object(*object) : std::move(done);
  done = done ? guard->load() : std::move(done);
  if (!done) {
    return std::move(done.error());
  }
  KRAIT_TRY(auto snapshot, datapath::SnapshotMap::open(object->map_fd(datapath::kSnapshotMap), entries));
  KraitFilter filter(std::make_unique<State>(State{std::move(*object), std::move(*guard), std::move(snapshot)}));
  KRAIT_CHECK(filter.publish(first.image));
  const datapath::Programs programs{.ingress_fd = filter.state_->object.program_fd("krait_in_eth"),
                                    .egress_fd = filter.state_->object.program_fd("krait_out_eth"),
                                    .guard_fd = filter.state_->guard.program_fd("krait_guard")};
  datapath::Links links;
  KRAIT_CHECK(inside(arena.guarded, [&] { return datapath::attach_programs(arena.guarded_index, programs, links); }));
  KRAIT_CHECK(datapath::pin_links(links, *pins));
  return filter;
}

KraitFilter::KraitFilter(std::unique_ptr<State> state) : state_(std::move(state)) {}
KraitFilter::KraitFilter(KraitFilter&&) noexcept = default;
KraitFilter& KraitFilter::operator=(KraitFilter&&) noexcept = default;
KraitFilter::~KraitFilter() = default;

common::Result<void> KraitFilter::publish(std::span<const std::byte> image) {
  KRAIT_CHECK(state_->snapshot.fill_inactive(image));
  state_->snapshot.switch_over();
  return state_->snapshot.wait_for_readers();
}

datapath::SnapshotMap& KraitFilter::snapshot() { return state_->snapshot; }

}  // namespace krait::bench
