// For tests that change a link: a veth in a network namespace of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "common/netlink/links.h"
#include "tests/own_namespaces.h"

namespace krait {

// The link is down and has no addresses. Needs root, as OwnNamespaces does.
class OwnVeth : public OwnNamespaces {
 public:
  static constexpr const char* kInterface = "kraittest0";
  static constexpr std::uint32_t kGroup = 0x6b726169;  // of the links that krait makes

 protected:
  void SetUp() override {
    OwnNamespaces::SetUp();
    if (is_unprepared()) {
      return;
    }
    auto links = netlink::Links::open();
    ASSERT_TRUE(links) << links.error().text();
    links_.emplace(std::move(*links));
    const auto added = links_->add(kInterface, "veth", kGroup);
    ASSERT_TRUE(added) << added.error().text();
  }

  netlink::Link link() {
    const auto found = links_->find(kInterface);
    EXPECT_TRUE(found) << found.error().text();
    return found ? *found : netlink::Link{};
  }

  std::optional<netlink::Links> links_;
};

}  // namespace krait
