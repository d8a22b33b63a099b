#include "krait/coordinator/metrics.h"

#include <fmt/format.h>

#include <string_view>

namespace krait::coordinator {

namespace {

void add(std::string& text, std::string_view name, std::string_view kind, std::string_view help, std::uint64_t value) {
  text += fmt::format("# HELP krait_coordinator_{0} {1}\n# TYPE krait_coordinator_{0} {2}\nkrait_coordinator_{0} {3}\n",
                      name, help, kind, value);
}

}  // namespace

std::string metrics_text(const Service& service, std::uint64_t bad_handshakes, bool database_answers) {
  std::size_t behind = 0;
  std::size_t copied = 0;
  for (const auto& [number, host] : service.network().hosts()) {
    const HostState state = service.state_of(host);
    behind += state.online && state.enforced < state.sent ? 1 : 0;
    copied += state.copied ? 1 : 0;
  }
  const Counters& counters = service.counters();
  std::string text;
  add(text, "revision", "gauge", "The network's revision.", service.revision());
  add(text, "database_answers", "gauge", "1: the database answered when it was last asked.", database_answers ? 1 : 0);
  add(text, "hosts", "gauge", "Hosts of the network.", service.network().hosts().size());
  add(text, "hosts_online", "gauge", "Hosts that are connected here.", service.online());
  add(text, "hosts_behind", "gauge", "Hosts online that do not enforce what they were sent last.", behind);
  add(text, "hosts_copied", "gauge", "Hosts with whose key two machines call here.", copied);
  add(text, "commits_total", "counter", "Revisions made here.", counters.commits);
  add(text, "joins_total", "counter", "Hosts that joined here.", counters.joins);
  add(text, "refusals_total", "counter", "Requests of hosts that were refused.", counters.refusals);
  add(text, "bad_handshakes_total", "counter", "Connections that ended before they had shown a key.", bad_handshakes);
  add(text, "states_sent_total", "counter", "States sent to hosts, whole ones and differences.", counters.states_sent);
  add(text, "snapshots_sent_total", "counter", "Whole states sent to hosts.", counters.snapshots_sent);
  add(text, "state_bytes_total", "counter", "Bytes of states sent to hosts.", counters.state_bytes);
  return text;
}

}  // namespace krait::coordinator
