#include "krait/datapath/filters.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>

#include "krait/datapath/object.h"

namespace krait::datapath {

using common::Error;
using common::Result;

namespace {

bpf_tc_hook hook_of(std::uint32_t interface_index, bpf_tc_attach_point point) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(interface_index);
  hook.attach_point = point;
  return hook;
}

bpf_tc_hook hook_of(const Filter& filter) {
  return hook_of(filter.interface_index, filter.side == Side::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
}

bpf_tc_hook hook_of_both(std::uint32_t interface_index) {
  return hook_of(interface_index, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
}

bpf_tc_opts options_of(const Filter& filter) {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = filter.handle;
  options.priority = filter.priority;
  return options;
}

}  // namespace

std::uint32_t program_of(const Filter& filter) {
  const bpf_tc_hook hook = hook_of(filter);
  bpf_tc_opts options = options_of(filter);
  return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

Result<bool> renew_filter(const Filter& filter, int program_fd) {
  if (program_of(filter) == program_id(program_fd)) {
    return false;
  }
  const bpf_tc_hook hook = hook_of(filter);
  bpf_tc_opts options = options_of(filter);
  options.prog_fd = program_fd;
  options.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&hook, &options); error != 0) {
    return Error::from_errno(
        -error, fmt::format("attach a clsact filter to {}", filter.side == Side::ingress ? "ingress" : "egress"));
  }
  return true;
}

void take_filter(const Filter& filter) {
  const bpf_tc_hook hook = hook_of(filter);
  const bpf_tc_opts options = options_of(filter);
  bpf_tc_detach(&hook, &options);
}

Result<bool> make_qdisc(std::uint32_t interface_index) {
  bpf_tc_hook hook = hook_of_both(interface_index);
  const int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) {
    return Error::from_errno(-error, "make the clsact qdisc");
  }
  return error == 0;
}

Result<void> remove_qdisc(std::uint32_t interface_index) {
  bpf_tc_hook hook = hook_of_both(interface_index);
  const int error = bpf_tc_hook_destroy(&hook);
  if (error != 0 && error != -ENOENT && error != -EINVAL && error != -ENODEV) {
    return Error::from_errno(-error, "remove the clsact qdisc");
  }
  return {};
}

}  // namespace krait::datapath
