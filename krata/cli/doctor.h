// What a host that runs zones needs, judged by facts. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace krata::cli {

struct HostFacts {
  bool runs_on_xen = false;
  std::string xen_version;  // "4.17"
  bool has_xenfs = false;
  bool is_domain_0 = false;
  std::vector<std::string> missing_devices;  // of /dev/xen
  std::string store;                         // who answers for xenstore; empty: nobody on a socket
  bool daemon_answers = false;
  std::string daemon_error;
  std::optional<std::size_t> kernels;  // none: they may not be looked at
  bool has_group = false;
  bool is_root = false;
};

struct Finding {
  bool is_good = true;
  std::string what;
  std::string hint{};  // what to do
};

// What follows from another finding is left out.
std::vector<Finding> check(const HostFacts& facts);

}  // namespace krata::cli
