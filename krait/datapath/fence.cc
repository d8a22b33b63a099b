#include "krait/datapath/fence.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <vector>

#include "common/hash.h"
#include "krait/datapath/filters.h"
#include "krait/datapath/object.h"
#include "krait/datapath/tcx.h"

namespace krait::datapath {

using common::Error;
using common::Fd;
using common::Result;

namespace {

constexpr const char* kFolder = "fence";
constexpr std::string_view kOwnQdisc = "_qdisc";  // ends the pin's name where krait made the qdisc

struct Pin {
  std::uint32_t interface_index = 0;
  bool own_qdisc = false;

  [[nodiscard]] std::string name() const { return fmt::format("{}{}", interface_index, own_qdisc ? kOwnQdisc : ""); }
};

std::vector<Pin> present_pins(const Pins& folder) {
  std::vector<Pin> found;
  const auto directory = folder.open_directory();
  std::error_code error;
  const std::string path = directory ? fmt::format("/proc/self/fd/{}", directory->get()) : std::string();
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    Pin pin;
    const auto [rest, failed] = std::from_chars(name.data(), name.data() + name.size(), pin.interface_index);
    const std::string_view tail(rest, name.data() + name.size());
    pin.own_qdisc = tail == kOwnQdisc;
    if (failed == std::errc() && (tail.empty() || pin.own_qdisc)) {
      found.push_back(pin);
    }
  }
  return found;
}

// Of this fence among those of several guarded interfaces.
Filter filter_of(const Fence& fence, std::uint32_t interface_index) {
  constexpr std::uint32_t kFence = 0x66000000;  // "f"
  return {.interface_index = interface_index,
          .side = Side::ingress,
          .priority = kFirstPriority,
          .handle = kFence | (common::fnv1a_32(fence.interface) & 0xffffffU)};
}

bool is_pinned(const Pins& folder, const std::string& name, std::uint32_t link_id) {
  const Fd pinned = folder.get(name.c_str());
  const auto link = pinned.valid() ? tcx_link(pinned.get()) : std::nullopt;
  return link && link->id == link_id;
}

// True when the program was not there. Leaves the link in `held`.
Result<bool> put_link(const Pins& folder, const Post& post, Fd& held) {
  const std::string name = Pin{post.interface_index}.name();
  if (!held.valid()) {
    held = folder.get(name.c_str());
  }
  const auto link = held.valid() ? tcx_link(held.get()) : std::nullopt;
  const bool is_there = link && link->interface_index == post.interface_index;
  const bool is_same = is_there && link->program_id == program_id(post.program_fd);
  if (is_same && is_pinned(folder, name, link->id)) {
    return false;
  }
  if (!is_same && !(is_there && bpf_link_update(held.get(), post.program_fd, nullptr) == 0)) {
    KRAIT_TRY(auto made, make_tcx_link(post.interface_index, kTcxIngress, post.program_fd));
    if (!made) {
      return Error(common::ErrorCode::unsupported, "this interface takes no TCX links");
    }
    held = std::move(*made);
  }
  KRAIT_CHECK(folder.replace(name.c_str(), held.get()));
  return !is_same;
}

// True when the program was not there.
Result<bool> put_filter(const Fence& fence, const Pins& folder, const Post& post, Pin pin) {
  const Filter filter = filter_of(fence, post.interface_index);
  if (program_of(filter) == program_id(post.program_fd) && folder.get(pin.name().c_str()).valid()) {
    return false;
  }
  KRAIT_TRY(const auto made_qdisc, make_qdisc(post.interface_index));
  if (made_qdisc && !pin.own_qdisc) {
    folder.remove(pin.name().c_str());
    pin.own_qdisc = true;
  }
  KRAIT_CHECK(folder.replace(pin.name().c_str(), post.program_fd));
  return renew_filter(filter, post.program_fd);
}

void take(const Fence& fence, const Pins& folder, const Pin& pin) {
  const Fd pinned = folder.get(pin.name().c_str());
  if (const auto link = pinned.valid() ? tcx_link(pinned.get()) : std::nullopt; link) {
    bpf_link_detach(pinned.get());
  }
  take_filter(filter_of(fence, pin.interface_index));
  folder.remove(pin.name().c_str());
  if (pin.own_qdisc && !fence.is_in_use(pin.interface_index)) {
    std::ignore = remove_qdisc(pin.interface_index);  // the interface may be gone
  }
}

}  // namespace

Fenced put_fence(const Fence& fence, std::span<const Post> posts, FenceLinks& links) {
  silence_libbpf();
  Fenced fenced;
  const auto folder = fence.pins.make_inner(kFolder);
  if (!folder) {
    for (const Post& post : posts) {
      fenced.failures.push_back({post.interface_index, folder.error()});
    }
    return fenced;
  }
  const std::vector<Pin> present = present_pins(*folder);
  for (const Pin& pin : present) {
    if (std::ranges::find(posts, pin.interface_index, &Post::interface_index) == posts.end()) {
      take(fence, *folder, pin);
      links.erase(pin.interface_index);
    }
  }
  for (const Post& post : posts) {
    const auto pin = std::ranges::find(present, post.interface_index, &Pin::interface_index);
    const auto put = fence.kind == Attachment::tcx
                         ? put_link(*folder, post, links[post.interface_index])
                         : put_filter(fence, *folder, post, pin == present.end() ? Pin{post.interface_index} : *pin);
    if (!put && put.error().sys_errno() != ENODEV) {
      fenced.failures.push_back({post.interface_index, put.error()});
    } else if (put && *put) {
      fenced.put.push_back(post.interface_index);
    }
  }
  return fenced;
}

void take_fence(const Fence& fence) {
  silence_libbpf();
  const Pins folder = fence.pins.inner(kFolder);
  for (const Pin& pin : present_pins(folder)) {
    take(fence, folder, pin);
  }
}

}  // namespace krait::datapath
