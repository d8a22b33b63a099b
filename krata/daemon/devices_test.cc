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

TEST(Devices, AZoneMayWriteOnlyItsOwn) {
  const auto record = zone();
  for (const store::NewNode& node : nodes_of(record, {.domain = 5}, disks_of(record, "/root", "/bundle"))) {
    const bool is_own = node.permissions.front() == "n5";
    if (is_own) {
      EXPECT_TRUE(node.path.starts_with("/local/domain/5/")) << node.path;
      EXPECT_EQ(node.permissions.size(), 1U);
    } else {
      EXPECT_EQ(node.permissions, (std::vector<std::string>{"n0", "r5"})) << node.path;
    }
  }
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
