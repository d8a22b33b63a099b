#include "krait/datapath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace krait::datapath {

namespace {

// include/uapi/linux/bpf.h of 6.6; the build's headers may be older.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
constexpr std::uint32_t kBefore = 1U << 3U;  // BPF_F_BEFORE: without a relative, first of all

// struct bpf_link_info of a TCX link.
struct TcxLinkInfo {
  std::uint32_t type;
  std::uint32_t id;
  std::uint32_t program_id;
  std::uint32_t padding;
  std::uint32_t interface_index;
  std::uint32_t attach_type;
  std::array<std::uint8_t, 256> rest;
};

constexpr std::uint32_t kFilterHandle = 0x6b72;  // "kr"
constexpr std::uint32_t kFirstPriority = 1;
constexpr std::uint32_t kLastPriority = 0xffff;

struct Side {
  bpf_attach_type tcx;
  bpf_tc_attach_point clsact;
  const char* link_pin;
  const char* text;
};
constexpr std::array<Side, 2> kSides{
    {{kTcxIngress, BPF_TC_INGRESS, "link_ingress", "ingress"}, {kTcxEgress, BPF_TC_EGRESS, "link_egress", "egress"}}};

bpf_tc_hook hook_of(std::uint32_t interface_index, bpf_tc_attach_point point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(interface_index);
  hook.attach_point = point;
  return hook;
}

bpf_tc_opts filter_of(int program_fd, std::uint32_t priority) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.prog_fd = program_fd;
  options.handle = kFilterHandle;
  options.priority = priority;
  options.flags = BPF_TC_F_REPLACE;
  return options;
}

bool has_filter(std::uint32_t interface_index, const Side& side, std::uint32_t priority) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kFilterHandle;
  options.priority = priority;
  return bpf_tc_query(&hook, &options) == 0;
}

common::Result<void> put_filter(std::uint32_t interface_index, const Side& side, int program_fd,
                                std::uint32_t priority) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  bpf_tc_opts options = filter_of(program_fd, priority);
  if (const int error = bpf_tc_attach(&hook, &options); error != 0) {
    return common::Error::from_errno(-error, fmt::format("attach a clsact filter to {}", side.text));
  }
  return {};
}

void take_filter(std::uint32_t interface_index, const Side& side, std::uint32_t priority) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kFilterHandle;
  options.priority = priority;
  bpf_tc_detach(&hook, &options);
}

// A pinned link stays behind when its interface is deleted, and an interface may be renamed under it.
bool link_is_on(int link_fd, std::uint32_t interface_index) {
  TcxLinkInfo info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(link_fd, &info, &bytes) == 0 && info.interface_index == interface_index;
}

// False: this kernel has no TCX.
common::Result<bool> attach_tcx(std::uint32_t interface_index, const Side& side, int program_fd, const Pins& pins) {
  if (const common::Fd pinned = pins.get(side.link_pin); pinned.valid()) {
    if (link_is_on(pinned.get(), interface_index) && bpf_link_update(pinned.get(), program_fd, nullptr) == 0) {
      return true;
    }
    pins.remove(side.link_pin);
  }
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = kBefore;
  const common::Fd link(bpf_link_create(program_fd, static_cast<int>(interface_index), side.tcx, &options));
  if (!link.valid()) {
    if (errno == EINVAL) {
      return false;
    }
    return common::Error::from_errno(errno, fmt::format("attach a TCX link to {}", side.text));
  }
  if (auto pinned = pins.put(side.link_pin, link.get()); !pinned) {
    return std::move(pinned.error());
  }
  return true;
}

// True when it was not there before.
common::Result<bool> make_qdisc(std::uint32_t interface_index) {
  bpf_tc_hook hook = hook_of(interface_index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  const int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) {
    return common::Error::from_errno(-error, "make the clsact qdisc");
  }
  return error == 0;
}

}  // namespace

common::Result<Attached> attach_programs(std::uint32_t interface_index, const Programs& programs, const Pins& pins) {
  Attached attached;
  const std::array<int, 2> program_fds{programs.ingress_fd, programs.egress_fd};
  attached.kind = Attachment::tcx;
  for (std::size_t i = 0; i < kSides.size() && attached.kind == Attachment::tcx; ++i) {
    auto done = attach_tcx(interface_index, kSides[i], program_fds[i], pins);
    if (!done) {
      return std::move(done.error());
    }
    attached.kind = *done ? Attachment::tcx : Attachment::clsact;
  }
  auto made = make_qdisc(interface_index);
  if (!made) {
    return std::move(made.error());
  }
  attached.made_qdisc = *made;
  for (std::size_t i = 0; i < kSides.size(); ++i) {
    if (attached.kind == Attachment::clsact) {
      if (auto put = put_filter(interface_index, kSides[i], program_fds[i], kFirstPriority); !put) {
        return std::move(put.error());
      }
    }
    if (auto put = put_filter(interface_index, kSides[i], programs.guard_fd, kLastPriority); !put) {
      return std::move(put.error());
    }
  }
  return attached;
}

Attachment find_attachment(std::uint32_t interface_index, const Pins& pins) {
  if (const common::Fd pinned = pins.get(kSides[0].link_pin);
      pinned.valid() && link_is_on(pinned.get(), interface_index)) {
    return Attachment::tcx;
  }
  return has_filter(interface_index, kSides[0], kFirstPriority) ? Attachment::clsact : Attachment::none;
}

common::Result<void> detach_programs(std::uint32_t interface_index, const Pins& pins, bool remove_qdisc) {
  for (const Side& side : kSides) {
    take_filter(interface_index, side, kLastPriority);
  }
  for (const Side& side : kSides) {
    take_filter(interface_index, side, kFirstPriority);
    if (const common::Fd pinned = pins.get(side.link_pin); pinned.valid()) {
      bpf_link_detach(pinned.get());
      pins.remove(side.link_pin);
    }
  }
  if (remove_qdisc) {
    bpf_tc_hook hook = hook_of(interface_index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
    if (const int error = bpf_tc_hook_destroy(&hook); error != 0 && error != -ENOENT && error != -EINVAL) {
      return common::Error::from_errno(-error, "remove the clsact qdisc");
    }
  }
  return {};
}

}  // namespace krait::datapath
