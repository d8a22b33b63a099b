#include "krait/datapath/fence.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <vector>

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

struct Post {
  std::uint32_t interface_index = 0;
  bool own_qdisc = false;

  [[nodiscard]] std::string pin() const { return fmt::format("{}{}", interface_index, own_qdisc ? kOwnQdisc : ""); }
};

// Those that are pinned.
std::vector<Post> posts(const Pins& folder) {
  std::vector<Post> found;
  const auto directory = folder.open_directory();
  std::error_code error;
  const std::string path = directory ? fmt::format("/proc/self/fd/{}", directory->get()) : std::string();
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    Post post;
    const auto [rest, failed] = std::from_chars(name.data(), name.data() + name.size(), post.interface_index);
    const std::string_view tail(rest, name.data() + name.size());
    post.own_qdisc = tail == kOwnQdisc;
    if (failed == std::errc() && (tail.empty() || post.own_qdisc)) {
      found.push_back(post);
    }
  }
  return found;
}

// Of this fence among those of several guarded interfaces.
Filter filter_of(const Fence& fence, std::uint32_t interface_index) {
  constexpr std::uint32_t kFence = 0x66000000;  // "f"
  std::uint32_t hash = 0x811c9dc5;              // FNV-1a
  for (const char c : fence.interface) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193;
  }
  return {.interface_index = interface_index,
          .side = Side::ingress,
          .priority = kFirstPriority,
          .handle = kFence | (hash & 0xffffffU)};
}

// True when the program was not there.
Result<bool> put_link(const Pins& folder, int program_fd, std::uint32_t interface_index) {
  const std::string pin = Post{interface_index}.pin();
  const Fd pinned = folder.get(pin.c_str());
  const auto link = pinned.valid() ? tcx_link(pinned.get()) : std::nullopt;
  if (link && link->interface_index == interface_index) {
    if (link->program_id == program_id(program_fd)) {
      return false;
    }
    if (bpf_link_update(pinned.get(), program_fd, nullptr) == 0) {
      return true;
    }
  }
  auto made = make_tcx_link(interface_index, kTcxIngress, program_fd);
  if (!made) {
    return std::move(made.error());
  }
  if (!*made) {
    return Error(common::ErrorCode::unsupported, "this interface takes no TCX links");
  }
  auto done = folder.replace(pin.c_str(), (*made)->get());
  return done ? Result<bool>(true) : std::move(done.error());
}

// Likewise.
Result<bool> put_filter(const Fence& fence, const Pins& folder, int program_fd, Post post) {
  const Filter filter = filter_of(fence, post.interface_index);
  if (program_of(filter) == program_id(program_fd) && folder.get(post.pin().c_str()).valid()) {
    return false;
  }
  const auto made_qdisc = make_qdisc(post.interface_index);
  if (!made_qdisc) {
    return made_qdisc.error();
  }
  if (*made_qdisc && !post.own_qdisc) {
    folder.remove(post.pin().c_str());
    post.own_qdisc = true;
  }
  auto done = folder.replace(post.pin().c_str(), program_fd);
  return done ? renew_filter(filter, program_fd) : std::move(done.error());
}

void take_post(const Fence& fence, const Pins& folder, const Post& post) {
  const Fd pinned = folder.get(post.pin().c_str());
  if (const auto link = pinned.valid() ? tcx_link(pinned.get()) : std::nullopt; link) {
    bpf_link_detach(pinned.get());
  }
  take_filter(filter_of(fence, post.interface_index));
  folder.remove(post.pin().c_str());
  if (post.own_qdisc && !fence.is_in_use(post.interface_index)) {
    std::ignore = remove_qdisc(post.interface_index);  // the interface may be gone
  }
}

}  // namespace

Fenced put_fence(const Fence& fence, int program_fd, std::span<const std::uint32_t> interfaces) {
  silence_libbpf();
  Fenced fenced;
  const auto folder = fence.pins.make_inner(kFolder);
  if (!folder) {
    for (const std::uint32_t index : interfaces) {
      fenced.failures.push_back({index, folder.error()});
    }
    return fenced;
  }
  std::vector<Post> present = posts(*folder);
  for (const Post& post : present) {
    if (std::ranges::find(interfaces, post.interface_index) == interfaces.end()) {
      take_post(fence, *folder, post);
    }
  }
  for (const std::uint32_t index : interfaces) {
    const auto post = std::ranges::find(present, index, &Post::interface_index);
    const auto put = fence.kind == Attachment::tcx
                         ? put_link(*folder, program_fd, index)
                         : put_filter(fence, *folder, program_fd, post == present.end() ? Post{index} : *post);
    if (!put && put.error().sys_errno() != ENODEV) {
      fenced.failures.push_back({index, put.error()});
    } else if (put && *put) {
      fenced.put.push_back(index);
    }
  }
  return fenced;
}

void take_fence(const Fence& fence) {
  silence_libbpf();
  const Pins folder = fence.pins.inner(kFolder);
  for (const Post& post : posts(folder)) {
    take_post(fence, folder, post);
  }
}

}  // namespace krait::datapath
