#include "krata/xen/teller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace krata::xen {
namespace {

using common::Error;
using common::ErrorCode;
using common::Result;

Result<std::optional<DomainInfo>> some_domains(DomainId domain) {
  DomainInfo info;
  info.id = domain;
  switch (domain) {
    case 1:
      return std::optional(info);
    case 2:
      info.is_dying = true;
      return std::optional(info);
    case 3:
      info.shutdown = ShutdownReason::poweroff;
      return std::optional(info);
    case 4:
      return Error(ErrorCode::permission, "no");
    default:
      return std::optional<DomainInfo>();
  }
}

Teller::Parts parts() {
  return {.open = []() -> Result<Teller::Ask> { return Teller::Ask(some_domains); },
          .give_away = []() -> Result<void> { return {}; }};
}

TEST(Teller, TellsWhetherADomainRuns) {
  const auto teller = Teller::start(parts());
  ASSERT_TRUE(teller) << teller.error().text();
  EXPECT_EQ(teller->look(1).value(), Life::runs);
  EXPECT_EQ(teller->look(2).value(), Life::gone);
  EXPECT_EQ(teller->look(3).value(), Life::shut_down);
  EXPECT_EQ(teller->look(5).value(), Life::gone);
  EXPECT_EQ(teller->look(1).value(), Life::runs);
}

TEST(Teller, SaysWhyItCannotBegin) {
  Teller::Parts no_device = parts();
  no_device.open = []() -> Result<Teller::Ask> { return Error(ErrorCode::not_found, "no /dev/xen"); };
  const auto without_device = Teller::start(no_device);
  ASSERT_FALSE(without_device);
  EXPECT_EQ(without_device.error().code(), ErrorCode::not_found);
  EXPECT_EQ(without_device.error().text(), "no /dev/xen");
  Teller::Parts no_user = parts();
  no_user.give_away = []() -> Result<void> { return Error(ErrorCode::permission, "only root"); };
  const auto without_user = Teller::start(no_user);
  ASSERT_FALSE(without_user);
  EXPECT_EQ(without_user.error().text(), "only root");
}

TEST(Teller, NoAnswerIsAnErrorAndStaysOne) {
  const auto teller = Teller::start(parts());
  ASSERT_TRUE(teller);
  const auto refused = teller->look(4);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("the process that asks the hypervisor has ended"), std::string::npos);
  EXPECT_FALSE(teller->look(1));
}

// Else a store that is started again could not have what its former process had.
TEST(Teller, HoldsNothingOfItsParent) {
  const common::Fd file(::memfd_create("lock", MFD_CLOEXEC));
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  common::Fd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(again.get(), LOCK_EX), 0);
  ASSERT_NE(::flock(file.get(), LOCK_EX | LOCK_NB), 0);
  const auto teller = Teller::start(parts());
  ASSERT_TRUE(teller) << teller.error().text();
  again.reset();
  EXPECT_EQ(::flock(file.get(), LOCK_EX | LOCK_NB), 0);
}

}  // namespace
}  // namespace krata::xen
