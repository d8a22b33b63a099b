#include "krait/wireguard/redirects.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/fd.h"
#include "common/file.h"
#include "common/netlink/network.h"

namespace krait::wireguard {

namespace {

constexpr const char* kSetting = "/proc/sys/net/ipv4/conf/all/send_redirects";

}  // namespace

bool sends_redirects() {
  const auto text = common::read_file(kSetting, 16);
  return text && text->starts_with('1');
}

common::Result<void> send_redirects_again() {
  if (sends_redirects()) {
    return {};
  }
  auto network = netlink::Network::open();
  KRAIT_TRY(auto links, network ? network->links() : network.error(), "look for other interfaces of WireGuard's");
  if (std::ranges::any_of(links, [](const netlink::Link& link) { return link.kind == "wireguard"; })) {
    return {};
  }
  const common::Fd file(::open(kSetting, O_WRONLY | O_CLOEXEC));
  if (!file.valid() || ::write(file.get(), "1\n", 2) != 2) {
    return common::Error::from_errno(errno, "set net.ipv4.conf.all.send_redirects to 1, as it was");
  }
  return {};
}

}  // namespace krait::wireguard
