// Names, platforms, manifests, credentials, paths: what needs no archive. Whole images: tests/images.
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "krata/image/auth.h"
#include "krata/image/layer.h"
#include "krata/image/limits.h"
#include "krata/image/manifest.h"
#include "krata/image/reference.h"
#include "krata/image/squashfs.h"
#include "krata/image/walk.h"

namespace krata::image {

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string error_of(std::string_view text) {
  const auto name = parse_source(text, "");
  return name ? "none" : name.error().text();
}

std::string full(std::string_view text, std::string_view registry = "") {
  const auto reference = Reference::parse(text, registry);
  return reference ? reference->text() : reference.error().text();
}

TEST(ReferenceTest, TextIsReadInFull) {
  EXPECT_EQ(full("localhost:5000/a/b_c.d-e:T.1"), "localhost:5000/a/b_c.d-e:T.1");
  EXPECT_EQ(full("registry.example/a"), "registry.example/a:latest");
  EXPECT_EQ(full("Registry.Example/a@" + kDigest), "registry.example/a@" + kDigest);
  EXPECT_EQ(full("[::1]:5000/a:t@" + kDigest), "[::1]:5000/a:t@" + kDigest);
  EXPECT_EQ(full("a/b:t", "registry.example:1"), "registry.example:1/a/b:t");
  EXPECT_EQ(Reference::parse("[::1]:5000/a", "")->host_name(), "::1");
}

TEST(ReferenceTest, WhatIsNoReferenceIsRefusedWithItsReason) {
  EXPECT_NE(error_of("alpine").find("names no registry"), std::string::npos);
  EXPECT_NE(error_of("localhost/A").find("\"A\" is no repository"), std::string::npos);
  EXPECT_NE(error_of("localhost/a/../b").find("no repository"), std::string::npos);
  EXPECT_NE(error_of("localhost/a__-b").find("no repository"), std::string::npos);
  EXPECT_NE(error_of("localhost/a:" + std::string(129, 't')).find("is no tag"), std::string::npos);
  EXPECT_NE(error_of("localhost/a@sha256:12").find("is no digest"), std::string::npos);
  EXPECT_NE(error_of("localhost:99999/a").find("is no host"), std::string::npos);
  EXPECT_NE(error_of("user:word@localhost/a").find("is no host"), std::string::npos);
  EXPECT_NE(error_of("local.host\x1b/a").find("is no host"), std::string::npos);
  EXPECT_NE(error_of("oci:").find("write oci:DIR"), std::string::npos);
  EXPECT_NE(error_of("docker-archive:").find("write docker-archive:FILE"), std::string::npos);
}

TEST(ReferenceTest, LoopbackIsWhatNobodyElseHears) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.8.7", "::1"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
  }
  for (const char* host : {"localhost.example", "128.0.0.1", "0.0.0.0", "::2", "127.0.0.1.example", "2130706433"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(PlatformTest, TheFittestIsTaken) {
  const auto pick = [](const char* wanted, std::vector<const char*> offered) {
    std::vector<Descriptor> all;
    for (const char* one : offered) {
      all.emplace_back().platform = *Platform::parse(one);
    }
    const auto chosen = choose(all, *Platform::parse(wanted));
    return chosen ? chosen->platform->text() : "none";
  };
  EXPECT_EQ(pick("linux/amd64", {"linux/arm64", "linux/amd64/v3", "linux/amd64"}), "linux/amd64");
  EXPECT_EQ(pick("linux/amd64", {"linux/amd64/v3"}), "none");
  EXPECT_EQ(pick("linux/aarch64", {"linux/arm64/v8"}), "linux/arm64/v8");
  EXPECT_EQ(pick("linux/arm", {"linux/arm/v5", "linux/arm/v7", "linux/arm/v6"}), "linux/arm/v7");
  EXPECT_EQ(pick("linux/arm", {"linux/arm/v6"}), "linux/arm/v6");
  EXPECT_EQ(pick("linux/arm/v7", {"linux/arm/v6"}), "none");
  EXPECT_EQ(pick("linux/amd64", {"windows/amd64"}), "none");
}

TEST(AuthTest, ChallengesAreRead) {
  const auto bearer =
      parse_challenge("Bearer realm=\"https://a.example/t\",service=\"x, \\\"y\\\"\",scope=repository:a:pull");
  ASSERT_TRUE(bearer.has_value());
  EXPECT_TRUE(bearer->bearer);
  EXPECT_EQ(bearer->realm, "https://a.example/t");
  EXPECT_EQ(bearer->service, "x, \"y\"");
  EXPECT_EQ(bearer->scope, "repository:a:pull");
  EXPECT_FALSE(parse_challenge("bAsIc realm=x")->bearer);
  EXPECT_FALSE(parse_challenge("Bearer service=x").has_value());
  EXPECT_FALSE(parse_challenge("Negotiate").has_value());
}

TEST(AuthTest, TheLongestKeyHasTheCredentials) {
  const Reference reference = *Reference::parse("registry.example:5000/team/app:1", "");
  const auto user = [&](const std::string& auths) {
    const auto found = find_credentials(R"({"auths":{)" + auths + "}}", reference);
    return !found ? found.error().text() : *found ? (*found)->user + " " + (*found)->password : "none";
  };
  EXPECT_EQ(user(R"("registry.example:5000":{"auth":"YTpi"})"), "a b");
  EXPECT_EQ(user(R"("https://registry.example:5000/v1/":{"auth":"YTpi"})"), "a b");
  EXPECT_EQ(
      user(R"("registry.example:5000":{"auth":"YTpi"},"registry.example:5000/team":{"username":"c","password":"d"})"),
      "c d");
  EXPECT_EQ(user(R"("registry.example:5000/te":{"auth":"YTpi"},"registry.example":{"auth":"YTpi"})"), "none");
  EXPECT_EQ(user(R"("registry.example:5000":{"auth":"!!"})"),
            "the auth of registry.example:5000 is no base64 of USER:PASSWORD");
  EXPECT_EQ(basic_authorization({.user = "user", .password = "word", .identity_token = {}}), "Basic dXNlcjp3b3Jk");
}

TEST(WalkTest, PathsStayInTheTree) {
  const auto clean = [](const char* path) {
    const auto parts = clean_path(path);
    std::string text;
    for (const std::string& part : *parts) {
      text += "/" + part;
    }
    return text;
  };
  EXPECT_EQ(clean("../../a"), "/a");
  EXPECT_EQ(clean("/a/./b//../c/"), "/a/c");
  EXPECT_EQ(clean(".."), "");
}

// Each node has what its names say, whatever was put over what.
TEST(TreeTest, RemovedNodesAreUsedAgain) {
  Tree tree;
  LayerApplier layer(tree, 1);
  const auto entry = [](EntryType type, std::string path, std::string link = {}) {
    Entry made;
    made.type = type;
    made.path = std::move(path);
    made.link = std::move(link);
    return made;
  };
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(layer.apply(entry(EntryType::directory, "d"), {}));
    ASSERT_TRUE(layer.apply(entry(EntryType::file, "d/a"), {}));
    ASSERT_TRUE(layer.apply(entry(EntryType::hard_link, "d/b", "d/a"), {}));
    EXPECT_EQ(tree.at(tree.find(tree.find(kRoot, "d")->id, "b")->id).links, 2U);
    EXPECT_EQ(tree.size(), 3U);
    ASSERT_TRUE(layer.apply(entry(EntryType::file, "d"), {}));
    EXPECT_EQ(tree.size(), 2U);
  }
}

TEST(SquashfsTest, KnowsWhatItCannotHold) {
  const auto why = [](const Tree& tree) {
    const auto held = check_squashfs(tree);
    return held ? "" : held.error().text();
  };
  Tree tree;
  Node node;
  node.xattrs = std::make_shared<Xattrs>(Xattrs{{"user.a", "1"}, {"security.capability", "2"}});
  ASSERT_TRUE(tree.add(kRoot, "kept", std::move(node), 1));
  EXPECT_EQ(why(tree), "");
  Node owned;
  for (std::uint32_t i = 1; i < 65535; ++i) {  // with the root's they are 65535
    owned.uid = owned.gid = i;
    ASSERT_TRUE(tree.add(kRoot, std::to_string(i), std::move(owned), 1));
    owned = {};
  }
  EXPECT_EQ(why(tree), "");
  owned.gid = 65535;
  ASSERT_TRUE(tree.add(kRoot, "one", std::move(owned), 1));
  EXPECT_EQ(why(tree), "squashfs keeps at most 65535 different owners; erofs keeps more: --format erofs");
  Node listed;
  listed.xattrs = std::make_shared<Xattrs>(Xattrs{{"system.posix_acl_access", "1"}, {"user.a", "1"}});
  ASSERT_TRUE(tree.add(kRoot, "0", std::move(listed), 1));
  EXPECT_EQ(why(tree),
            "squashfs cannot keep the extended attribute \"system.posix_acl_access\"; erofs can: --format erofs");
}

TEST(TreeTest, WhatAWhiteoutAsksForIsBounded) {
  Tree tree;
  EXPECT_TRUE(tree.take_steps(limits::kSteps));
  const auto more = tree.take_steps(1);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code(), common::ErrorCode::limit);
}

}  // namespace

}  // namespace krata::image
