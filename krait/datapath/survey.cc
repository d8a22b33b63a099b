#include "krait/datapath/survey.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/fd.h"
#include "krait/datapath/tcx.h"

namespace krait::datapath {

namespace {

AttachedProgram describe(std::uint32_t id) {
  AttachedProgram program{.id = id, .name = {}, .tag = {}};
  const common::Fd fd(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  std::uint32_t bytes = sizeof(info);
  if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0) {
    return program;
  }
  program.name = info.name;
  for (const unsigned char byte : info.tag) {
    program.tag += fmt::format("{:02x}", byte);
  }
  return program;
}

}  // namespace

common::Result<std::optional<std::vector<AttachedProgram>>> tcx_programs(std::uint32_t interface_index, bool ingress) {
  std::array<std::uint32_t, kMaxPrograms> ids{};
  struct bpf_prog_query_opts options{};
  options.sz = sizeof(options);
  options.prog_ids = ids.data();
  options.prog_cnt = ids.size();
  if (bpf_prog_query_opts(static_cast<int>(interface_index), ingress ? kTcxIngress : kTcxEgress, &options) != 0) {
    if (errno == EINVAL) {
      return std::optional<std::vector<AttachedProgram>>();
    }
    return common::Error::from_errno(errno, "ask for the interface's programs");
  }
  std::vector<AttachedProgram> programs;
  for (std::size_t i = 0; i < options.prog_cnt && i < ids.size(); ++i) {
    programs.push_back(describe(ids[i]));
  }
  return std::optional(std::move(programs));
}

bool kernel_has_btf() { return ::access("/sys/kernel/btf/vmlinux", F_OK) == 0; }

bool lets_packets_interrupt(std::string_view kernel_version) {
  return kernel_version.find("PREEMPT_RT") != std::string_view::npos;
}

common::Result<void> check_kernel_keeps_packets_apart() {
  utsname names{};
  ::uname(&names);
  if (lets_packets_interrupt(names.version)) {
    return common::Error(
        common::ErrorCode::unsupported,
        "this kernel is a real-time one (PREEMPT_RT), where packets interrupt each other while they are "
        "judged; boot one without PREEMPT_RT");
  }
  return {};
}

}  // namespace krait::datapath
