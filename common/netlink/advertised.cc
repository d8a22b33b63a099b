#include "common/netlink/advertised.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>

namespace netlink {

namespace {

constexpr const char* kRoutes = "/proc/thread-self/net/ipv6_route";
constexpr std::uint32_t kFromAdvertisement = 0x00040000;  // RTF_ADDRCONF, include/uapi/linux/ipv6_route.h

// Destination, length, source, length, gateway, metric, references, uses, flags, link.
constexpr std::size_t kDestination = 0;
constexpr std::size_t kLength = 1;
constexpr std::size_t kFlags = 8;
constexpr std::size_t kLink = 9;
constexpr std::size_t kFields = 10;

std::optional<std::uint32_t> hexadecimal(std::string_view text) {
  std::uint32_t value = 0;
  const auto read = std::from_chars(text.begin(), text.end(), value, 16);
  return read.ec == std::errc() && read.ptr == text.end() ? std::optional(value) : std::nullopt;
}

std::array<std::string_view, kFields> fields_of(std::string_view line) {
  std::array<std::string_view, kFields> fields;
  for (std::string_view& field : fields) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    field = line.substr(0, line.find(' '));
    line.remove_prefix(field.size());
  }
  return fields;
}

}  // namespace

std::optional<AdvertisedNetwork> parse_advertised(std::string_view line) {
  const auto fields = fields_of(line);
  const auto length = hexadecimal(fields[kLength]);
  const auto flags = hexadecimal(fields[kFlags]);
  common::Ip ip{.family = common::Family::v6};
  if (fields[kDestination].size() != 2 * ip.bytes.size() || !length || *length > ip.bits() || !flags ||
      (*flags & kFromAdvertisement) == 0 || fields[kLink].empty()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < ip.bytes.size(); ++i) {
    const auto byte = hexadecimal(fields[kDestination].substr(2 * i, 2));
    if (!byte) {
      return std::nullopt;
    }
    ip.bytes[i] = static_cast<std::uint8_t>(*byte);
  }
  return AdvertisedNetwork{.prefix = {ip, static_cast<std::uint8_t>(*length)}, .link = std::string(fields[kLink])};
}

common::Result<std::vector<AdvertisedNetwork>> read_advertised() {
  std::vector<AdvertisedNetwork> found;
  errno = 0;
  std::ifstream file(kRoutes);
  if (!file) {
    return errno == ENOENT ? common::Result<std::vector<AdvertisedNetwork>>(std::move(found))
                           : common::Error::from_errno(errno, std::string("read ") + kRoutes);
  }
  for (std::string line; std::getline(file, line);) {
    if (auto network = parse_advertised(line)) {
      found.push_back(std::move(*network));
    }
  }
  if (file.bad()) {
    return common::Error::from_errno(EIO, std::string("read ") + kRoutes);
  }
  return found;
}

}  // namespace netlink
