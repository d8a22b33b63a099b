// What a zone's first process needs to know before it can start the container: a small read-only disk that the host
// writes and krata-init reads. docs/krata_bundle.md describes the bytes. Pure: bytes to values and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "krata/bundle/process.h"

namespace krata::bundle {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kMaxBytes = std::size_t{1} << 20U;  // of a whole bundle
inline constexpr std::size_t kSectorBytes = 512;                 // a bundle is a multiple of them
inline constexpr std::size_t kMaxDisks = 16;
inline constexpr std::size_t kMaxHosts = 1024;
inline constexpr std::size_t kMaxNames = 32;  // name servers, search domains, options: of each
inline constexpr std::size_t kMaxKeys = 64;
inline constexpr std::size_t kMaxKeyBytes = std::size_t{64} << 10U;

// A further disk of the zone.
struct Disk {
  std::string device;       // below /dev: "xvdd"
  std::string path;         // in the container, absolute; made where it is missing
  std::string file_system;  // "ext4", "squashfs", "erofs"
  bool read_only = false;
  bool operator==(const Disk&) const = default;
};

// A line of /etc/hosts.
struct Host {
  std::string address;  // as text
  std::string names;    // with spaces between
  bool operator==(const Host&) const = default;
};

// What the container reads at /run/krata/keys/NAME: a file of root's in memory, mode 0400.
struct Key {
  std::string name;  // a file name
  std::string bytes;
  bool operator==(const Key&) const = default;
};

struct Bundle {
  std::string zone_id;                // the UUID as text
  std::string hostname;               // a name that sethostname(2) takes: 1 to 64 bytes
  Process process;                    // the container's first
  std::uint32_t stop_signal = 15;     // 1 to 64
  std::string image_device = "xvda";  // squashfs or EROFS, told apart by their first bytes
  std::string scratch_device;         // ext4, for what the container writes; empty: memory
  std::uint64_t scratch_bytes = 0;    // how much of the memory at most; 0: half of it
  std::vector<Disk> disks;            // mounted in this order
  std::vector<Host> hosts;            // besides localhost and the host's own name
  std::vector<std::string> name_servers;
  std::vector<std::string> search_domains;
  std::vector<std::string> resolver_options;
  std::vector<Key> keys;
  bool operator==(const Bundle&) const = default;
};

// The disk's bytes, a multiple of kSectorBytes. Fails with invalid_input or limit where read_bundle() would refuse it.
common::Result<std::string> write_bundle(const Bundle& bundle);

// How many bytes the bundle that begins with these takes, which are at least kSectorBytes: to know how much of a disk
// to read. Fails with invalid_input (no bundle), unsupported (another version) or limit.
common::Result<std::size_t> bundle_bytes(std::string_view first_sector);

// `disk` may be longer than the bundle; what follows it is not looked at. Everything within is checked: unknown,
// missing or repeated records, lengths, names, numbers, the checksum. Errors as above.
common::Result<Bundle> read_bundle(std::string_view disk);

}  // namespace krata::bundle
