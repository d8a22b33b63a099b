// Every metric of kratad's page, once: metrics.cc and docs/krata_metrics.md are made of this list.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace krata::daemon {

enum class Metric : std::uint8_t {
  build,
  zones,
  starts,
  cpu,
  cpus,
  memory,
  disk_reads,
  disk_writes,
  disk_flushes,
  disk_read_bytes,
  disk_written_bytes,
  disk_errors,
  store_requests,
  store_refusals,
  count,
};

struct MetricRow {
  Metric metric;
  const char* name;  // those of counters end in _total
  const char* labels;
  const char* help;
};

inline constexpr std::size_t kMetrics = static_cast<std::size_t>(Metric::count);
inline constexpr std::array<MetricRow, kMetrics> kMetricList{{
    {Metric::build, "krata_build_info", "version", "The daemon's version."},
    {Metric::zones, "krata_zones", "state", "Zones, by state."},
    {Metric::starts, "krata_zone_starts_total", "zone, id", "How often the zone's container was started."},
    {Metric::cpu, "krata_zone_cpu_seconds_total", "zone, id", "CPU time of the zone's domain, of all its CPUs."},
    {Metric::cpus, "krata_zone_cpus", "zone, id", "CPUs of the zone that are online."},
    {Metric::memory, "krata_zone_memory_bytes", "zone, id", "Memory that the zone has."},
    {Metric::disk_reads, "krata_zone_disk_reads_total", "zone, id, disk", "Reads of the disk."},
    {Metric::disk_writes, "krata_zone_disk_writes_total", "zone, id, disk", "Writes to the disk."},
    {Metric::disk_flushes, "krata_zone_disk_flushes_total", "zone, id, disk",
     "How often the zone wanted what it wrote to be safe."},
    {Metric::disk_read_bytes, "krata_zone_disk_read_bytes_total", "zone, id, disk", "Bytes that were read."},
    {Metric::disk_written_bytes, "krata_zone_disk_written_bytes_total", "zone, id, disk", "Bytes that were written."},
    {Metric::disk_errors, "krata_zone_disk_errors_total", "zone, id, disk",
     "Requests that were answered with an error: what no front end asks, or what the file did not take."},
    {Metric::store_requests, "krata_store_requests_total", "operation",
     "Requests that krata-store has answered since its start."},
    {Metric::store_refusals, "krata_store_refusals_total", "", "Those of them that it has refused."},
}};

}  // namespace krata::daemon
