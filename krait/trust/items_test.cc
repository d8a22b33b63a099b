// The byte encoding: every item reads back, is refused with any byte changed in a way that breaks its form, and is on
// paper in tests/golden/trust.
#include "krait/trust/items.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/file.h"
#include "krait/trust/describe.h"
#include "krait/trust/network_test.h"

namespace krait::trust {
namespace {

constexpr const char* kGolden = "tests/golden/trust/vectors.txt";
constexpr const char* kCorpus = "tests/fuzz_corpus/trust";

std::string hex(BytesView bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

// One of each item, from keys that are numbers.
std::vector<std::pair<std::string, Bytes>> one_of_each() {
  Authors authors;
  Network network = authors.network();
  HostBinding gateway = *network.hosts_book.find("gate1");
  const Joined joined = authors.joined(host("web9", "web", 20), authors.grant());
  network.joined.emplace("web9", joined);
  const Bytes* pair = network.policy_book.rows().at("db").find(pair_place("office"));
  const auto state =
      state_for(network, "db1", 0, {{.host = "web1", .endpoint = common::Endpoint{ip("192.0.2.1"), 51820}}});
  const auto change = sign(KeyChange{.network = authors.list().network,
                                     .host = "web1",
                                     .serial = 1,
                                     .key = wireguard_key(7),
                                     .next_key = wireguard_key(8)},
                           key_of(11));
  Anchor anchor{.list = network.lists[0], .hosts_revision = 2, .hosts_root = network.hosts_book.root()};
  anchor.key_serials[key_of(11).verify_key()] = 3;
  return {{"host binding", encode(gateway)},
          {"rules of a pair", *pair},
          {"identity", *network.policy_book.tree().find(identity_place("db"))},
          {"settings", encode(Settings{.lease_s = 86400})},
          {"administrators", encode(network.lists[0])},
          {"hosts statement", encode(network.hosts)},
          {"policy statement", encode(network.policy)},
          {"grant", encode(joined.grant)},
          {"joined host", encode(joined.host)},
          {"key change", encode(change)},
          {"anchor", encode_anchor(anchor)},
          {"state", encode_state(*state)},
          {"book of hosts", network.hosts_book.save()},
          {"book of rules", network.policy_book.save()},
          {"settings with preshared keys", encode(Settings{.lease_s = 86400, .preshared_keys = true})}};
}

// The readers go by the place in one_of_each(); settings have two encodings.
std::size_t reader_of(std::size_t which) { return which == 14 ? 3 : which; }

// Whether some reader takes them; and what it writes of what it read.
std::optional<Bytes> written_again(std::size_t which, BytesView bytes) {
  const auto through = [&](auto parsed, auto write) -> std::optional<Bytes> {
    return parsed ? std::optional<Bytes>(write(*parsed)) : std::nullopt;
  };
  const auto with_encode = [](const auto& value) { return encode(value); };
  switch (reader_of(which)) {
    case 0:
      return through(parse_host_binding(bytes), with_encode);
    case 1:
      return through(parse_pair_rules(bytes), with_encode);
    case 2:
      return through(parse_identity_item(bytes), with_encode);
    case 3:
      return through(parse_settings(bytes), with_encode);
    case 4:
      return through(parse_admin_list(bytes), with_encode);
    case 5:
      return through(parse_hosts_statement(bytes), with_encode);
    case 6:
      return through(parse_policy_statement(bytes), with_encode);
    case 7:
      return through(parse_grant(bytes), with_encode);
    case 8:
      return through(parse_joined_host(bytes), with_encode);
    case 9:
      return through(parse_key_change(bytes), with_encode);
    case 10:
      return through(parse_anchor(bytes), [](const Anchor& anchor) { return encode_anchor(anchor); });
    case 11:
      return through(parse_state(bytes), [](const State& state) { return encode_state(state); });
    case 12:
      return through(HostsBook::load(bytes), [](const HostsBook& book) { return book.save(); });
    default:
      return through(PolicyBook::load(bytes), [](const PolicyBook& book) { return book.save(); });
  }
}

TEST(ItemsTest, AreOnPaper) {
  std::string text = "# Encodings of docs/signed_state.md, made by krait/trust/items_test.cc with KRAIT_GOLDEN=write\n";
  const auto items = one_of_each();
  for (const auto& [name, bytes] : items) {
    text += fmt::format("{}: {}\n", name, hex(bytes));
  }
  if (std::getenv("KRAIT_GOLDEN") != nullptr) {
    std::filesystem::create_directories(std::filesystem::path(kGolden).parent_path());
    std::filesystem::create_directories(kCorpus);
    ASSERT_TRUE(common::write_file(kGolden, text, 0644));
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::string seed(1, static_cast<char>(reader_of(i)));
      seed.append(items[i].second.begin(), items[i].second.end());
      std::string file = items[i].first;
      std::ranges::replace(file, ' ', '_');
      ASSERT_TRUE(common::write_file(fmt::format("{}/{}", kCorpus, file), seed, 0644));
    }
  }
  const auto golden = common::read_file(kGolden, 1U << 20U);
  ASSERT_TRUE(golden) << golden.error().text();
  EXPECT_EQ(*golden, text) << "run this test with KRAIT_GOLDEN=write, and see whether an older krait still reads it";
}

TEST(ItemsTest, ReadBackAndHaveOneEncodingOnly) {
  const auto items = one_of_each();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& [name, bytes] = items[i];
    ASSERT_EQ(written_again(i, bytes), bytes) << name;
    const std::size_t stride = 1 + bytes.size() / 300;
    for (std::size_t size = 0; size < bytes.size(); size += stride) {
      ASSERT_FALSE(written_again(i, BytesView(bytes).first(size))) << name << " cut at " << size;
    }
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(written_again(i, longer)) << name;
    for (std::size_t at = 0; at < bytes.size(); at += stride) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << (at % 8)));
      const auto again = written_again(i, changed);
      ASSERT_TRUE(!again || *again == changed) << name << " at " << at;
    }
  }
}

// Hosts of a version that knows no preshared keys read on what they always have, and nothing else.
TEST(ItemsTest, SaySettingsAsBeforeWhereNobodyAsksForPresharedKeys) {
  EXPECT_EQ(encode(Settings{.lease_s = 7}), (Bytes{33, 0, 0, 0, 7}));
  EXPECT_EQ(encode(Settings{.lease_s = 7, .preshared_keys = true}), (Bytes{35, 0, 0, 0, 7}));
  const auto with = parse_settings(Bytes{35, 0, 0, 0, 0});
  ASSERT_TRUE(with) << with.error().text();
  EXPECT_EQ(*with, (Settings{.lease_s = 0, .preshared_keys = true}));
}

TEST(ItemsTest, SayWhatIsWrong) {
  const Bytes settings = encode(Settings{});
  Bytes newer = settings;
  newer[0] = 200;
  const auto refused = parse_settings(newer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("of a newer version of krait"), std::string::npos);
  HostBinding binding = host("web1", "web", 1);
  binding.name = "-";
  const auto bad_name = parse_host_binding(encode(binding));
  ASSERT_FALSE(bad_name);
  EXPECT_NE(bad_name.error().text().find("a name that is none"), std::string::npos);
  std::swap(binding.addresses[0], binding.addresses[1]);
  binding.name = "web1";
  const auto bad_order = parse_host_binding(encode(binding));
  ASSERT_FALSE(bad_order);
  EXPECT_NE(bad_order.error().text().find("out of order"), std::string::npos);
}

// A signature for one thing is none for another of the same bytes.
TEST(ItemsTest, SignForOnePurpose) {
  Authors authors;
  const HostsStatement hosts{.network = authors.list().network, .revision = 7, .policy_at_least = 3, .made_s = 5};
  const PolicyStatement policy{.network = hosts.network, .revision = 7, .hosts_at_least = 3, .made_s = 5};
  const auto for_hosts = sign(hosts, key_of(kAdmin));
  EXPECT_TRUE(is_genuine(for_hosts));
  EXPECT_FALSE(is_genuine(Signed<PolicyStatement>{policy, for_hosts.signer, for_hosts.signature}));
  EXPECT_TRUE(is_genuine(sign(policy, key_of(kAdmin))));
}

}  // namespace
}  // namespace krait::trust
