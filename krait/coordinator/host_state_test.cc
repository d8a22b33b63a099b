#include "krait/coordinator/host_state.h"

#include <gtest/gtest.h>

namespace krait::coordinator {
namespace {

using common::Json;

TEST(HostState, IsSaidAsItIs) {
  EXPECT_EQ(state_text({{"online", false}, {"enforced", nullptr}}), "offline");
  EXPECT_EQ(state_text({{"online", true}, {"enforced", 9}, {"sent", 9}, {"failure", nullptr}}),
            "online, enforces revision 9");
  EXPECT_EQ(state_text({{"online", true}, {"enforced", 8}, {"sent", 9}, {"failure", "no agent"}}),
            "online, does not enforce revision 9: no agent");
}

// One that has only just called: no revision 0.
TEST(HostState, IsNotKnownBeforeTheHostHasSaidIt) {
  const Json host{{"online", true}, {"enforced", nullptr}, {"sent", nullptr}, {"failure", nullptr}};
  EXPECT_EQ(state_text(host), "online, has not said yet what it enforces");
  Json failing = host;
  failing["failure"] = "no agent";
  EXPECT_EQ(state_text(failing), "online, does not enforce what it has: no agent");
}

TEST(HostState, NamesBothMachinesThatHaveItsKey) {
  EXPECT_EQ(state_text({{"online", true}, {"enforced", 9}, {"copied", "192.0.2.1 and 192.0.2.9"}}),
            "online, enforces revision 9; two machines have its key: 192.0.2.1 and 192.0.2.9");
}

TEST(HostState, SaysWhoTakesPart) {
  EXPECT_TRUE(takes_part({{"left", false}, {"waits_for_approval", false}}));
  EXPECT_FALSE(takes_part({{"left", true}, {"waits_for_approval", false}}));
  EXPECT_FALSE(takes_part({{"left", false}, {"waits_for_approval", true}}));
  EXPECT_EQ(state_text({{"left", true}, {"online", true}}), "has left; strike it off with host remove");
  EXPECT_EQ(state_text({{"waits_for_approval", true}, {"online", true}}), "waits for host approve");
}

}  // namespace
}  // namespace krait::coordinator
