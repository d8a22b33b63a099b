// docs/drop_reasons.md is made from the list in reasons.h. KRAIT_GOLDEN=write writes it anew.
#include "krait/abi/reasons.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "common/file.h"

namespace {

constexpr const char* kPage = "docs/drop_reasons.md";

std::string page() {
  std::string text =
      "# Drop reasons\n\n"
      "Every dropped packet counts under exactly one reason, in `krait_drops_total{reason=...}`, in `krait status` and "
      "in\n"
      "`krait trace`. Two kinds count nowhere: what the guard drops while krait's programs are off the interface, and "
      "frames\n"
      "on other interfaces with more than four priority tags. This page is made from `krait/abi/reasons.h`.\n\n"
      "| reason | what it means |\n| --- | --- |\n";
#define KRAIT_ROW(name, label, meaning) text += "| `" label "` | " meaning " |\n";
  KRAIT_REASONS(KRAIT_ROW)
#undef KRAIT_ROW
  return text;
}

TEST(Reasons, ThePageIsMadeFromTheList) {
  if (std::getenv("KRAIT_GOLDEN") != nullptr) {
    ASSERT_TRUE(common::write_file(kPage, page(), 0644));
  }
  const auto written = common::read_file(kPage, 1U << 20U);
  ASSERT_TRUE(written) << written.error().text();
  EXPECT_EQ(*written, page()) << "run this test with KRAIT_GOLDEN=write";
}

TEST(Reasons, LabelsAreUnique) {
  std::multiset<std::string> labels;
#define KRAIT_LABEL(name, label, meaning) labels.insert(label);
  KRAIT_REASONS(KRAIT_LABEL)
#undef KRAIT_LABEL
  for (const std::string& label : labels) {
    EXPECT_EQ(labels.count(label), 1U) << label;
  }
}

}  // namespace
