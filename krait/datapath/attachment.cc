#include "krait/datapath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>

#include "krait/datapath/filters.h"
#include "krait/datapath/object.h"
#include "krait/datapath/tcx.h"

namespace krait::datapath {

namespace {

constexpr std::uint32_t kHandle = 0x6b72;  // "kr"

struct Hook {
  bpf_attach_type tcx;
  Side side;
  const char* link_pin;
};
constexpr std::array<Hook, 2> kHooks{
    {{kTcxIngress, Side::ingress, "link_ingress"}, {kTcxEgress, Side::egress, "link_egress"}}};

Filter own_filter(std::uint32_t interface_index, Side side) {
  return {.interface_index = interface_index, .side = side, .priority = kFirstPriority, .handle = kHandle};
}
Filter guard_filter(std::uint32_t interface_index, Side side) {
  return {.interface_index = interface_index, .side = side, .priority = kLastPriority, .handle = kHandle};
}

std::uint32_t first_program(std::uint32_t interface_index, const Hook& hook) {
  std::array<std::uint32_t, kMaxPrograms> ids{};
  auto count = static_cast<std::uint32_t>(ids.size());
  std::uint32_t flags = 0;
  const int error = bpf_prog_query(static_cast<int>(interface_index), hook.tcx, 0, &flags, ids.data(), &count);
  return error == 0 || error == -ENOSPC ? ids[0] : 0;
}

bool is_same_link(int link_fd, int other_fd) {
  const auto info = tcx_link(link_fd);
  const auto other = tcx_link(other_fd);
  return info && other && info->id == other->id;
}

// False: this kernel has no TCX.
common::Result<bool> attach_tcx(std::uint32_t interface_index, const Hook& hook, int program_fd, common::Fd& link,
                                Mended& mended) {
  // A link stays behind when its interface is deleted, and an interface may be renamed under it.
  const auto info = link.valid() ? tcx_link(link.get()) : std::nullopt;
  if (info && info->interface_index == interface_index) {
    const bool is_ours = info->program_id == program_id(program_fd);
    const bool is_first = first_program(interface_index, hook) == info->program_id;
    const bool updated = !is_ours && is_first && bpf_link_update(link.get(), program_fd, nullptr) == 0;
    if (is_ours || updated) {
      mended.program = mended.program || updated;
      return true;
    }
    mended.order = mended.order || !is_first;
  }
  mended.program = true;
  KRAIT_TRY(auto made, make_tcx_link(interface_index, hook.tcx, program_fd));
  if (made) {
    link = std::move(*made);
  }
  return made.has_value();
}

// To be asked when the ingress filter is put and the egress filter is not: the qdisc "ingress" has clsact's handle, but
// one list of filters, whatever side one names, and the second would take the first one's place.
common::Result<void> check_clsact(std::uint32_t interface_index, int ingress_fd) {
  if (program_of(own_filter(interface_index, Side::egress)) != program_id(ingress_fd)) {
    return {};
  }
  take_filter(own_filter(interface_index, Side::ingress));
  return common::Error(
      common::ErrorCode::unsupported,
      "the interface has a qdisc of the kind ingress, which leaves no room for clsact; take it off: tc "
      "qdisc del dev INTERFACE ingress");
}

common::Result<void> attach_filters(std::uint32_t interface_index, const Programs& programs, Attached& attached) {
  const std::array<int, 2> program_fds{programs.ingress_fd, programs.egress_fd};
  for (std::size_t i = 0; i < kHooks.size(); ++i) {
    if (attached.kind == Attachment::clsact) {
      KRAIT_TRY(auto renewed, renew_filter(own_filter(interface_index, kHooks[i].side), program_fds[i]));
      attached.mended.program = attached.mended.program || renewed;
      KRAIT_CHECK(i == 0 ? check_clsact(interface_index, programs.ingress_fd) : common::Result<void>());
    }
    KRAIT_TRY(auto renewed, renew_filter(guard_filter(interface_index, kHooks[i].side), programs.guard_fd));
    attached.mended.guard = attached.mended.guard || renewed;
  }
  return {};
}

}  // namespace

common::Result<Attached> attach_programs(std::uint32_t interface_index, const Programs& programs, Links& links) {
  silence_libbpf();
  Attached attached;
  const std::array<int, 2> program_fds{programs.ingress_fd, programs.egress_fd};
  attached.kind = Attachment::tcx;
  for (std::size_t i = 0; i < kHooks.size() && attached.kind == Attachment::tcx; ++i) {
    KRAIT_TRY(auto done, attach_tcx(interface_index, kHooks[i], program_fds[i], links[i], attached.mended));
    attached.kind = done ? Attachment::tcx : Attachment::clsact;
  }
  if (attached.kind == Attachment::clsact) {
    attached.mended.program = false;  // what the filters say counts
  }
  KRAIT_TRY(auto made, make_qdisc(interface_index));
  attached.made_qdisc = made;
  KRAIT_CHECK(attach_filters(interface_index, programs, attached));
  return attached;
}

Links pinned_links(const Pins& pins) { return {pins.get(kHooks[0].link_pin), pins.get(kHooks[1].link_pin)}; }

common::Result<bool> pin_links(const Links& links, const Pins& pins) {
  bool pinned = false;
  for (std::size_t i = 0; i < kHooks.size(); ++i) {
    const common::Fd present = pins.get(kHooks[i].link_pin);
    if (!links[i].valid() || (present.valid() && is_same_link(present.get(), links[i].get()))) {
      continue;
    }
    KRAIT_CHECK(pins.replace(kHooks[i].link_pin, links[i].get()));
    pinned = true;
  }
  return pinned;
}

bool are_first_tcx(std::uint32_t interface_index, const Programs& programs) {
  return first_program(interface_index, kHooks[0]) == program_id(programs.ingress_fd) &&
         first_program(interface_index, kHooks[1]) == program_id(programs.egress_fd);
}

bool is_attached(std::uint32_t interface_index, int program_fd, const Links& links) {
  const std::uint32_t id = program_id(program_fd);
  for (std::size_t i = 0; i < kHooks.size(); ++i) {
    const auto info = links[i].valid() ? tcx_link(links[i].get()) : std::nullopt;
    if ((info && info->interface_index != 0 && info->program_id == id) ||
        program_of(own_filter(interface_index, kHooks[i].side)) == id) {
      return true;
    }
  }
  return false;
}

bool is_on(std::uint32_t interface_index, const Links& links) {
  const auto judges = [&](std::size_t i) {
    const auto info = links[i].valid() ? tcx_link(links[i].get()) : std::nullopt;
    return (info && info->interface_index == interface_index) ||
           program_of(own_filter(interface_index, kHooks[i].side)) != 0;
  };
  return judges(0) && judges(1);
}

common::Result<void> detach_programs(std::uint32_t interface_index, const Pins& pins, bool qdisc_too) {
  silence_libbpf();
  for (const Hook& hook : kHooks) {
    take_filter(guard_filter(interface_index, hook.side));
  }
  for (const Hook& hook : kHooks) {
    take_filter(own_filter(interface_index, hook.side));
    if (const common::Fd pinned = pins.get(hook.link_pin); pinned.valid()) {
      bpf_link_detach(pinned.get());
      pins.remove(hook.link_pin);
    }
  }
  return qdisc_too ? remove_qdisc(interface_index) : common::Result<void>();
}

}  // namespace krait::datapath
