#include "krata/daemon/known_images.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "common/test_folder.h"

namespace krata::daemon {
namespace {

class KnownImagesTest : public testing::Test {
 protected:
  KnownImagesTest() { known_.emplace(folder_.path()); }

  // As if the last change had been so long ago.
  void age(std::time_t seconds) {
    const utimbuf times{.actime = std::time(nullptr) - seconds, .modtime = std::time(nullptr) - seconds};
    ASSERT_EQ(::utime(folder_.path().c_str(), &times), 0);
  }

  common::TestFolder folder_;
  std::optional<KnownImages> known_;
};

TEST_F(KnownImagesTest, AreKnownUntilANameChanges) {
  age(100);
  known_->note("alpine:3", known_->stamp(), "sha256:1");
  EXPECT_EQ(known_->find("alpine:3"), "sha256:1");
  EXPECT_EQ(known_->find("alpine:4"), std::nullopt);
  known_->note("alpine:4", known_->stamp(), "sha256:2");
  EXPECT_EQ(known_->find("alpine:3"), "sha256:1");

  std::ofstream(folder_.at("new")) << "x";
  std::filesystem::rename(folder_.at("new"), folder_.at("name.json"));
  EXPECT_EQ(known_->find("alpine:3"), std::nullopt) << "at once";
  age(50);
  EXPECT_EQ(known_->find("alpine:3"), std::nullopt) << "and when it has settled";
  known_->note("alpine:4", known_->stamp(), "sha256:3");
  EXPECT_EQ(known_->find("alpine:3"), std::nullopt) << "what was known goes with it";
  EXPECT_EQ(known_->find("alpine:4"), "sha256:3");
}

TEST_F(KnownImagesTest, OfAFolderThatIsChangingNothingIsKnown) {
  EXPECT_EQ(known_->stamp(), std::nullopt);
  known_->note("alpine:3", known_->stamp(), "sha256:1");
  age(100);
  EXPECT_EQ(known_->find("alpine:3"), std::nullopt);
  const auto before = known_->stamp();
  age(50);
  known_->note("alpine:3", before, "sha256:1");
  EXPECT_EQ(known_->find("alpine:3"), std::nullopt) << "it changed while the image was looked for";
  EXPECT_EQ(KnownImages("/nowhere").stamp(), std::nullopt);
}

}  // namespace
}  // namespace krata::daemon
