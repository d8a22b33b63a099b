#include "krata/daemon/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <utility>

namespace krata::daemon {

namespace {

using control::ZoneState;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr std::array kStates{ZoneState::preparing,  ZoneState::starting, ZoneState::running, ZoneState::stopping,
                             ZoneState::restarting, ZoneState::ended,    ZoneState::removing};

MetricFamily family(const char* name, const char* help, MetricType type) { return {name, help, type, {}}; }

void add(MetricFamily& family, Labels labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  family.metric.push_back(std::move(metric));
}

}  // namespace

std::string metrics_text(const std::vector<control::ZoneView>& zones) {
  auto build = family("krata_build_info", "The daemon's version.", MetricType::Gauge);
  add(build, {{"version", KRAIT_VERSION}}, 1);
  auto count = family("krata_zones", "Zones, by state.", MetricType::Gauge);
  for (const ZoneState state : kStates) {
    double number = 0;
    for (const control::ZoneView& zone : zones) {
      number += zone.state == state ? 1 : 0;
    }
    add(count, {{"state", std::string(control::name_of(state))}}, number);
  }
  auto runs = family("krata_zone_starts_total", "How often the zone's container was started.", MetricType::Counter);
  auto cpu =
      family("krata_zone_cpu_seconds_total", "CPU time of the zone's domain, of all its CPUs.", MetricType::Counter);
  auto cpus = family("krata_zone_cpus", "CPUs of the zone that are online.", MetricType::Gauge);
  auto memory = family("krata_zone_memory_bytes", "Memory that the zone has.", MetricType::Gauge);
  for (const control::ZoneView& zone : zones) {
    const Labels labels{{"zone", zone.record.spec.name}, {"id", zone.record.id.text()}};
    add(runs, labels, zone.record.run);
    if (zone.use) {
      add(cpu, labels, static_cast<double>(zone.use->cpu_ns) / 1e9);
      add(cpus, labels, zone.use->cpus);
      add(memory, labels, static_cast<double>(zone.use->memory_kib) * 1024);
    }
  }
  return prometheus::TextSerializer().Serialize(
      {std::move(build), std::move(count), std::move(runs), std::move(cpu), std::move(cpus), std::move(memory)});
}

}  // namespace krata::daemon
