#include "krait/datapath/tcx.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <utility>

namespace krait::datapath {

namespace {

// struct bpf_link_info of a TCX link.
struct LinkInfo {
  std::uint32_t type;
  std::uint32_t id;
  std::uint32_t program_id;
  std::uint32_t padding;
  std::uint32_t interface_index;
  std::uint32_t attach_type;
  std::array<std::uint8_t, 256> rest;
};

}  // namespace

std::optional<TcxLink> tcx_link(int link_fd) {
  LinkInfo info{};
  std::uint32_t bytes = sizeof(info);
  if (bpf_obj_get_info_by_fd(link_fd, &info, &bytes) != 0) {
    return std::nullopt;
  }
  return TcxLink{.id = info.id, .program_id = info.program_id, .interface_index = info.interface_index};
}

common::Result<std::optional<common::Fd>> make_tcx_link(std::uint32_t interface_index, bpf_attach_type side,
                                                        int program_fd) {
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = kBefore;
  common::Fd made(bpf_link_create(program_fd, static_cast<int>(interface_index), side, &options));
  if (made.valid()) {
    return std::optional(std::move(made));
  }
  if (errno == EINVAL) {
    return std::optional<common::Fd>();
  }
  return common::Error::from_errno(errno,
                                   fmt::format("attach a TCX link to {}", side == kTcxIngress ? "ingress" : "egress"));
}

}  // namespace krait::datapath
