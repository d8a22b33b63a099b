// Which addresses are this host's own or behind it, by longest prefix. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "common/ip.h"
#include "krait/compile/compile.h"

namespace krait::inspect {

class LocalSources {
 public:
  explicit LocalSources(const std::vector<compile::Binding>& bindings);
  [[nodiscard]] bool contains(const common::Ip& address) const;

 private:
  std::map<common::Prefix, bool> local_by_prefix_;
  std::set<std::uint8_t, std::greater<>> v4_lengths_;
  std::set<std::uint8_t, std::greater<>> v6_lengths_;
};

}  // namespace krait::inspect
