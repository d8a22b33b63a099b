// docs/krata_metrics.md is made from metric_list.h. KRAIT_GOLDEN=write writes it anew.
#include "krata/daemon/metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/file.h"
#include "krata/block/disk.h"
#include "krata/daemon/disk_server.h"
#include "krata/daemon/metric_list.h"

namespace krata::daemon {
namespace {

constexpr const char* kPage = "docs/krata_metrics.md";

std::string page() {
  std::string text =
      "# Metrics of kratad\n\n"
      "`http://127.0.0.1:9792/metrics` has them in Prometheus' text format, for every process of the host: names of "
      "zones and what they use,\n"
      "nothing that they hold. They are read when somebody asks; nobody wakes up for them otherwise. `krata zone "
      "metrics NAME` shows those of one\n"
      "zone, `krata zone top` what changes each second. What a disk has done is kept by krata-block, goes on after its "
      "death, and counts from the\n"
      "zone's first run. Debian's xenstored counts no requests: then those rows are not there. This page is made from\n"
      "`krata/daemon/metric_list.h`.\n\n"
      "| metric | labels | meaning |\n| --- | --- | --- |\n";
  for (const MetricRow& row : kMetricList) {
    text += std::string("| `") + row.name + "` | " + row.labels + " | " + row.help + " |\n";
  }
  return text;
}

TEST(Metrics, TheDocumentIsMadeFromTheList) {
  if (std::getenv("KRAIT_GOLDEN") != nullptr) {
    ASSERT_TRUE(common::write_file(kPage, page(), 0644));
  }
  const auto written = common::read_file(kPage, 1U << 20U);
  ASSERT_TRUE(written) << written.error().text();
  EXPECT_EQ(*written, page()) << "run this test with KRAIT_GOLDEN=write";
}

TEST(Metrics, TheListHasEachOnceInOrder) {
  for (std::size_t i = 0; i < kMetricList.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kMetricList.at(i).metric), i) << kMetricList.at(i).name;
  }
}

TEST(Metrics, ThePageHasZonesDisksAndRequests) {
  control::ZoneView zone;
  zone.state = control::ZoneState::running;
  zone.use = control::ZoneUse{.cpu_ns = 2'500'000'000, .memory_kib = 1024, .max_memory_kib = 1024, .cpus = 2};
  zone.record.spec.name = "web";
  zone.record.run = 2;
  zone.disks = {
      {.disk = "xvda", .reads = 7, .writes = 0, .flushes = 0, .read_bytes = 28672, .written_bytes = 0, .errors = 3}};
  const std::string text = metrics_text({zone}, {{"read", 5}, {"refused", 2}});
  const std::string labels = "{zone=\"web\",id=\"" + zone.record.id.text() + "\"";
  for (const std::string& line :
       {"krata_zone_starts_total" + labels + "} 2\n", "krata_zone_disk_reads_total" + labels + ",disk=\"xvda\"} 7\n",
        "krata_zone_disk_read_bytes_total" + labels + ",disk=\"xvda\"} 28672\n",
        "krata_zone_disk_errors_total" + labels + ",disk=\"xvda\"} 3\n",
        std::string("krata_store_requests_total{operation=\"read\"} 5\n"),
        std::string("krata_store_refusals_total 2\n")}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  }
  EXPECT_NE(text.find("krata_zones{state=\"running\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("krata_zones{state=\"ended\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("krata_zone_cpu_seconds_total" + labels + "} 2.5\n"), std::string::npos) << text;
  EXPECT_EQ(metrics_text({{}}, {}).find("krata_zone_cpu_seconds_total{"), std::string::npos) << "no domain, no time";
}

TEST(Metrics, ADisksNumbersAreReadFromItsMemory) {
  const std::string folder = testing::TempDir() + "krata_metrics";
  std::filesystem::create_directories(folder);
  block::DiskMemory memory;
  memory.counters.reads = 4;
  memory.counters.errors = 1;
  ASSERT_TRUE(common::write_file(folder + "/block-51728",
                                 std::string_view(reinterpret_cast<const char*>(&memory), sizeof(memory)), 0600));
  ASSERT_TRUE(common::write_file(folder + "/block-51744", "short", 0600));
  const auto disk = [](std::uint32_t number) { return Disk{.number = number, .file = "", .is_read_only = true}; };
  const auto uses = disk_uses(folder, {disk(51712), disk(51728), disk(51744)});
  ASSERT_EQ(uses.size(), 1U) << "of a disk that was not served yet, and of a file that is cut off, nothing is said";
  EXPECT_EQ(uses[0].disk, "xvdb");
  EXPECT_EQ(uses[0].reads, 4U);
  EXPECT_EQ(uses[0].errors, 1U);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace krata::daemon
