#include "krata/daemon/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <string_view>
#include <utility>

#include "krata/daemon/metric_list.h"
#include "krata/store/client.h"

namespace krata::daemon {

namespace {

using control::ZoneState;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::array kStates{ZoneState::preparing,  ZoneState::starting, ZoneState::running, ZoneState::stopping,
                             ZoneState::restarting, ZoneState::ended,    ZoneState::removing};

class Page {
 public:
  Page() {
    for (const MetricRow& row : kMetricList) {
      const bool is_counter = std::string_view(row.name).ends_with("_total");
      families_.push_back({row.name, row.help, is_counter ? MetricType::Counter : MetricType::Gauge, {}});
    }
  }

  void add(Metric which, Labels labels, double value) {
    MetricFamily& family = families_.at(static_cast<std::size_t>(which));
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void add_disk(Page& page, Labels labels, const control::DiskUse& disk) {
  labels.push_back({"disk", disk.disk});
  const auto add = [&](Metric which, std::uint64_t value) { page.add(which, labels, static_cast<double>(value)); };
  add(Metric::disk_reads, disk.reads);
  add(Metric::disk_writes, disk.writes);
  add(Metric::disk_flushes, disk.flushes);
  add(Metric::disk_read_bytes, disk.read_bytes);
  add(Metric::disk_written_bytes, disk.written_bytes);
  add(Metric::disk_errors, disk.errors);
}

void add_zone(Page& page, const control::ZoneView& zone) {
  const Labels labels{{"zone", zone.record.spec.name}, {"id", zone.record.id.text()}};
  page.add(Metric::starts, labels, zone.record.run);
  if (zone.use) {
    page.add(Metric::cpu, labels, static_cast<double>(zone.use->cpu_ns) / 1e9);
    page.add(Metric::cpus, labels, zone.use->cpus);
    page.add(Metric::memory, labels, static_cast<double>(zone.use->memory_kib) * 1024);
  }
  for (const control::DiskUse& disk : zone.disks) {
    add_disk(page, labels, disk);
  }
}

}  // namespace

std::string metrics_text(const std::vector<control::ZoneView>& zones,
                         const std::map<std::string, std::uint64_t>& store_requests) {
  Page page;
  page.add(Metric::build, {{"version", KRAIT_VERSION}}, 1);
  for (const ZoneState state : kStates) {
    double number = 0;
    for (const control::ZoneView& zone : zones) {
      number += zone.state == state ? 1 : 0;
    }
    page.add(Metric::zones, {{"state", std::string(control::name_of(state))}}, number);
  }
  for (const control::ZoneView& zone : zones) {
    add_zone(page, zone);
  }
  for (const auto& [operation, count] : store_requests) {
    if (operation == store::kRefusedRequests) {
      page.add(Metric::store_refusals, {}, static_cast<double>(count));
    } else {
      page.add(Metric::store_requests, {{"operation", operation}}, static_cast<double>(count));
    }
  }
  return page.text();
}

}  // namespace krata::daemon
