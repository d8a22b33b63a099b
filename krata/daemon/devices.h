// A zone's nodes in xenstore, as values. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "krata/model/zone.h"
#include "krata/store/client.h"

namespace krata::daemon {

// What building a domain leaves to be told: written down beside the zone's log before the record names the domain.
struct BuiltPorts {
  std::uint32_t domain = 0;
  std::uint32_t console_port = 0;
  std::uint32_t store_port = 0;
  std::uint64_t console_frame = 0;
  std::uint64_t store_frame = 0;
  std::uint32_t cpus = 0;  // that it can have at most
  std::uint32_t memory_mib = 0;
};

struct Disk {
  std::uint32_t number = 0;  // the virtual device's: 202 << 8 | index << 4 (docs/misc/vbd-interface.txt of Xen)
  std::string file;
  bool is_read_only = false;
};

// The image, the bundle, and those that its owner gives.
std::vector<Disk> disks_of(const model::ZoneRecord& record, const std::string& root_file,
                           const std::string& bundle_file);

std::string domain_path(std::uint32_t domain);
// Where the channel's two ends meet: the zone's second console.
std::string channel_front(std::uint32_t domain);
std::string channel_back(std::uint32_t domain);
std::string disks_back(std::uint32_t domain);

// All of them, folders before what is in them.
std::vector<store::NewNode> nodes_of(const model::ZoneRecord& record, const BuiltPorts& ports,
                                     const std::vector<Disk>& disks);

// What is to go when the domain is gone.
std::vector<std::string> paths_of(const model::ZoneId& id, std::uint32_t domain);

}  // namespace krata::daemon
