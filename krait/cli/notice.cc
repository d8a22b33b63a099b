#include "krait/cli/notice.h"

#include <algorithm>

namespace krait::cli {

Notice parse_notice(std::string_view datagram) {
  constexpr std::string_view kStatus = "STATUS=";
  Notice notice;
  while (!datagram.empty()) {
    const std::string_view line = datagram.substr(0, datagram.find('\n'));
    datagram.remove_prefix(std::min(datagram.size(), line.size() + 1));
    if (line == "READY=1") {
      notice.ready = true;
    } else if (line.starts_with(kStatus)) {
      notice.status = line.substr(kStatus.size());
    }
  }
  const auto controls = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::ranges::replace_if(notice.status, controls, ' ');
  return notice;
}

}  // namespace krait::cli
