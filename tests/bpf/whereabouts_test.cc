// Where packets go that were judged, and where those came from that leave by the tunnel.
#include <map>
#include <random>

#include "tests/bpf/whereabouts.h"

namespace krait::bpf_test {
namespace {

// Routes as they come and go while packets are on their way.
struct Weather {
  const char* name;
  const char* begins;
  const char* ends;
  bool part_on_wan = false;    // of the office
  bool branch_on_lan = false;  // a part of it
};
constexpr Weather kWeathers[] = {
    {"fair", "", ""},
    {"the LAN's routes are gone", "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"},
    {"and a default route is there",
     "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n"
     "route add default dev wan\nroute add ::/0 dev wan\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"
     "route del default dev wan\nroute del ::/0 dev wan\n"},
    {"and a wider route leads through the tunnel",
     "route del 10.20.0.0/16 dev lan\nroute del fd20::/32 dev lan\n"
     "route add 10.0.0.0/8 dev tunnel\nroute add fd00::/8 dev tunnel\n",
     "route add 10.20.0.0/16 dev lan src 10.20.0.1\nroute add fd20::/32 dev lan\n"
     "route del 10.0.0.0/8 dev tunnel\nroute del fd00::/8 dev tunnel\n"},
    {"a part of the LAN lies on the WAN", "route add 10.20.7.0/24 dev wan\nroute add fd20:0:7::/48 dev wan\n",
     "route del 10.20.7.0/24 dev wan\nroute del fd20:0:7::/48 dev wan\n", true},
    {"a part of the LAN is refused", "route add blackhole 10.20.7.0/24\nroute add prohibit fd20:0:7::/48\n",
     "route del blackhole 10.20.7.0/24\nroute del prohibit fd20:0:7::/48\n"},
    {"the host has more addresses", "addr add 10.20.7.7/32 dev lo\naddr add fd20:0:7::7/128 dev lo nodad\n",
     "addr del 10.20.7.7/32 dev lo\naddr del fd20:0:7::7/128 dev lo\n"},
    {"a peer's network is on the LAN", "route add 10.50.7.0/24 dev lan\nroute add fd50:0:7::/48 dev lan\n",
     "route del 10.50.7.0/24 dev lan\nroute del fd50:0:7::/48 dev lan\n", false, true},
};

class Traveller {
 public:
  explicit Traveller(std::uint64_t seed) : random_(seed) {}

  Where start() {
    const std::uint64_t kind = random_() % 10;
    return kind < 5 ? Where::tunnel : kind < 7 ? Where::lan : kind < 9 ? Where::wan : Where::socket;
  }
  // Source and destination, of one family.
  std::pair<const char*, const char*> ends() {
    static constexpr const char* kV4[] = {"10.90.0.1",  "10.90.0.2", "10.90.0.3", "10.90.0.255",   "10.20.0.1",
                                          "10.20.0.77", "10.20.0.0", "10.20.7.7", "10.20.255.255", "10.40.0.1",
                                          "10.40.0.9",  "10.50.0.5", "10.50.7.5", "10.90.0.9",     "10.40.255.255"};
    static constexpr const char* kV6[] = {"fd90::3", "fd90::2",  "fd8f::2", "fd90::",      "fd20::1",
                                          "fd20::",  "fd20::77", "fd40::",  "fd20:0:7::7", "fd40::1",
                                          "fd40::9", "fd50::5",  "fd90::9", "fd50:0:7::5", "fd20:0:7::8"};
    const auto& all = random_() % 2 == 0 ? kV4 : kV6;
    return {all[random_() % std::size(all)], all[random_() % std::size(all)]};
  }

 private:
  std::mt19937_64 random_;
};

// Where the office's host is.
Where office_of(const Weather& weather, std::string_view address) {
  const bool in_part = address.starts_with("10.20.7.") || address.starts_with("fd20:0:7:");
  return weather.part_on_wan && in_part ? Where::wan : Where::lan;
}

// What was judged to come in has to turn up there and nowhere else.
void expect_arrival(const Weather& weather, const char* destination, const Fate& fate) {
  if (fate.in.reason != KRAIT_ALLOWED) {
    EXPECT_EQ(fate.seen, Seen{}) << "refused, but seen";
    return;
  }
  switch (fate.in.destination) {
    case kOffice:
      EXPECT_EQ(fate.seen, Seen{office_of(weather, destination)});
      break;
    case kDepot:
      EXPECT_EQ(fate.seen, Seen{Where::wan});
      break;
    case kSrv:
      EXPECT_TRUE(fate.seen == Seen{} || fate.seen == Seen{Where::socket});
      break;
    default:
      EXPECT_EQ(fate.seen, Seen{Where::tunnel});
      EXPECT_EQ(fate.out.source, fate.in.source);
      EXPECT_EQ(fate.out.destination, fate.in.destination);
      break;
  }
}

// What leaves the tunnel speaks as who sent it.
void expect_departure(const Weather& weather, Where from, const char* source, const Fate& fate) {
  if (!fate.seen.contains(Where::tunnel)) {
    EXPECT_NE(fate.out.reason, KRAIT_ALLOWED);
    return;
  }
  EXPECT_EQ(fate.out.reason, KRAIT_ALLOWED);
  if (fate.out.source == kOffice) {
    EXPECT_EQ(from, office_of(weather, source));
    return;
  }
  EXPECT_EQ(fate.out.source, from == Where::wan ? kDepot : kSrv);
}

// Whether a source is the host's or somebody's behind the tunnel, and does not come in where it could be.
bool is_outsider(const Weather& weather, Where from, std::string_view source) {
  static const std::set<std::string_view> kInside{"10.90.0.1", "10.90.0.2", "10.90.0.3", "10.50.0.5",
                                                  "fd90::3",   "fd90::2",   "fd8f::2",   "fd50::5"};
  const bool in_part = source == "10.50.7.5" || source == "fd50:0:7::5";
  return kInside.contains(source) || (in_part && !(weather.branch_on_lan && from == Where::lan));
}

// With the fence, whose addresses are behind the tunnel come in by it alone.
void expect_fenced(const Weather& weather, Where from, const char* source, const Fate& fate) {
  EXPECT_EQ(fate.in.reason == KRAIT_REASON_OUTSIDE_TUNNEL, is_outsider(weather, from, source));
  if (is_outsider(weather, from, source)) {
    EXPECT_EQ(fate.seen, Seen{});
  }
}

class Travels : public Whereabouts, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(WithAndWithoutTheFence, Travels, testing::Bool());

TEST_P(Travels, PacketsGoWhereTheyWereJudgedToGoAndComeFromThere) {
  const bool is_fenced = GetParam();
  set("ipv4/conf/all/rp_filter", 0);
  if (is_fenced) {
    ASSERT_NO_FATAL_FAILURE(fence());
  }
  Traveller traveller(1);
  std::map<std::uint32_t, int> arrived;
  std::map<std::uint32_t, int> departed;
  for (const Weather& weather : kWeathers) {
    ip(weather.begins);
    for (int i = 0; i < 200; ++i) {
      const Where from = traveller.start();
      const auto [source, destination] = traveller.ends();
      SCOPED_TRACE(std::string(weather.name) + ": " + source + " to " + destination + " from " +
                   std::to_string(static_cast<int>(from)));
      const Fate fate = from == Where::socket ? speak(i % 2 == 0 ? User::root : User::nobody, source, destination)
                                              : send(from, Packet(source, destination));
      from == Where::tunnel ? expect_arrival(weather, destination, fate)
                            : expect_departure(weather, from, source, fate);
      if (is_fenced && (from == Where::lan || from == Where::wan)) {
        expect_fenced(weather, from, source, fate);
      }
      arrived[fate.in.destination] += from == Where::tunnel && !fate.seen.empty() ? 1 : 0;
      departed[fate.out.source] += from != Where::tunnel && fate.seen.contains(Where::tunnel) ? 1 : 0;
      ASSERT_FALSE(HasFailure());
    }
    ip(weather.ends);
  }
  for (const std::uint32_t tag : {kSrv, kBob, kMallory, kOffice, kDepot, kBranch}) {
    EXPECT_GT(arrived[tag], 2) << tag;
  }
  for (const std::uint32_t tag : {kSrv, kOffice, kDepot}) {
    EXPECT_GT(departed[tag], 2) << tag;
  }
}

// What a neighbour on the LAN or the underlay sends with addresses of this host.
TEST_F(Whereabouts, NeighboursDoNotSpeakAsThisHost) {
  for (const Where from : {Where::lan, Where::wan}) {
    const Fate fate = send(from, Packet("fd90::3", "fd8f::2"));
    EXPECT_EQ(fate.out.reason, KRAIT_REASON_REVERSE_PATH);
    EXPECT_EQ(fate.seen, Seen{});
    // Of IPv4 the kernel itself takes no own sources, so that masquerading can be allowed.
    EXPECT_EQ(send(from, Packet("10.90.0.1", "10.90.0.3")).out.reason, std::nullopt);
    EXPECT_EQ(send(from, Packet("10.20.0.1", "10.90.0.3")).out.reason, std::nullopt);
  }
}

TEST_F(Whereabouts, NeighboursDoNotSpeakAsAnotherNetwork) {
  set("ipv4/conf/all/rp_filter", 0);
  for (const auto& [source, destination] : {Ends{"10.20.0.77", "10.90.0.2"}, Ends{"fd20::77", "fd90::2"}}) {
    const Fate fate = send(Where::wan, Packet(source, destination));
    EXPECT_EQ(fate.out.reason, KRAIT_REASON_REVERSE_PATH);
    EXPECT_EQ(fate.seen, Seen{});
    const Fate good = send(Where::lan, Packet(source, destination));
    EXPECT_EQ(good.out.source, kOffice);
    EXPECT_EQ(good.seen, Seen{Where::tunnel});
  }
}

// The host's addresses on the LAN, the LAN's broadcast and anycast addresses: mallory may reach office, not srv.
TEST_F(Whereabouts, NetworksAreNoWayToTheHostThatIsTheirGateway) {
  const Ends all[] = {{"10.90.0.3", "10.20.0.1"}, {"10.90.0.3", "10.20.255.255"}, {"10.90.0.3", "10.40.0.1"},
                      {"fd8f::2", "fd20::1"},     {"fd8f::2", "fd20::"},          {"fd8f::2", "fd40::1"}};
  policy({allow(kMallory, kOffice), allow(kMallory, kDepot)});
  for (const auto& [source, destination] : all) {
    const Fate fate = send(Where::tunnel, Packet(source, destination));
    EXPECT_EQ(fate.in.reason, KRAIT_REASON_NO_RULE) << destination;
    EXPECT_EQ(fate.seen, Seen{}) << destination;
  }
  EXPECT_EQ(send(Where::tunnel, Packet("10.90.0.3", "10.20.0.77")).seen, Seen{Where::lan});
  EXPECT_EQ(send(Where::tunnel, Packet("fd8f::2", "fd20::77")).seen, Seen{Where::lan});
  policy({allow(kMallory, kSrv)});
  for (const auto& [source, destination] : all) {
    EXPECT_EQ(send(Where::tunnel, Packet(source, destination)).seen, Seen{Where::socket}) << destination;
  }
}

TEST_F(Whereabouts, WithoutItsRouteANetworkIsNowhere) {
  const Ends all[] = {{"10.90.0.3", "10.20.0.77"}, {"fd8f::2", "fd20::77"}};
  policy({allow(kMallory, kOffice)});
  for (const std::size_t i : {2U, 3U}) {
    ip(kWeathers[i].begins);
    for (const auto& [source, destination] : all) {
      const Fate fate = send(Where::tunnel, Packet(source, destination));
      EXPECT_EQ(fate.in.reason, KRAIT_REASON_NOT_RELAYED) << kWeathers[i].name << ": " << destination;
      EXPECT_EQ(fate.seen, Seen{});
    }
    ip(kWeathers[i].ends);
  }
}

TEST_F(Whereabouts, LocalUsersHaveNoIdentityOfNetworksBehind) {
  policy({allow(kOffice, kBob)});
  for (const User user : {User::root, User::nobody}) {
    for (const auto& [source, destination] : {Ends{"10.20.0.1", "10.90.0.2"}, Ends{"fd20::1", "fd90::2"}}) {
      const Fate fate = speak(user, source, destination);
      EXPECT_EQ(fate.out.reason, KRAIT_REASON_NO_RULE) << "as the host, that is";
      EXPECT_EQ(fate.seen, Seen{});
    }
    const Fate nowhere = speak(user, "fd20::abcd", "fd90::2");
    EXPECT_EQ(nowhere.out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL);
    EXPECT_EQ(nowhere.seen, Seen{});
    EXPECT_EQ(speak(user, "fd8f::2", "fd90::2").out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL) << "a peer's";
  }
  EXPECT_EQ(speak(User::root, "10.20.0.200", "10.90.0.2").out.reason, KRAIT_REASON_SOURCE_NOT_LOCAL);
  policy({allow(kSrv, kBob)});
  EXPECT_EQ(speak(User::nobody, "10.20.0.1", "10.90.0.2").seen, Seen{Where::tunnel});
  EXPECT_EQ(speak(User::nobody, "fd20::1", "fd90::2").seen, Seen{Where::tunnel});
}

// A packet to this host that says to go on to the office: the kernel would do so where it is told to.
TEST_F(Whereabouts, SourceRoutesAreNotFollowed) {
  for (const char* name : {"all", "tunnel"}) {
    set("ipv4/conf/" + std::string(name) + "/accept_source_route", 1);
  }
  const packets::Bytes loose{std::byte{131}, std::byte{7}, std::byte{4},  std::byte{10},
                             std::byte{20},  std::byte{0}, std::byte{77}, std::byte{1}};
  const Fate fate = send(Where::tunnel, Packet("10.90.0.3", "10.90.0.1").options(loose));
  EXPECT_EQ(fate.in.reason, KRAIT_REASON_SOURCE_ROUTE);
  EXPECT_EQ(fate.seen, Seen{});
}

}  // namespace
}  // namespace krait::bpf_test
