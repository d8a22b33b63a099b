#include "krait/enforce/work.h"

#include <fmt/format.h>

#include <utility>

#include "common/netlink/network.h"
#include "krait/enforce/datapath_options.h"
#include "krait/enforce/host_settings.h"
#include "krait/enforce/key_files.h"
#include "krait/enforce/observe.h"

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Result<void> without_value(auto result) { return result ? Result<void>() : std::move(result.error()); }

}  // namespace

Result<void> Work::carry_out(Step step) {
  switch (step) {
    case Step::make_link:
      return make_link();
    case Step::rename:
      return rename();
    case Step::remove_there:
      return remove_there();
    case Step::make_room:
      return make_room();
    case Step::deny:
      return datapath().deny_all();
    case Step::publish:
      return publish();
    case Step::resume:
      return datapath().resume();
    case Step::set_ways:
      return set_ways();
    case Step::attach:
      return attach();
    case Step::get_ahead:
      return get_ahead();
    case Step::pin:
      return pin();
    case Step::fence:
      held_.surroundings.fence_off(datapath(), held_.interface_index);
      return {};
    case Step::open_fence:
      held_.surroundings.open_fence(datapath());
      return {};
    case Step::withdraw:
      return withdraw();
    case Step::apply:
      return apply();
    case Step::remove_link:
      return wireguard::remove_link(held_.interface);
    case Step::detach:
      return detach();
    case Step::restore:
      return restore_settings(held_.interface);
  }
  return {};
}

Result<void> Work::make_link() {
  auto index = wireguard::ensure_link(held_.interface, held_.interface_index);
  if (index) {
    held_.interface_index = *index;
  }
  return without_value(std::move(index));
}

Result<void> Work::rename() {
  auto renamed = wireguard::rename_link(held_.interface_index, held_.interface);
  if (renamed) {
    mended_.push_back(fmt::format("{} was renamed to {} by somebody else: it has its name back", held_.interface,
                                  wanted_.present_name));
  }
  return renamed;
}

Result<void> Work::remove_there() {
  if (held_.was_removed_there || !wanted_.new_home) {
    return {};
  }
  auto removed = wireguard::remove_moved_link(*wanted_.new_home);
  held_.was_removed_there = removed.has_value();
  return removed;
}

Result<void> Work::make_room() {
  KRAIT_TRY(auto successor,
            datapath::Datapath::open(datapath_options(held_.interface, wanted_.plan, held_.is_managed)));
  successor_ = std::move(successor);
  return {};
}

// One that says what is in force already keeps its number, and its counters' revision.
Result<void> Work::publish() {
  const auto& image = wanted_.plan.snapshot.image;
  KRAIT_TRY(const auto is_published, datapath().is_published(image));
  return is_published ? Result<void>() : datapath().publish(image);
}

Result<void> Work::set_ways() {
  return without_value(held_.surroundings.set_ways(datapath(), wanted_.plan.mesh, held_.interface_index));
}

Result<void> Work::attach() {
  KRAIT_TRY(auto mended, datapath().attach(held_.interface_index));
  if (successor_) {
    held_.datapath = std::move(*successor_);
    successor_.reset();
  }
  if (mended.program) {
    mended_.push_back(
        fmt::format("krait's programs were taken off {} by somebody else: attached again", held_.interface));
  }
  if (mended.guard) {
    mended_.push_back(fmt::format("the guard was taken off {} by somebody else: put back", held_.interface));
  }
  return {};
}

// A program that stands ahead decides before krait does, and may let pass what the policy denies.
Result<void> Work::get_ahead() {
  const bool is_clsact = held_.datapath.attachment() == datapath::Attachment::clsact;
  std::vector<netlink::Filter> filters;
  if (is_clsact) {
    auto network = netlink::Network::open();
    KRAIT_TRY(auto read, network ? network->filters(held_.interface_index) : std::move(network.error()));
    filters = std::move(read);
  }
  if (held_.datapath.is_first(held_.interface_index, netlink::first_programs(filters))) {
    return {};
  }
  if (is_clsact) {
    return Error(ErrorCode::unsupported,
                 fmt::format("somebody else's TC filter stands ahead of krait's on {}", held_.interface));
  }
  const std::string what = fmt::format("somebody else's TC program stood ahead of krait's on {}", held_.interface);
  auto anew =
      datapath::Datapath::open(datapath_options(held_.interface, wanted_.plan, held_.is_managed), datapath::Open::load);
  KRAIT_CHECK(anew ? anew->attach(held_.interface_index) : Result<datapath::Mended>(std::move(anew.error())), what);
  held_.datapath = std::move(*anew);
  mended_.push_back(what + ": krait's are first again");
  return {};
}

Result<void> Work::pin() {
  auto pinned = held_.datapath.keep_pins();
  if (!pinned) {
    return std::move(pinned.error());
  }
  if (*pinned) {
    mended_.emplace_back("pins were taken away by somebody else: pinned again");
  }
  return {};
}

Result<void> Work::withdraw() {
  KRAIT_TRY(auto withdrawn, wireguard::withdraw(wanted_.wireguard));
  changes_ += withdrawn;
  device_key_ = withdrawn.public_key;
  return {};
}

// withdraw(), which comes before, saw which key the interface has.
Result<void> Work::apply() {
  std::optional<wireguard::PrivateKey> lost;
  if (wanted_.key == nullptr && device_key_ && held_.key != *device_key_) {
    KRAIT_TRY(auto loaded, load_key(wanted_.plan.mesh.host), "read the private key");
    lost = std::move(loaded);
  }
  const wireguard::PrivateKey* key = lost ? &*lost : wanted_.key;
  KRAIT_TRY(auto applied, wireguard::apply(wanted_.wireguard, key, wanted_.previous));
  if (key != nullptr) {
    held_.key = key->public_key();
  }
  changes_ += applied;
  held_.refused = changes_.refused;
  held_.mtu_bytes = applied.mtu_bytes;
  held_.datapath.clamp_mss_to(applied.mtu_bytes);
  return {};
}

Result<void> Work::detach() {
  const auto left = wireguard::find_link(held_.interface, 0);
  return remove_datapath(held_.interface, left && !is_strangers(held_, *left) ? left->index : 0);
}

}  // namespace krait::enforce
