#include "krait/enforce/simulated_world.h"

#include <utility>

namespace krait::enforce::simulation {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Error failure(Step step) { return {ErrorCode::system, "made to fail: " + std::string(name_of(step))}; }

}  // namespace

Plan random_plan(Random& random) {
  Plan plan;
  for (int& owner : plan.owner.members) {
    owner = below(random, kPeers + 1) - 1;
  }
  for (int peer = 0; peer < kPeers; ++peer) {
    plan.is_open.at(peer) = !one_in(random, 3);
    plan.has_network.at(peer) = one_in(random, 2);
  }
  plan.is_big = one_in(random, 4);
  return plan;
}

Result<void> World::carry_out(Step step) {
  const Failure failing = std::exchange(next_failure, Failure::none);
  // What goes on without these two, with a fault that says so, is what others left open.
  meddled.fence = meddled.fence || (step == Step::fence && failing != Failure::none);
  meddled.programs = meddled.programs || (step == Step::get_ahead && failing != Failure::none);
  if (failing == Failure::before) {
    return failure(step);
  }
  auto done = do_it(step, failing == Failure::half_way);
  if (done && failing == Failure::twice) {
    done = do_it(step, false);
  }
  return failing == Failure::after || failing == Failure::half_way ? Result<void>(failure(step)) : std::move(done);
}

Result<void> World::do_it(Step step, bool half_way) {
  switch (step) {
    case Step::make_link:
      if (link && !link->is_ours) {
        return Error(ErrorCode::invalid_input, "a stranger's");
      }
      link = link ? *link : Link();
      return {};
    case Step::remove_there:
      elsewhere.reset();
      return {};
    case Step::make_room:
      maps.push_back({.is_big = plans[wanted].is_big});
      successor_ = maps.size() - 1;
      return {};
    case Step::deny:
    case Step::publish:
    case Step::resume:
    case Step::set_ways:
      return on_maps(step);
    case Step::fence:
      if (!is_kind_known_) {
        return Error(ErrorCode::system, "nothing was attached yet");
      }
      is_fenced = !half_way;
      meddled.fence = half_way;
      return {};
    case Step::open_fence:
      is_fenced = false;
      return {};
    case Step::pin:
      is_pinned = is_pinned || (has_link() && link->are_programs_on);
      return {};
    case Step::detach:
      is_pinned = is_fenced = false;
      attached_maps.reset();
      if (has_link()) {
        link->are_programs_on = link->is_guard_on = false;
      }
      return {};
    case Step::restore:
      return {};
    default:
      return on_link(step, half_way);
  }
}

Result<void> World::on_maps(Step step) {
  Maps& map = target();
  switch (step) {
    case Step::deny:
      map.is_active = false;
      return {};
    case Step::publish:
      if (plans[wanted].is_big && !map.is_big) {
        return Error(ErrorCode::limit, "too big");
      }
      if (!has_image) {
        return Error(ErrorCode::system, "there is nothing to publish");
      }
      map.policy = wanted;
      map.is_active = true;
      return {};
    case Step::resume:
      map.is_active = map.policy.has_value();
      return map.is_active ? Result<void>() : Result<void>(Error(ErrorCode::not_found, "no policy"));
    default:
      map.ways = plans[wanted].has_network;
      return {};
  }
}

Result<void> World::on_link(Step step, bool half_way) {
  if (!has_link()) {
    return Error(ErrorCode::not_found, "no interface");
  }
  const auto half = [&] { return half_way && one_in(random_, 2); };
  switch (step) {
    case Step::attach:
      link->are_programs_on = is_kind_known_ = true;
      link->is_guard_on = link->is_guard_on || !half();
      opened_ = successor_ ? *successor_ : opened_;
      is_pinned = is_pinned || attached_maps != opened_;
      attached_maps = opened_;
      successor_.reset();
      meddled.programs = link->is_somebody_ahead;
      return {};
    case Step::get_ahead:
      link->is_somebody_ahead = false;
      meddled.programs = meddled.programs && !link->are_programs_on;
      return {};
    case Step::rename:
      link->is_named = true;
      return {};
    case Step::remove_link:
      link.reset();
      return {};
    default:
      break;
  }
  if (!link->is_named) {
    return Error(ErrorCode::not_found, "it has another name");
  }
  for (int address = 0; address < kAddresses; ++address) {
    if (half()) {
      continue;
    }
    const int owner = are_steps_for_nobody ? kNobody : plans[wanted].owner.at(address);
    const bool goes = link->allowed.at(address) != owner;
    if (step == Step::withdraw && goes) {
      link->allowed.at(address) = kNobody;
    } else if (step == Step::apply) {
      link->allowed.at(address) = owner;
    }
    meddled.addresses.at(address) = false;
  }
  if (step == Step::apply && !half()) {
    link->has_settings = link->is_up = true;
  }
  return {};
}

Observed World::observe(std::size_t plan, bool with_image) const {
  const Maps& open = maps[opened_];
  Observed seen;
  seen.is_active = open.is_active;
  seen.may_other_decide = attached_maps && *attached_maps != opened_ && maps[*attached_maps].is_active;
  seen.has_room = !with_image || open.is_big || !plans[plan].is_big;
  seen.has_policy = open.policy == plan && (open.is_active || !with_image);
  if (!has_link()) {
    seen.place = elsewhere ? Place::moved : link ? Place::taken : Place::absent;
    seen.is_judged_there = elsewhere && elsewhere->are_programs_on;
    return seen;
  }
  seen.place = link->is_named ? Place::here : Place::renamed;
  seen.is_attached = link->are_programs_on;
  seen.is_applied =
      is_managed_ && link->is_named && link->has_settings && link->is_up && link->allowed == plans[plan].owner;
  return seen;
}

void World::start_agent(std::size_t plan) {
  wanted = plan;
  successor_.reset();
  are_steps_for_nobody = is_kind_known_ = false;
  if (is_pinned && attached_maps && (maps[*attached_maps].is_big || !plans[plan].is_big)) {
    opened_ = *attached_maps;
    return;
  }
  maps.push_back({.is_big = plans[plan].is_big});
  opened_ = maps.size() - 1;
}

void World::let_go_of_room() { successor_.reset(); }

void World::kill_agent() {
  let_go_of_room();
  if (!is_pinned) {
    attached_maps.reset();
    if (has_link()) {
      link->are_programs_on = false;
    }
  }
}

// Its peers are of the time when it went.
bool World::move_back() {
  link = std::exchange(elsewhere, std::nullopt);
  meddled.programs = meddled.programs || link.has_value();
  if (link) {
    meddled.addresses.members.fill(true);
  }
  return link.has_value();
}

std::string World::meddle() {
  meddled.programs = true;
  if (!link) {
    meddled.fence = true;
    if (one_in(random_, 2)) {
      // Somebody else's by that name; where krait only guards, all are.
      link = Link{.is_ours = !is_managed_, .is_up = !is_managed_};
      return "makes an interface";
    }
    return move_back() ? "moves it back" : "does nothing";
  }
  switch (below(random_, 11)) {
    case 0:
    case 9:
    case 10:
      link.reset();
      return "deletes it";
    case 1:
      elsewhere = link->is_ours ? std::exchange(link, std::nullopt) : std::nullopt;
      if (elsewhere && one_in(random_, 2)) {  // before TCX
        elsewhere->are_programs_on = elsewhere->is_guard_on = false;
      }
      return "moves it away";
    case 2:
      link->are_programs_on = false;
      return "takes the programs off";
    case 3:
      link->is_guard_on = false;
      return "takes the guard off";
    case 4:
      link->is_somebody_ahead = link->are_programs_on;
      return "puts a program ahead";
    case 5:
      is_pinned = false;
      return "takes the pins away";
    case 6:
      is_fenced = false;
      meddled.fence = true;
      return "takes the fence off";
    case 7: {
      const int address = below(random_, kAddresses);
      link->allowed.at(address) = below(random_, kPeers + 1) - 1;
      meddled.addresses.at(address) = true;
      return "gives an address to another peer";
    }
    default:
      link->is_named = !is_managed_;
      link->is_up = one_in(random_, 2);
      return "renames it";
  }
}

void World::be_reasonable() {
  if (link && !link->is_ours) {
    link.reset();
  }
  if (!link) {
    move_back();
  }
  elsewhere.reset();
  if (!link && !is_managed_) {
    link = Link{.is_up = true};
  }
}

int World::owner_of(int address) const {
  const auto& map = maps[*attached_maps];
  return map.policy ? plans[*map.policy].owner.at(address) : kNobody;
}

Passing World::passing() const {
  Passing passing;
  if (!has_link() || !link->is_up) {
    return passing;
  }
  passing.forged = !is_fenced;
  const bool is_judged = link->are_programs_on && !link->is_somebody_ahead && attached_maps.has_value();
  for (int address = 0; address < kAddresses; ++address) {
    const int peer = link->allowed.at(address);
    if (peer == kNobody) {
      continue;
    }
    bool& passes = passing.from.at(peer).at(address);
    if (!is_judged) {
      passes = link->is_somebody_ahead || !link->is_guard_on;
      continue;
    }
    const Maps& map = maps[*attached_maps];
    const int owner = owner_of(address);
    passes = map.is_active && owner != kNobody && plans[*map.policy].is_open.at(owner);
    passing.to_network.at(peer) = passing.to_network.at(peer) || (passes && map.ways.at(peer));
  }
  return passing;
}

bool World::is_allowed(std::size_t plan, int peer, int address) const {
  return plans[plan].owner.at(address) == peer && plans[plan].is_open.at(peer);
}

bool World::is_legal(int peer, int address) const {
  const bool is_judged = has_link() && link->are_programs_on && attached_maps.has_value();
  if (!is_judged || !maps[*attached_maps].is_active || !maps[*attached_maps].policy) {
    return false;
  }
  const int owner = owner_of(address);
  return is_allowed(*maps[*attached_maps].policy, is_managed_ || owner == kNobody ? peer : owner, address);
}

std::string World::lacks(std::size_t plan) const {
  if (!has_link() || !link->is_named) {
    return "the interface";
  }
  if (!link->are_programs_on || !link->is_guard_on || link->is_somebody_ahead) {
    return "its programs";
  }
  if (!attached_maps || !maps[*attached_maps].is_active || maps[*attached_maps].policy != plan) {
    return "the policy";
  }
  if (!is_pinned || !is_fenced) {
    return is_pinned ? "the fence" : "pins";
  }
  if (maps[*attached_maps].ways != plans[plan].has_network) {
    return "ways";
  }
  const bool is_applied = link->has_settings && link->is_up && link->allowed == plans[plan].owner;
  return is_managed_ && !is_applied ? "peers" : "";
}

}  // namespace krait::enforce::simulation
