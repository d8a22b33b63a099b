#include "krata/daemon/devices.h"

#include <fmt/format.h>

#include <map>

namespace krata::daemon {

namespace {

constexpr std::uint32_t kFirstDisk = 51712;  // xvda
constexpr std::uint32_t kDiskStep = 16;
constexpr const char* kInitialising = "1";  // of enum xenbus_state, xen/io/xenbus.h

// A node that domain 0 makes has its parent's permissions (docs/misc/xenstore.txt of Xen): they are given only where
// they change, since each time is a request.
class Nodes {
 public:
  explicit Nodes(std::uint32_t domain) : ours_{"n0", fmt::format("r{}", domain)}, theirs_{fmt::format("n{}", domain)} {}

  // Domain 0's, that the zone may read.
  void ours(const std::string& path, const std::string& value) { add(path, value, ours_); }
  // The zone's, that domain 0 may write too, as it may everything.
  void theirs(const std::string& path, const std::string& value) { add(path, value, theirs_); }
  std::vector<store::NewNode> take() { return std::move(nodes_); }

 private:
  using Permissions = std::vector<std::string>;

  void add(const std::string& path, const std::string& value, const Permissions& permissions) {
    nodes_.push_back({path, value, inherited_by(path) == &permissions ? Permissions() : permissions});
    given_[path] = &permissions;
  }
  // Null: those of a node that was there before.
  [[nodiscard]] const Permissions* inherited_by(std::string path) const {
    for (auto slash = path.rfind('/'); slash != 0; slash = path.rfind('/')) {
      path.resize(slash);
      if (const auto found = given_.find(path); found != given_.end()) {
        return found->second;
      }
    }
    return nullptr;
  }

  Permissions ours_;
  Permissions theirs_;
  std::map<std::string, const Permissions*> given_;
  std::vector<store::NewNode> nodes_;
};

void add_channel(Nodes& nodes, std::uint32_t domain) {
  const std::string front = channel_front(domain);
  const std::string back = channel_back(domain);
  nodes.ours(back, "");
  nodes.ours(back + "/frontend", front);
  nodes.ours(back + "/frontend-id", std::to_string(domain));
  nodes.ours(back + "/online", "1");
  nodes.ours(back + "/state", kInitialising);
  nodes.theirs(front, "");
  nodes.theirs(front + "/backend", back);
  nodes.theirs(front + "/backend-id", "0");
  nodes.theirs(front + "/state", kInitialising);
}

void add_disk(Nodes& nodes, std::uint32_t domain, const Disk& disk) {
  const std::string front = fmt::format("{}/device/vbd/{}", domain_path(domain), disk.number);
  const std::string back = fmt::format("{}/{}", disks_back(domain), disk.number);
  nodes.ours(back, "");
  nodes.ours(back + "/frontend", front);
  nodes.ours(back + "/frontend-id", std::to_string(domain));
  nodes.ours(back + "/online", "1");
  nodes.ours(back + "/state", kInitialising);
  nodes.theirs(front, "");
  nodes.theirs(front + "/backend", back);
  nodes.theirs(front + "/backend-id", "0");
  nodes.theirs(front + "/virtual-device", std::to_string(disk.number));
  nodes.theirs(front + "/device-type", "disk");
  nodes.theirs(front + "/protocol", "x86_64-abi");
  nodes.theirs(front + "/state", kInitialising);
}

}  // namespace

std::string domain_path(std::uint32_t domain) { return fmt::format("/local/domain/{}", domain); }
std::string channel_front(std::uint32_t domain) { return domain_path(domain) + "/device/console/1"; }
// Not below backend/, which domain 0's kernel watches: it would look at each node, and make a device that has no
// driver.
std::string channel_back(std::uint32_t domain) { return fmt::format("/local/domain/0/krata/channel/{}/1", domain); }
std::string disks_back(std::uint32_t domain) { return fmt::format("/local/domain/0/krata/vbd/{}", domain); }

std::vector<Disk> disks_of(const model::ZoneRecord& record, const std::string& root_file,
                           const std::string& bundle_file) {
  std::vector<Disk> disks{{.number = kFirstDisk, .file = root_file, .is_read_only = true},
                          {.number = kFirstDisk + kDiskStep, .file = bundle_file, .is_read_only = true}};
  for (const model::DiskSpec& disk : record.spec.disks) {
    disks.push_back({.number = disks.back().number + kDiskStep, .file = disk.file, .is_read_only = disk.read_only});
  }
  return disks;
}

std::vector<store::NewNode> nodes_of(const model::ZoneRecord& record, const BuiltPorts& ports,
                                     const std::vector<Disk>& disks) {
  const std::string base = domain_path(ports.domain);
  const std::string memory_kib = std::to_string(std::uint64_t{record.spec.resources.memory_mib} * 1024);
  Nodes nodes(ports.domain);
  nodes.ours(base, "");
  nodes.ours("/vm/" + record.id.text(), "");
  nodes.ours("/vm/" + record.id.text() + "/name", record.spec.name);
  nodes.ours("/vm/" + record.id.text() + "/uuid", record.id.text());
  nodes.ours(base + "/vm", "/vm/" + record.id.text());
  nodes.ours(base + "/name", record.spec.name);
  nodes.ours(base + "/domid", std::to_string(ports.domain));
  nodes.ours(base + "/memory", "");
  nodes.ours(base + "/memory/target", memory_kib);
  nodes.ours(base + "/memory/static-max", memory_kib);
  nodes.ours(base + "/store", "");
  nodes.ours(base + "/store/port", std::to_string(ports.store_port));
  nodes.ours(base + "/store/ring-ref", std::to_string(ports.store_frame));
  nodes.ours(base + "/console", "");
  nodes.ours(base + "/console/port", std::to_string(ports.console_port));
  nodes.ours(base + "/console/ring-ref", std::to_string(ports.console_frame));
  nodes.ours(base + "/console/type", "krata");  // no other program's to serve
  for (std::uint32_t cpu = 0; cpu < record.spec.resources.cpus; ++cpu) {
    nodes.ours(fmt::format("{}/cpu/{}/availability", base, cpu), "online");
  }
  // The zone answers here, and says what it is able to.
  for (const char* name : {"control", "data", "drivers", "feature", "attr", "error", "device"}) {
    nodes.theirs(base + "/" + name, "");
  }
  nodes.theirs(base + "/control/shutdown", "");
  add_channel(nodes, ports.domain);
  for (const Disk& disk : disks) {
    add_disk(nodes, ports.domain, disk);
  }
  return nodes.take();
}

std::vector<std::string> paths_of(const model::ZoneId& id, std::uint32_t domain) {
  return {domain_path(domain), "/vm/" + id.text(), fmt::format("/local/domain/0/krata/channel/{}", domain),
          disks_back(domain)};
}

}  // namespace krata::daemon
