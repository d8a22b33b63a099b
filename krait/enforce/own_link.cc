#include "krait/enforce/own_link.h"

#include "krait/enforce/datapath_options.h"
#include "krait/wireguard/wireguard.h"

namespace krait::enforce {

std::uint32_t unmarked_own_link(const std::string& interface) {
  const auto index = wireguard::link_index(interface);
  return index && datapath::manages(datapath_options(interface), *index) ? *index : 0;
}

}  // namespace krait::enforce
