#include "krait/doctor/bundle.h"

#include <fmt/format.h>

#include <string>

#include "krait/inspect/inspect.h"

namespace krait::inspect {

using cli::Output;
using common::Result;

Result<void> bundle(const cli::InspectionFlags& flags, const std::string& file, Output& output) {
  KRAIT_TRY(const auto made,
            doctor::make_bundle({.config = flags.config, .socket = flags.socket, .joined = joined_file()},
                                file.empty() ? doctor::bundle_name() : file));
  std::string text = fmt::format("{}: {} files, no secrets", made.file, made.members.size());
  for (const std::string& left_out : made.missing) {
    text += "\n  missing: " + left_out;
  }
  output.report(text, {{"version", control::kProtocolVersion},
                       {"file", made.file},
                       {"members", made.members},
                       {"missing", made.missing}});
  return {};
}

}  // namespace krait::inspect
