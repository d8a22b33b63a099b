#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "krata/cli/doctor.h"

namespace krata::cli {

namespace {

class Findings {
 public:
  // Gives whether it holds.
  bool add(bool is_good, std::string what_if_good, std::string what_if_bad, std::string hint) {
    list_.push_back({.is_good = is_good,
                     .what = is_good ? std::move(what_if_good) : std::move(what_if_bad),
                     .hint = is_good ? "" : std::move(hint)});
    return is_good;
  }
  std::vector<Finding> take() { return std::move(list_); }

 private:
  std::vector<Finding> list_;
};

void check_store(const HostFacts& facts, Findings& findings) {
  if (!facts.is_root) {
    return;  // the sockets are root's
  }
  const std::string who =
      facts.store.starts_with("/run/krata-store") ? "krata-store" : "another xenstored, which krata uses";
  findings.add(!facts.store.empty(), fmt::format("xenstore: {} at {}", who, facts.store), "nobody serves xenstore",
               "systemctl start krata-store");
}

void check_daemon(const HostFacts& facts, Findings& findings) {
  findings.add(facts.daemon_answers, "kratad answers", "kratad does not answer: " + facts.daemon_error,
               "see journalctl -u kratad");
  findings.add(facts.has_group, "the group krata is there",
               "there is no group krata, so that only root may launch zones",
               "groupadd --system krata, and systemctl restart kratad");
  if (facts.kernels) {
    findings.add(*facts.kernels > 0, fmt::format("{} kernels for zones", *facts.kernels),
                 "there is no kernel for zones",
                 "apt install linux-image-cloud-amd64, krata kernel add /boot/vmlinuz-*-cloud-amd64, and apt purge "
                 "'linux-image-*cloud-amd64', or GRUB may boot this host with it");
  }
}

}  // namespace

std::vector<Finding> check(const HostFacts& facts) {
  Findings findings;
  if (!findings.add(
          facts.runs_on_xen, "this host runs on Xen " + facts.xen_version, "this host does not run on Xen",
          "apt install --no-install-recommends xen-hypervisor-amd64 xen-hypervisor-common, and boot into it")) {
    return findings.take();
  }
  if (!findings.add(facts.has_xenfs, "/proc/xen is mounted", "/proc/xen is not mounted",
                    "modprobe xenfs, and mount -t xenfs xenfs /proc/xen") ||
      !findings.add(facts.is_domain_0, "it is domain 0", "it is no domain 0, but a guest itself",
                    "zones run in domain 0 alone")) {
    return findings.take();
  }
  findings.add(facts.missing_devices.empty(), "/dev/xen has all devices",
               fmt::format("/dev/xen lacks {}", fmt::join(facts.missing_devices, ", ")),
               "modprobe -a xen-privcmd xen-evtchn xen-gntdev");
  check_store(facts, findings);
  check_daemon(facts, findings);
  return findings.take();
}

}  // namespace krata::cli
