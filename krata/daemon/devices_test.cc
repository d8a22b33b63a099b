#include "krata/daemon/devices.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "krata/daemon/bundle_file.h"

namespace krata::daemon {
namespace {

model::ZoneRecord zone() {
  model::ZoneRecord record;
  record.id.bytes.fill(0xab);
  record.spec.name = "web";
  record.spec.image = "localhost/app:1";
  record.spec.resources.cpus = 2;
  record.domain = 5;
  return record;
}

TEST(Devices, FoldersComeBeforeWhatIsInThem) {
  const auto record = zone();
  const auto nodes =
      nodes_of(record, {.domain = 5, .console_port = 2, .store_port = 1}, disks_of(record, "/root", "/bundle"));
  std::vector<std::string> seen;
  for (const store::NewNode& node : nodes) {
    EXPECT_TRUE(std::ranges::none_of(seen, [&](const std::string& path) { return path.starts_with(node.path + "/"); }))
        << node.path;
    seen.push_back(node.path);
  }
  const auto removed = paths_of(record.id, 5);
  for (const std::string& path : seen) {
    EXPECT_TRUE(std::ranges::any_of(
        removed, [&](const std::string& root) { return path == root || path.starts_with(root + "/"); }))
        << path << " would be left over";
  }
}

// What a node has that was made without any: its parent's.
std::vector<std::string> permissions_of(const std::vector<store::NewNode>& nodes, std::string path) {
  for (;; path.resize(path.rfind('/'))) {
    const auto found = std::ranges::find(nodes, path, &store::NewNode::path);
    if (found != nodes.end() && !found->permissions.empty()) {
      return found->permissions;
    }
    if (path.rfind('/') == 0) {
      return {};
    }
  }
}

bool is_in(const std::vector<std::string>& texts, const std::string& text) {
  return std::ranges::find(texts, text) != texts.end();
}

TEST(Devices, AZoneMayWriteOnlyItsOwn) {
  const auto record = zone();
  const auto nodes = nodes_of(record, {.domain = 5}, disks_of(record, "/root", "/bundle"));
  std::vector<std::string> own;
  for (const store::NewNode& node : nodes) {
    const auto permissions = permissions_of(nodes, node.path);
    if (permissions == std::vector<std::string>{"n5"}) {
      own.push_back(node.path);
    } else {
      EXPECT_EQ(permissions, (std::vector<std::string>{"n0", "r5"})) << node.path;
    }
  }
  for (const std::string& path : own) {
    const std::string rest = path.substr(std::string("/local/domain/5/").size());
    const std::string name = rest.substr(0, rest.find('/'));
    EXPECT_TRUE(is_in({"control", "data", "drivers", "feature", "attr", "error", "device"}, name)) << path;
  }
  EXPECT_TRUE(is_in(own, "/local/domain/5/device/vbd/51712/state"));
  EXPECT_TRUE(is_in(own, "/local/domain/5/control/shutdown"));
}

TEST(Devices, PermissionsAreGivenWhereTheyChange) {
  const auto record = zone();
  const auto nodes = nodes_of(record, {.domain = 5}, disks_of(record, "/root", "/bundle"));
  const auto given = std::ranges::count_if(nodes, [](const store::NewNode& node) { return !node.permissions.empty(); });
  // The domain, /vm, its seven folders, and the back ends of the channel and of two disks.
  EXPECT_EQ(given, 12);
}

TEST(Devices, DisksHaveTheirNumbers) {
  auto record = zone();
  record.spec.disks = {{.file = "/data.img", .mount = "/data", .read_only = false}};
  const auto disks = disks_of(record, "/root", "/bundle");
  ASSERT_EQ(disks.size(), 3U);
  EXPECT_EQ(disks[0].number, 51712U);
  EXPECT_TRUE(disks[0].is_read_only);
  EXPECT_EQ(disks[2].number, 51744U);
  EXPECT_FALSE(disks[2].is_read_only);
}

constexpr const char* kConfig =
    R"({"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin","A=b"],"Entrypoint":["/run"],"Cmd":["x"],"WorkingDir":"/srv","User":"www","StopSignal":"SIGINT"},"rootfs":{"type":"layers","diff_ids":[]}})";

TEST(BundleFile, TakesTheImagesAndWhatTheOwnerSays) {
  auto record = zone();
  record.spec.command = {"y"};
  record.spec.env = {"C=d"};
  const auto made = bundle_of(record, kConfig);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->hostname, "web");
  EXPECT_EQ(made->process.arguments, (std::vector<std::string>{"/run", "y"}));
  EXPECT_EQ(made->process.user, "www");
  EXPECT_EQ(made->stop_signal, 2U);
  EXPECT_TRUE(std::ranges::find(made->process.environment, "C=d") != made->process.environment.end());
}

TEST(BundleFile, ExecRunsTheCommandAlone) {
  const auto process = exec_process(zone(), kConfig, {.command = {"ls", "-l"}, .user = "root"});
  ASSERT_TRUE(process) << process.error().text();
  EXPECT_EQ(process->arguments, (std::vector<std::string>{"ls", "-l"}));
  EXPECT_EQ(process->user, "root");
  EXPECT_EQ(process->working_directory, "/srv");
}

}  // namespace
}  // namespace krata::daemon
