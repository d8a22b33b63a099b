// krait down where no agent answers.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "krait/enforce/left_over.h"
#include "krait/inspect/inspect.h"
#include "krait/plan/joined.h"
#include "krait/rundir/bpffs.h"

namespace krait::inspect {

using cli::Output;
using common::Result;

namespace {

// What is in force on interfaces of other names, for which nobody asked.
std::string nothing_text() {
  std::string others;
  std::error_code error;
  for (const auto& folder : std::filesystem::directory_iterator(rundir::kBpffs, error)) {
    if (!folder.is_directory(error)) {
      continue;  // the kernel's own maps.debug and progs.debug
    }
    const std::string name = folder.path().filename().string();
    others += fmt::format("; {} is still guarded: krait down --iface {}", name, name);
  }
  return "already down" + others;
}

}  // namespace

Result<void> down_without_agent(const cli::DownFlags& flags, Output& output) {
  enforce::EnforcerOptions options{
      .config_file = flags.config, .joined_file = plan::kJoinedFile, .guarded_interface = {}};
  if (!flags.interface.empty()) {
    options.guarded_interface = flags.interface;
  }
  KRAIT_TRY(auto found, flags.keep_enforcing ? enforce::drain_left_over(options) : enforce::remove_left_over(options));
  ::unlink(flags.socket.c_str());  // an agent that was killed left them
  ::unlink((flags.socket + ".lock").c_str());
  const char* text = flags.keep_enforcing ? "down: what a former agent left denies everything now"
                                          : "down: removed what a former agent left";
  output.report(found ? text : nothing_text(),
                {{"version", control::kProtocolVersion}, {"removed", found && !flags.keep_enforcing}});
  return {};
}

}  // namespace krait::inspect
