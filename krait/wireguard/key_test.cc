#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "common/test_folder.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {
namespace {

// RFC 7748 6.1, Alice's key pair.
constexpr const char* kPrivate = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
constexpr const char* kPublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

class KeyFile : public testing::Test {
 protected:
  std::string write(const std::string& text, unsigned mode = 0600) {
    const std::string path = folder_.at("host.key");
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  // Why the file is refused; empty when it is not.
  std::string refusal(const std::string& text, unsigned mode = 0600) {
    const auto key = PrivateKey::load(write(text, mode));
    return key ? "" : key.error().text();
  }

  common::TestFolder folder_;
};

TEST_F(KeyFile, GivesThePublicKeyOfRfc7748) {
  const auto key = PrivateKey::load(write(std::string(kPrivate) + "\n"));
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_EQ(model::key_text(key->public_key()), kPublic);
}

TEST_F(KeyFile, TakesNothingButAKeyAndWhiteSpace) {
  EXPECT_EQ(refusal(kPrivate), "");
  EXPECT_EQ(refusal(std::string(kPrivate) + " \t\r\n\n"), "");
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string(kPrivate, 43), std::string(kPrivate) + "A",
        " " + std::string(kPrivate), std::string(kPrivate) + "\n" + kPrivate, std::string(44, 'A'),
        std::string("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp="),  // bits behind the last byte
        std::string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), std::string(kPrivate) + std::string(4096, ' ')}) {
    EXPECT_NE(refusal(text).find("holds no private key"), std::string::npos) << text;
  }
}

TEST_F(KeyFile, NeverShowsTheKeyInAMessage) {
  EXPECT_EQ(refusal(std::string(kPrivate) + "x").find("dwdt"), std::string::npos);
}

TEST_F(KeyFile, RefusesAFileThatOthersMayAccess) {
  for (const unsigned mode : {0640U, 0604U, 0620U, 0601U}) {
    EXPECT_NE(refusal(kPrivate, mode).find("chmod 600"), std::string::npos);
  }
  EXPECT_EQ(refusal(kPrivate, 0400), "");
}

// systemd gives a service's user access by a list, which a mode shows as rights of the group.
TEST_F(KeyFile, TakesACredentialWhateverItsMode) {
  write(kPrivate, 0440);
  ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", folder_.path().c_str(), 1), 0);
  const auto key = PrivateKey::load_credential("host.key");
  const auto missing = PrivateKey::load_credential("other");
  ASSERT_EQ(::unsetenv("CREDENTIALS_DIRECTORY"), 0);
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_EQ(model::key_text(key->public_key()), kPublic);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), common::ErrorCode::not_found);
}

TEST_F(KeyFile, HasNoCredentialWithoutAServiceManager) {
  const auto key = PrivateKey::load_credential("host.key");
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().text().find("LoadCredential=host.key"), std::string::npos);
}

TEST_F(KeyFile, OfRootBelongsToTheOwnerOfItsFolder) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root gives files away";
  }
  constexpr uid_t kSomebody = 4711;
  ASSERT_EQ(::chown(folder_.path().c_str(), kSomebody, kSomebody), 0);
  const std::string path = folder_.at("new.key");
  ASSERT_TRUE(PrivateKey::generate().save(path));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kSomebody);
  EXPECT_EQ(info.st_gid, kSomebody);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(KeyFile, RefusesWhatIsNoRegularFile) {
  const std::string pipe = folder_.at("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto from_pipe = PrivateKey::load(pipe);
  ASSERT_FALSE(from_pipe);
  EXPECT_EQ(from_pipe.error().code(), common::ErrorCode::invalid_input);
  const auto missing = PrivateKey::load(folder_.at("none"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), common::ErrorCode::not_found);
}

TEST_F(KeyFile, SavesOnceWithMode0600) {
  const PrivateKey key = PrivateKey::generate();
  const std::string path = folder_.at("new.key");
  ASSERT_TRUE(key.save(path));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const auto again = PrivateKey::load(path);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->public_key(), key.public_key());

  const auto refused = PrivateKey::generate().save(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), common::ErrorCode::invalid_input);
  EXPECT_EQ(PrivateKey::load(path)->public_key(), key.public_key());
}

TEST(PrivateKey, IsClampedAndDiffersEachTime) {
  const PrivateKey one = PrivateKey::generate();
  const PrivateKey two = PrivateKey::generate();
  EXPECT_NE(one.public_key(), two.public_key());
  EXPECT_EQ(one.bytes()[0] & 7U, 0U);
  EXPECT_EQ(one.bytes()[31] & 192U, 64U);
}

TEST(PrivateKey, LeavesNothingBehindWhenMoved) {
  PrivateKey from = PrivateKey::generate();
  const auto public_key = from.public_key();
  const PrivateKey to = std::move(from);
  EXPECT_EQ(to.public_key(), public_key);
  EXPECT_TRUE(std::all_of(from.bytes(), from.bytes() + 32, [](std::uint8_t byte) { return byte == 0; }));
}

}  // namespace
}  // namespace krait::wireguard
