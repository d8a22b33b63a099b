#include "krata/cli/doctor.h"

#include <gtest/gtest.h>

namespace krata::cli {
namespace {

HostFacts well() {
  return {.runs_on_xen = true,
          .xen_version = "4.17",
          .has_xenfs = true,
          .is_domain_0 = true,
          .missing_devices = {},
          .store = "/run/krata-store/socket",
          .daemon_answers = true,
          .daemon_error = "",
          .kernels = 1,
          .has_group = true,
          .is_root = true};
}

std::string bad(const HostFacts& facts) {
  std::string text;
  for (const Finding& finding : check(facts)) {
    text += finding.is_good ? "" : finding.what + "; " + finding.hint + "\n";
  }
  return text;
}

TEST(Doctor, FindsNothingOnAGoodHost) { EXPECT_EQ(bad(well()), ""); }

TEST(Doctor, SaysWhatIsMissingAndWhatToDo) {
  HostFacts facts = well();
  facts.store.clear();
  EXPECT_EQ(bad(facts), "nobody serves xenstore; systemctl start krata-store\n");
  facts = well();
  facts.missing_devices = {"gntdev", "evtchn"};
  EXPECT_EQ(bad(facts), "/dev/xen lacks gntdev, evtchn; modprobe -a xen-privcmd xen-evtchn xen-gntdev\n");
  facts = well();
  facts.kernels = 0;
  EXPECT_EQ(
      bad(facts),
      "there is no kernel for zones; apt install linux-image-cloud-amd64, krata kernel add "
      "/boot/vmlinuz-*-cloud-amd64, and apt purge 'linux-image-*cloud-amd64', or GRUB may boot this host with it\n");
}

TEST(Doctor, LeavesOutWhatFollows) {
  EXPECT_EQ(bad({}),
            "this host does not run on Xen; apt install --no-install-recommends xen-hypervisor-amd64 "
            "xen-hypervisor-common, and boot into it\n");
  HostFacts facts = well();
  facts.is_domain_0 = false;
  facts.store.clear();
  EXPECT_EQ(bad(facts), "it is no domain 0, but a guest itself; zones run in domain 0 alone\n");
}

TEST(Doctor, SaysWhoServesXenstore) {
  HostFacts facts = well();
  facts.store = "/run/xenstored/socket";
  bool is_told = false;
  for (const Finding& finding : check(facts)) {
    is_told = is_told || finding.what == "xenstore: another xenstored, which krata uses at /run/xenstored/socket";
  }
  EXPECT_TRUE(is_told);
}

}  // namespace
}  // namespace krata::cli
