#include "krait/enforce/observe.h"

#include <algorithm>
#include <utility>

#include "krait/enforce/datapath_options.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

using common::ErrorCode;
using common::Result;

namespace {

bool is_applied(const Held& held, const Looking& looking) {
  if (!looking.key || held.key != looking.key || !held.refused.empty() || awaits_keys(looking.plan.wireguard)) {
    return false;
  }
  const auto applied = wireguard::is_applied(looking.plan.wireguard, *looking.key, looking.previous);
  return applied && *applied;  // what cannot be read is for the steps to report
}

Result<void> look_at_policy(const Held& held, const Looking& looking, Observed& observed) {
  const plan::Plan& plan = looking.plan;
  observed.is_active = held.datapath.active();
  observed.may_other_decide = held.datapath.may_former_decide();
  if (plan.snapshot.image.empty()) {
    observed.has_policy = held.datapath.held_revision() == looking.revision;
    return {};
  }
  observed.has_room = held.datapath.has_room(datapath_options(held.interface, plan, held.is_managed));
  KRAIT_TRY(const auto published, held.datapath.is_published(plan.snapshot.image));
  observed.has_policy = published;
  return {};
}

void look_for_it_elsewhere(Held& held, const Looking& looking, Sight& sight) {
  sight.new_home = looking.moved_to ? looking.moved_to() : std::nullopt;  // goes by the index
  held.interface_index = 0;
  held.refused.clear();
  if (sight.new_home) {
    sight.observed.place = Place::moved;
    // TCX links go with the interface. Clsact's filters do not.
    sight.observed.is_judged_there = held.datapath.attachment() == datapath::Attachment::tcx;
  }
}

}  // namespace

bool is_strangers(const Held& held, const wireguard::Whereabouts& where) {
  return held.is_managed && where.index != held.interface_index && !where.is_marked;
}

bool awaits_keys(const model::WireguardImage& image) {
  return std::ranges::any_of(image.peers,
                             [](const model::WireguardPeer& peer) { return peer.next_public_key.has_value(); });
}

Result<Sight> locate(const Held& held) {
  Sight sight;
  const auto where = wireguard::find_link(held.interface, held.interface_index);
  if (!where) {
    return where.error().code() == ErrorCode::not_found ? Result<Sight>(sight) : where.error();
  }
  if (is_strangers(held, *where)) {
    sight.observed.place = Place::taken;
    return sight;
  }
  sight.name = where->name;
  sight.interface_index = where->index;
  sight.observed.place = where->name == held.interface ? Place::here : Place::renamed;
  return sight;
}

Result<Sight> observe(Held& held, const Looking& looking) {
  KRAIT_TRY(auto sight, locate(held));
  KRAIT_CHECK(look_at_policy(held, looking, sight.observed));
  if (sight.interface_index == 0) {
    look_for_it_elsewhere(held, looking, sight);
    return sight;
  }
  held.was_removed_there = false;
  held.interface_index = sight.interface_index;
  sight.observed.is_attached = held.datapath.is_attached(sight.interface_index);
  sight.observed.is_applied = sight.observed.place == Place::here && is_applied(held, looking);
  return sight;
}

}  // namespace krait::enforce
