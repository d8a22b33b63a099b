#include "krait/datapath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>

#include "krait/datapath/object.h"
#include "krait/datapath/tcx.h"

namespace krait::datapath {

namespace {

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

struct Filter {
  std::uint32_t priority;
  std::uint32_t handle;
};

bpf_tc_opts options_of(const Filter& filter) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = filter.handle;
  options.priority = filter.priority;
  return options;
}

// The program of a filter; 0: there is no such filter.
std::uint32_t filter_program(std::uint32_t interface_index, const Side& side, const Filter& filter) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  bpf_tc_opts options = options_of(filter);
  return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

common::Result<void> put_filter(std::uint32_t interface_index, const Side& side, const Filter& filter, int program_fd) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  bpf_tc_opts options = options_of(filter);
  options.prog_fd = program_fd;
  options.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&hook, &options); error != 0) {
    return common::Error::from_errno(-error, fmt::format("attach a clsact filter to {}", side.text));
  }
  return {};
}

void take_filter(std::uint32_t interface_index, const Side& side, const Filter& filter) {
  const bpf_tc_hook hook = hook_of(interface_index, side.clsact);
  const bpf_tc_opts options = options_of(filter);
  bpf_tc_detach(&hook, &options);
}

// True when the filter had another program, or was not there.
common::Result<bool> renew_filter(std::uint32_t interface_index, const Side& side, const Filter& filter,
                                  int program_fd) {
  if (filter_program(interface_index, side, filter) == program_id(program_fd)) {
    return false;
  }
  if (auto put = put_filter(interface_index, side, filter, program_fd); !put) {
    return std::move(put.error());
  }
  return true;
}

constexpr Filter kOwnFilter{.priority = kFirstPriority, .handle = kFilterHandle};
constexpr Filter kGuardFilter{.priority = kLastPriority, .handle = kFilterHandle};

std::optional<TcxLinkInfo> link_info(int link_fd) {
  TcxLinkInfo info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(link_fd, &info, &bytes) == 0 ? std::optional(info) : std::nullopt;
}

std::uint32_t first_program(std::uint32_t interface_index, const Side& side) {
  std::array<std::uint32_t, kMostPrograms> ids{};
  auto count = static_cast<std::uint32_t>(ids.size());
  std::uint32_t flags = 0;
  const int error = bpf_prog_query(static_cast<int>(interface_index), side.tcx, 0, &flags, ids.data(), &count);
  return error == 0 || error == -ENOSPC ? ids[0] : 0;
}

bool is_same_link(int link_fd, int other_fd) {
  const auto info = link_info(link_fd);
  const auto other = link_info(other_fd);
  return info && other && info->id == other->id;
}

// A link ahead of all others takes the place of the one that is there. False: this kernel has no TCX.
common::Result<bool> make_link(std::uint32_t interface_index, const Side& side, int program_fd, common::Fd& link) {
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = kBefore;
  common::Fd made(bpf_link_create(program_fd, static_cast<int>(interface_index), side.tcx, &options));
  if (made.valid()) {
    link = std::move(made);
    return true;
  }
  if (errno == EINVAL) {
    return false;
  }
  return common::Error::from_errno(errno, fmt::format("attach a TCX link to {}", side.text));
}

// False: this kernel has no TCX.
common::Result<bool> attach_tcx(std::uint32_t interface_index, const Side& side, int program_fd, common::Fd& link,
                                Mended& mended) {
  // A link stays behind when its interface is deleted, and an interface may be renamed under it.
  const auto info = link.valid() ? link_info(link.get()) : std::nullopt;
  if (info && info->interface_index == interface_index) {
    const bool is_ours = info->program_id == program_id(program_fd);
    const bool is_first = first_program(interface_index, side) == info->program_id;
    const bool updated = !is_ours && is_first && bpf_link_update(link.get(), program_fd, nullptr) == 0;
    if (is_ours || updated) {
      mended.program = mended.program || updated;
      return true;
    }
    mended.order = mended.order || !is_first;
  }
  mended.program = true;
  return make_link(interface_index, side, program_fd, link);
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

// To be asked when the ingress filter is put and the egress filter is not: the qdisc "ingress" has clsact's handle, but
// one list of filters, whatever side one names, and the second would take the first one's place.
common::Result<void> check_clsact(std::uint32_t interface_index, int ingress_fd) {
  if (filter_program(interface_index, kSides[1], kOwnFilter) != program_id(ingress_fd)) {
    return {};
  }
  take_filter(interface_index, kSides[0], kOwnFilter);
  return common::Error(
      common::ErrorCode::unsupported,
      "the interface has a qdisc of the kind ingress, which leaves no room for clsact; take it off: tc "
      "qdisc del dev INTERFACE ingress");
}

common::Result<void> attach_filters(std::uint32_t interface_index, const Programs& programs, Attached& attached) {
  const std::array<int, 2> program_fds{programs.ingress_fd, programs.egress_fd};
  for (std::size_t i = 0; i < kSides.size(); ++i) {
    if (attached.kind == Attachment::clsact) {
      auto renewed = renew_filter(interface_index, kSides[i], kOwnFilter, program_fds[i]);
      if (!renewed) {
        return std::move(renewed.error());
      }
      attached.mended.program = attached.mended.program || *renewed;
      if (auto checked = i == 0 ? check_clsact(interface_index, programs.ingress_fd) : common::Result<void>();
          !checked) {
        return checked;
      }
    }
    auto renewed = renew_filter(interface_index, kSides[i], kGuardFilter, programs.guard_fd);
    if (!renewed) {
      return std::move(renewed.error());
    }
    attached.mended.guard = attached.mended.guard || *renewed;
  }
  return {};
}

}  // namespace

std::uint32_t program_id(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(program_fd, &info, &bytes) == 0 ? info.id : 0;
}

common::Result<Attached> attach_programs(std::uint32_t interface_index, const Programs& programs, Links& links) {
  silence_libbpf();
  Attached attached;
  const std::array<int, 2> program_fds{programs.ingress_fd, programs.egress_fd};
  attached.kind = Attachment::tcx;
  for (std::size_t i = 0; i < kSides.size() && attached.kind == Attachment::tcx; ++i) {
    auto done = attach_tcx(interface_index, kSides[i], program_fds[i], links[i], attached.mended);
    if (!done) {
      return std::move(done.error());
    }
    attached.kind = *done ? Attachment::tcx : Attachment::clsact;
  }
  if (attached.kind == Attachment::clsact) {
    attached.mended.program = false;  // what the filters say counts
  }
  auto made = make_qdisc(interface_index);
  if (!made) {
    return std::move(made.error());
  }
  attached.made_qdisc = *made;
  if (auto filtered = attach_filters(interface_index, programs, attached); !filtered) {
    return std::move(filtered.error());
  }
  return attached;
}

Links pinned_links(const Pins& pins) { return {pins.get(kSides[0].link_pin), pins.get(kSides[1].link_pin)}; }

common::Result<bool> pin_links(const Links& links, const Pins& pins) {
  bool pinned = false;
  for (std::size_t i = 0; i < kSides.size(); ++i) {
    const common::Fd present = pins.get(kSides[i].link_pin);
    if (!links[i].valid() || (present.valid() && is_same_link(present.get(), links[i].get()))) {
      continue;
    }
    if (auto put = pins.replace(kSides[i].link_pin, links[i].get()); !put) {
      return std::move(put.error());
    }
    pinned = true;
  }
  return pinned;
}

bool are_first_tcx(std::uint32_t interface_index, const Programs& programs) {
  return first_program(interface_index, kSides[0]) == program_id(programs.ingress_fd) &&
         first_program(interface_index, kSides[1]) == program_id(programs.egress_fd);
}

bool is_attached(std::uint32_t interface_index, int program_fd, const Links& links) {
  const std::uint32_t id = program_id(program_fd);
  for (std::size_t i = 0; i < kSides.size(); ++i) {
    const auto info = links[i].valid() ? link_info(links[i].get()) : std::nullopt;
    if ((info && info->interface_index != 0 && info->program_id == id) ||
        filter_program(interface_index, kSides[i], kOwnFilter) == id) {
      return true;
    }
  }
  return false;
}

bool is_on(std::uint32_t interface_index, const Links& links) {
  const auto judges = [&](std::size_t i) {
    const auto info = links[i].valid() ? link_info(links[i].get()) : std::nullopt;
    return (info && info->interface_index == interface_index) ||
           filter_program(interface_index, kSides[i], kOwnFilter) != 0;
  };
  return judges(0) && judges(1);
}

common::Result<void> detach_programs(std::uint32_t interface_index, const Pins& pins, bool remove_qdisc) {
  silence_libbpf();
  for (const Side& side : kSides) {
    take_filter(interface_index, side, kGuardFilter);
  }
  for (const Side& side : kSides) {
    take_filter(interface_index, side, kOwnFilter);
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
