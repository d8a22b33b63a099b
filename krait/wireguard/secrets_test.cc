// Looks through the process's own memory for a private key that was released. The test itself knows the key only
// masked, so that it does not find itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/netlink/socket.h"
#include "common/test_folder.h"
#include "krait/wireguard/wireguard.h"

namespace krait::wireguard {
namespace {

using netlink::Message;
using netlink::Socket;

constexpr std::uint8_t kMask = 0xa5;

// Bytes that are in no memory as they are.
class Masked {
 public:
  explicit Masked(std::span<const std::uint8_t> bytes) {
    std::ranges::transform(bytes, std::back_inserter(masked_), [](std::uint8_t byte) { return byte ^ kMask; });
  }
  [[nodiscard]] std::size_t size() const { return masked_.size(); }
  [[nodiscard]] bool are_in(std::span<const std::uint8_t> memory) const {
    const int first = masked_[0] ^ kMask;
    while (memory.size() >= masked_.size()) {
      const auto* at = static_cast<const std::uint8_t*>(std::memchr(memory.data(), first, memory.size()));
      if (at == nullptr) {
        return false;
      }
      memory = memory.subspan(static_cast<std::size_t>(at - memory.data()));
      if (begin(memory)) {
        return true;
      }
      memory = memory.subspan(1);
    }
    return false;
  }

 private:
  [[nodiscard]] bool begin(std::span<const std::uint8_t> memory) const {
    return memory.size() >= masked_.size() &&
           std::equal(masked_.begin(), masked_.end(), memory.begin(),
                      [](std::uint8_t masked, std::uint8_t byte) { return (byte ^ kMask) == masked; });
  }

  std::vector<std::uint8_t> masked_;
};

struct Secret {
  Masked raw;
  Masked text;  // base64
};

Secret masked(const PrivateKey& key) {
  std::array<char, 45> text{};
  sodium_bin2base64(text.data(), text.size(), key.bytes(), 32, sodium_base64_VARIANT_ORIGINAL);
  Secret secret{.raw = Masked({key.bytes(), 32}),
                .text = Masked({reinterpret_cast<const std::uint8_t*>(text.data()), 44})};
  sodium_memzero(text.data(), text.size());
  return secret;
}

constexpr std::uint64_t kMaxRegionBytes = std::uint64_t{1} << 30U;  // what is larger is a sanitizer's own

struct Region {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  std::string line;  // of /proc/self/maps
};

std::vector<Region> regions() {
  std::vector<Region> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Region region{.line = line};
    char rights[5] = "";
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &region.first, &region.end, rights) == 3 &&
        rights[0] == 'r' && region.end - region.first <= kMaxRegionBytes && line.find("[v") == std::string::npos) {
      found.push_back(region);
    }
  }
  return found;
}

// The regions that hold one of the two; "" when there is none. Looks at pages only that are in memory (proc(5),
// pagemap): a sanitizer reserves many times more.
std::string found_in(const Secret& secret) {
  constexpr std::uint64_t kPageBytes = 4096;
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63U;
  const common::Fd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  const common::Fd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(memory.valid() && pagemap.valid());
  std::string where;
  for (const Region& region : regions()) {
    std::vector<std::uint64_t> pages((region.end - region.first) / kPageBytes);
    const std::size_t bytes = pages.size() * sizeof(pages[0]);
    if (::pread(pagemap.get(), pages.data(), bytes, static_cast<off_t>(region.first / kPageBytes * sizeof(pages[0]))) !=
        static_cast<ssize_t>(bytes)) {
      continue;
    }
    // The end of the page before stays in front of each, for what lies across.
    std::vector<std::uint8_t> window(64 + kPageBytes);
    for (std::size_t page = 0; page < pages.size(); ++page) {
      const auto at = static_cast<off_t>(region.first + page * kPageBytes);
      std::copy(window.end() - 64, window.end(), window.begin());
      if ((pages[page] & kPresent) == 0 || ::pread(memory.get(), window.data() + 64, kPageBytes, at) <= 0) {
        std::ranges::fill(window, std::uint8_t{0});
        continue;
      }
      if (secret.raw.are_in(window) || secret.text.are_in(window)) {
        where += region.line + "\n";
        break;
      }
    }
    sodium_memzero(window.data(), window.size());
  }
  return where;
}

class SecretsTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.at("host.key"); }

  common::TestFolder folder_;
};

// The search finds what is there: else the other tests could not fail.
TEST_F(SecretsTest, ACopyThatIsLeftIsFound) {
  std::vector<std::uint8_t> copy;
  std::optional<Secret> secret;
  {
    const PrivateKey key = PrivateKey::generate();
    secret = masked(key);
    copy.assign(key.bytes(), key.bytes() + 32);
  }
  EXPECT_NE(found_in(*secret), "");
  sodium_memzero(copy.data(), copy.size());
  sodium_stackzero(8192);  // what copying it left there
  EXPECT_EQ(found_in(*secret), "");
}

TEST_F(SecretsTest, NothingIsLeftOfAKeyThatWasMadeSavedAndLoaded) {
  std::optional<Secret> secret;
  {
    const PrivateKey key = PrivateKey::generate();
    secret = masked(key);
    ASSERT_TRUE(key.save(path()));
  }
  EXPECT_EQ(found_in(*secret), "") << "after saving";
  {
    auto loaded = PrivateKey::load(path());
    ASSERT_TRUE(loaded) << loaded.error().text();
    std::optional<PrivateKey> moved = std::move(*loaded);
    EXPECT_NE(moved->public_key(), model::PublicKey{});
  }
  EXPECT_EQ(found_in(*secret), "") << "after loading";
}

TEST_F(SecretsTest, NothingIsLeftOfAKeyInAFileThatIsRefused) {
  std::optional<Secret> secret;
  {
    const PrivateKey key = PrivateKey::generate();
    secret = masked(key);
    ASSERT_TRUE(key.save(path()));
  }
  const common::Fd file(::open(path().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "x", 1), 1);
  EXPECT_FALSE(PrivateKey::load(path()));
  EXPECT_EQ(found_in(*secret), "");
}

// As Device::set_key sends it; here the kernel's generic netlink controller refuses it, so that no WireGuard is needed.
TEST_F(SecretsTest, NothingIsLeftOfAKeyThatWasSentToTheKernel) {
  std::optional<Secret> secret;
  {
    const PrivateKey key = PrivateKey::generate();
    secret = masked(key);
    auto socket = Socket::open(NETLINK_GENERIC);
    ASSERT_TRUE(socket) << socket.error().text();
    Message message(GENL_ID_CTRL, 0);
    message.put_header(genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
    message.put(WGDEVICE_A_PRIVATE_KEY, std::as_bytes(std::span(key.bytes(), 32)));
    EXPECT_FALSE(socket->request(message));
  }
  EXPECT_EQ(found_in(*secret), "");
}

}  // namespace
}  // namespace krait::wireguard
