// Looking after the interface: what others changed about it, and what can be mended without opening anything.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "common/netlink/network.h"
#include "krait/enforce/enforcer.h"

namespace krait::enforce {

using common::ErrorCode;
using common::Result;

namespace {

void note(Inspection& seen, const common::Error& error, std::string hint) {
  seen.faults.push_back({.what = error.text(), .hint = std::move(hint)});
}

// `were_refused`: some of them, before.
std::string changes_text(const std::string& interface, const wireguard::Changes& changes, bool were_refused) {
  std::string text;
  const auto add = [&](std::uint32_t count, std::string_view what) {
    if (count != 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
    }
  };
  add(changes.peers_added, "peers put back");
  add(changes.peers_changed, "peers set right");
  add(changes.peers_removed, "peers taken off that no file has");
  add(changes.addresses, "addresses set right");
  add(changes.routes, "routes set right");
  if (changes.device) {
    text += text.empty() ? "" : ", ";
    text += "key, port, MTU or up set right";
  }
  return were_refused ? fmt::format("{}: the kernel takes what it refused before: {}", interface, text)
                      : fmt::format("{} was changed by somebody else: {}", interface, text);
}

control::Fault name_taken(const std::string& interface) {
  return {.what = fmt::format(
              "{0} is an interface that krait did not make, and krait's own is gone; it is left as it is", interface),
          .hint = fmt::format("delete or rename it, and krait's is made anew; or have it guarded (krait-agent --iface "
                              "{}), or set another `interface` in krait.toml, after krait down",
                              interface)};
}

std::string rename_hint(const std::string& name, const std::string& wanted) {
  return fmt::format(
      "ip link set {0} down; ip link set {0} name {1}; ip link set {1} up; before that rename what else "
      "has the name {1}, if anything",
      name, wanted);
}

}  // namespace

Result<void> Enforcer::check_name() const {
  const auto where = managed() ? wireguard::find_link(interface_, interface_index_)
                               : Result<wireguard::Whereabouts>(wireguard::Whereabouts());
  if (!managed() || !where) {
    return {};
  }
  if (is_strangers(*where)) {
    const control::Fault fault = name_taken(interface_);
    return common::Error(ErrorCode::invalid_input, fault.text());
  }
  if (where->index == interface_index_ && where->name != interface_) {
    return common::Error(ErrorCode::invalid_input, fmt::format("{} is named {} now; {}", interface_, where->name,
                                                               rename_hint(where->name, interface_)));
  }
  return {};
}

std::vector<control::Fault> Enforcer::faults() const {
  std::vector<control::Fault> all = faults_;
  std::ranges::transform(refused_, std::back_inserter(all), [](const wireguard::Refusal& refusal) {
    return control::Fault{.what = refusal.what, .hint = refusal.hint};
  });
  return all;
}

bool Enforcer::is_strangers(const wireguard::Whereabouts& where) const {
  return managed() && where.index != interface_index_ && !where.is_marked;
}

Inspection Enforcer::inspect(const std::function<std::optional<netlink::NewHome>()>& moved_to) {
  Inspection seen;
  const auto where = wireguard::find_link(interface_, interface_index_);
  const bool name_is_taken = where && is_strangers(*where);
  if (where && !name_is_taken) {
    removed_there_ = false;
    // What WireGuard is told goes by the name, which may be another interface's by now: one that nobody judges.
    const bool has_name = look_at_name(*where, seen);
    interface_index_ = where->index;
    if (has_name && is_half_up()) {
      bring_up_anew(seen, "could not be set up before: set up now");
    } else {
      const bool is_judged = look_at_programs(seen);
      look_at_order(seen);
      look_at_pins(seen);
      look_at_ways(seen);
      look_at_fence(seen);
      if (has_name && is_judged) {
        managed() ? look_at_wireguard(seen) : look_at_allowed_ips(seen);
      }
    }
  } else if (name_is_taken || where.error().code() == ErrorCode::not_found) {
    bring_back(moved_to(), name_is_taken, seen);
  } else {
    note(seen, where.error(), "");
  }
  faults_ = std::exchange(seen.faults, {});
  seen.faults = faults();
  return seen;
}

void Enforcer::bring_back(const std::optional<netlink::NewHome>& moved_to, bool name_is_taken, Inspection& seen) {
  interface_index_ = 0;
  refused_.clear();
  if (auto stepped = lifecycle_.go(control::Stage::absent); !stepped) {
    note(seen, stepped.error(), "");
  }
  if (moved_to) {
    look_after(*moved_to, seen);
  }
  if (name_is_taken) {
    seen.faults.push_back(name_taken(interface_));
  }
  if (moved_to || name_is_taken) {
    return;
  }
  if (!managed()) {
    open_fence();
    seen.faults.push_back({.what = fmt::format("{} is gone", interface_),
                           .hint = "it is guarded again as soon as somebody makes it, and open until then"});
    return;
  }
  bring_up_anew(seen, "was deleted by somebody else: made anew");
}

// TCX links go with the interface. Clsact's filters do not: without its peers nothing comes out of it there.
void Enforcer::look_after(const netlink::NewHome& moved_to, Inspection& seen) {
  const std::string moved = fmt::format("{} was moved to another network namespace", interface_);
  if (datapath_.attachment() == datapath::Attachment::tcx) {
    seen.faults.push_back({.what = moved + " with its peers; it is judged there as before",
                           .hint = managed() ? "move it back; or delete it there, then krait reload makes it anew"
                                             : "move it back; or end this agent: krait down"});
    return;
  }
  const std::string unjudged = moved + ", where nothing judges it on this kernel";
  if (!managed()) {
    seen.faults.push_back({.what = unjudged + ": all that its peers send comes in",
                           .hint = "move it back, or take its peers off there: it is not krait's to delete"});
    return;
  }
  auto removed = removed_there_ ? Result<void>() : wireguard::remove_moved_link(moved_to);
  removed_there_ = removed.has_value();
  if (!removed) {
    seen.faults.push_back({.what = fmt::format("{}, and it could not be deleted there: {}; all that its peers send "
                                               "comes in",
                                               unjudged, removed.error().text()),
                           .hint = "delete it there (ip link del), then krait reload makes it anew"});
    return;
  }
  seen.faults.push_back({.what = unjudged + ": it was deleted there", .hint = "krait reload makes it anew here"});
}

// A bring-up that failed half way left everything denied.
bool Enforcer::is_half_up() const {
  return managed() && !datapath_.active() && lifecycle_.stage() != control::Stage::draining;
}

void Enforcer::bring_up_anew(Inspection& seen, std::string_view what) {
  auto prepared = prepare(interface_, plan_.mesh, true);
  auto changes = prepared ? bring_up(plan_.wireguard, {}, *prepared) : prepared.error();
  if (!changes) {
    return note(seen, changes.error(), "krait reload tries again");
  }
  seen.mended.push_back(fmt::format("{} {} with {} peers", interface_, what, plan_.mesh.peers.size()));
}

bool Enforcer::look_at_name(const wireguard::Whereabouts& where, Inspection& seen) {
  if (where.name == interface_) {
    return true;
  }
  const std::string what = fmt::format("{} was renamed to {} by somebody else", interface_, where.name);
  auto renamed = managed() ? wireguard::rename_link(where.index, interface_)
                           : Result<void>(common::Error(ErrorCode::unsupported, "not ours"));
  if (renamed) {
    seen.mended.push_back(what + ": it has its name back");
    return true;
  }
  seen.faults.push_back({.what = what + "; it is judged as before", .hint = rename_hint(where.name, interface_)});
  return false;
}

bool Enforcer::look_at_programs(Inspection& seen) {
  auto mended = datapath_.attach(interface_index_);
  if (!mended) {
    note(seen, std::move(mended.error()).with_context("attach to " + interface_), "krait reload tries again");
    return false;
  }
  for (const control::Stage stage :
       {control::Stage::attached, control::Stage::peers_loaded, control::Stage::enforcing}) {
    const bool is_so = stage != control::Stage::enforcing || datapath_.active();
    if (is_so && lifecycle_.stage() != control::Stage::draining && may_follow(lifecycle_.stage(), stage)) {
      std::ignore = lifecycle_.go(stage);
    }
  }
  if (mended->program) {
    seen.mended.push_back(
        fmt::format("krait's programs were taken off {} by somebody else: attached again", interface_));
  }
  if (mended->guard) {
    seen.mended.push_back(fmt::format("the guard was taken off {} by somebody else: put back", interface_));
  }
  return true;
}

// A program that stands ahead decides before krait does, and may let pass what the policy denies.
void Enforcer::look_at_order(Inspection& seen) {
  std::vector<netlink::Filter> filters;
  if (datapath_.attachment() == datapath::Attachment::clsact) {
    auto network = netlink::Network::open();
    auto read = network ? network->filters(interface_index_) : std::move(network.error());
    if (!read) {
      return note(seen, read.error(), "");
    }
    filters = std::move(*read);
  }
  if (datapath_.is_first(interface_index_, netlink::first_programs(filters))) {
    return;
  }
  if (datapath_.attachment() == datapath::Attachment::clsact) {
    seen.faults.push_back(
        {.what = fmt::format("somebody else's TC filter stands ahead of krait's on {}", interface_),
         .hint = fmt::format("take it off: tc filter show dev {0} ingress (and egress), tc filter del", interface_)});
    return;
  }
  const std::string what = fmt::format("somebody else's TC program stood ahead of krait's on {}", interface_);
  auto anew = datapath::Datapath::open(datapath_options(interface_, plan_, managed()), datapath::Open::load);
  auto done = anew ? anew->attach(interface_index_) : Result<datapath::Mended>(anew.error());
  if (!done) {
    return note(seen, std::move(done.error()).with_context(what), "take it off: bpftool net detach");
  }
  datapath_ = std::move(*anew);
  fence_off(datapath_);
  seen.mended.push_back(what + ": krait's are first again");
}

void Enforcer::look_at_pins(Inspection& seen) {
  auto pinned = datapath_.keep_pins();
  if (!pinned) {
    seen.faults.push_back({.what = "the pins are gone, enforcement ends with this agent: " + pinned.error().text(),
                           .hint = "as root: krait reload"});
    return;
  }
  if (*pinned) {
    seen.mended.push_back("pins were taken away by somebody else: pinned again");
  }
}

void Enforcer::look_at_wireguard(Inspection& seen) {
  if (lifecycle_.stage() == control::Stage::draining) {
    return;
  }
  auto changes = wireguard::withdraw(plan_.wireguard);
  Prepared prepared{.key = {}, .interface_index = interface_index_};
  if (changes && changes->public_key != key_) {
    auto with_key = prepare(interface_, plan_.mesh, true, interface_index_);
    if (!with_key) {
      return note(seen, with_key.error(), "");
    }
    prepared = std::move(*with_key);
  }
  auto applied = changes ? wireguard::apply(plan_.wireguard, prepared.key ? &*prepared.key : nullptr, &plan_.wireguard)
                         : std::move(changes.error());
  if (!applied) {
    return note(seen, std::move(applied.error()).with_context("set " + interface_ + " right"),
                "krait reload tries again");
  }
  *changes += *applied;
  const bool were_refused = !refused_.empty();
  refused_ = changes->refused;
  clamp_mss_to(changes->mtu_bytes);
  if (changes->any()) {
    seen.mended.push_back(changes_text(interface_, *changes, were_refused));
  }
}

}  // namespace krait::enforce
