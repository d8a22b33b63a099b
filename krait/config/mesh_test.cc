#include <gtest/gtest.h>

#include <string>

#include "krait/config/load.h"

namespace krait::config {
namespace {

constexpr std::string_view kExample = R"([host]
name = "web1"
identity = "web"
addresses = ["10.90.0.1", "fd90::1"]
private_key_file = "/var/lib/krait/host.key"
listen_port = 51821
interface = "wg7"
policy = "/etc/krait/other.toml"
routes = [{ prefix = "10.30.0.0/16", identity = "lab" }]

[[peer]]
name = "db1"
identity = "db"
public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
endpoint = "192.0.2.2:51820"
addresses = ["10.90.0.2", "fd90::2"]
routes = [{ prefix = "10.20.0.0/16", identity = "office" }]

[[peer]]
name = "db2"
identity = "db"
public_key = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
addresses = ["10.90.0.3"]
)";

constexpr std::string_view kLeast =
    "[host]\nname = 'a'\nidentity = 'web'\naddresses = ['10.0.0.1']\nprivate_key_file = 'host.key'\n";

TEST(Mesh, IsReadWhole) {
  const auto mesh = parse_mesh(kExample, "krait.toml");
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_EQ(mesh->file, "krait.toml");
  const model::Host& host = mesh->host;
  EXPECT_EQ(host.name, "web1");
  EXPECT_EQ(host.identity.name, "web");
  EXPECT_EQ(host.identity.at.line, 3U);
  EXPECT_EQ(host.identity.at.column, 12U);
  ASSERT_EQ(host.addresses.size(), 2U);
  EXPECT_EQ(host.addresses[1].ip.text(), "fd90::1");
  EXPECT_EQ(host.addresses[1].at.column, 27U);
  EXPECT_EQ(host.private_key_file, "/var/lib/krait/host.key");
  EXPECT_EQ(host.listen_port, 51821);
  EXPECT_EQ(host.interface, "wg7");
  EXPECT_EQ(host.policy_file, "/etc/krait/other.toml");
  ASSERT_EQ(host.routes.size(), 1U);
  EXPECT_EQ(host.routes[0].identity.name, "lab");
  ASSERT_EQ(mesh->peers.size(), 2U);
  const model::Peer& peer = mesh->peers[0];
  EXPECT_EQ(peer.name, "db1");
  EXPECT_EQ(peer.public_key[0], 0xc5);
  EXPECT_EQ(peer.public_key[31], 0x38);
  ASSERT_TRUE(peer.endpoint);
  EXPECT_EQ(peer.endpoint->text(), "192.0.2.2:51820");
  EXPECT_EQ(peer.routes[0].prefix.text(), "10.20.0.0/16");
  EXPECT_EQ(peer.routes[0].at.line, 17U);
  EXPECT_EQ(peer.at.line, 11U);
  EXPECT_FALSE(mesh->peers[1].endpoint);
}

TEST(Mesh, TakesEndpointsByName) {
  const std::string text = std::string(kLeast) + R"([[peer]]
name = "db1"
identity = "db"
public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
endpoint = "db1.example.net:51820"
addresses = ["10.90.0.2"]
)";
  const auto mesh = parse_mesh(text, "krait.toml");
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_FALSE(mesh->peers[0].endpoint);
  EXPECT_EQ(mesh->peers[0].named_endpoint, (model::NamedEndpoint{"db1.example.net", 51820}));
}

TEST(Mesh, HasDefaults) {
  const auto mesh = parse_mesh(kLeast, "/etc/krait/krait.toml");
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_EQ(mesh->host.listen_port, 51820);
  EXPECT_EQ(mesh->host.interface, "wg0");
  EXPECT_EQ(mesh->host.policy_file, "/etc/krait/policy.toml");
  EXPECT_TRUE(mesh->peers.empty());
}

TEST(Mesh, TakesItsKeyFromACredential) {
  const auto mesh = parse_mesh(
      "[host]\nname = 'a'\nidentity = 'web'\naddresses = ['10.0.0.1']\nprivate_key_credential = 'host.key'\n", "k");
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_EQ(mesh->host.private_key_credential, "host.key");
  EXPECT_EQ(mesh->host.private_key_file, "");
}

TEST(Mesh, FindsRelativePathsBesideItself) {
  const std::string text = std::string(kLeast) + "policy = 'sub/policy.toml'\n";
  const auto elsewhere = parse_mesh(text, "some/where/krait.toml");
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->host.private_key_file, "some/where/host.key");
  EXPECT_EQ(elsewhere->host.policy_file, "some/where/sub/policy.toml");
  EXPECT_EQ(parse_mesh(text, "krait.toml")->host.private_key_file, "host.key");
  EXPECT_EQ(parse_mesh(text, "/krait.toml")->host.private_key_file, "/host.key");
  EXPECT_EQ(parse_mesh(kLeast, "some/where/krait.toml")->host.policy_file, "/etc/krait/policy.toml");
}

TEST(Mesh, MayRouteWhatIsBehindTheHostAroundEndpoints) {
  const auto mesh = parse_mesh(std::string(kLeast) +
                                   "routes = [{ prefix = '192.0.2.0/24', identity = 'lab' }]\n"
                                   "[[peer]]\nname = 'b'\nidentity = 'web'\naddresses = ['10.0.0.2']\n"
                                   "public_key = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='\n"
                                   "endpoint = '192.0.2.2:51820'\n",
                               "k");
  EXPECT_TRUE(mesh) << mesh.error().text();
}

TEST(Mesh, RefusesAnEndpointThatIsAnAddressOfTheMesh) {
  const auto mesh = parse_mesh(std::string(kLeast) +
                                   "[[peer]]\nname = 'b'\nidentity = 'web'\naddresses = ['10.0.0.2']\n"
                                   "public_key = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='\n"
                                   "endpoint = '10.0.0.2:51820'\n",
                               "k");
  ASSERT_FALSE(mesh);
  EXPECT_EQ(mesh.error().diagnostics()[0].line, 9U);
}

model::Policy policy_of(std::initializer_list<const char*> names) {
  model::Policy policy;
  policy.file = "policy.toml";
  for (const char* const name : names) {
    policy.identities.push_back({name, 1, {}});
  }
  return policy;
}

TEST(References, HoldWhereThePolicyKnowsAll) {
  EXPECT_TRUE(check_references(*parse_mesh(kExample, "k"), policy_of({"web", "db", "office", "lab"})));
}

TEST(References, NameWhatIsUnknown) {
  const auto checked = check_references(*parse_mesh(kExample, "k.toml"), policy_of({"webb", "lab"}));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().text(),
            "k.toml:3:12: unknown identity \"web\"; did you mean \"webb\"?\n"
            "k.toml:13:12: unknown identity \"db\"; add [[identity]] name = \"db\" to policy.toml\n"
            "k.toml:17:49: unknown identity \"office\"; add [[identity]] name = \"office\" to policy.toml\n"
            "k.toml:21:12: unknown identity \"db\"; add [[identity]] name = \"db\" to policy.toml");
}

TEST(Mesh, HasTheDefaultLimits) {
  const auto mesh = parse_mesh(kLeast, "krait.toml");
  ASSERT_TRUE(mesh) << mesh.error().text();
  EXPECT_EQ(mesh->limits, model::Limits{});
}

TEST(Mesh, ReadsEachLimitAtBothEndsOfItsRange) {
  for (const model::LimitKey& key : model::kLimitKeys) {
    for (const std::uint32_t number : {key.least, key.most}) {
      const auto mesh =
          parse_mesh(std::string(kLeast) + "[limits]\n" + std::string(key.name) + " = " + std::to_string(number), "k");
      ASSERT_TRUE(mesh) << mesh.error().text();
      model::Limits expected;
      expected.*key.value = number;
      EXPECT_EQ(mesh->limits, expected) << key.name;
    }
    for (const std::int64_t number : {std::int64_t{key.least} - 1, std::int64_t{key.most} + 1}) {
      EXPECT_FALSE(
          parse_mesh(std::string(kLeast) + "[limits]\n" + std::string(key.name) + " = " + std::to_string(number), "k"))
          << key.name;
    }
  }
}

}  // namespace
}  // namespace krait::config
