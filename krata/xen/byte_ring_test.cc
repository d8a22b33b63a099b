#include "krata/xen/byte_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "krata/xen/types.h"

namespace krata::xen {

namespace {

struct Page {
  alignas(8) std::array<std::byte, kPageBytes> bytes{};
  void put_word(std::size_t offset, std::uint32_t word) { std::memcpy(bytes.data() + offset, &word, sizeof(word)); }
  [[nodiscard]] std::uint32_t word(std::size_t offset) const {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + offset, sizeof(word));
    return word;
  }
};

// Where xen/io/xs_wire.h has the indices: behind two rings of 1,024 bytes.
constexpr std::size_t kRequestConsumer = 2048;
constexpr std::size_t kRequestProducer = 2052;
constexpr std::size_t kAnswerConsumer = 2056;
constexpr std::size_t kAnswerProducer = 2060;
// And xen/io/console.h: behind 1,024 bytes to the zone and 2,048 from it.
constexpr std::size_t kConsoleOutProducer = 3084;

}  // namespace

TEST(ByteRing, LiesWhereTheProtocolSays) {
  Page page;
  auto back = ByteRing::store(page.bytes);
  std::memcpy(page.bytes.data(), "ask", 3);
  page.put_word(kRequestProducer, 3);
  std::string got;
  EXPECT_EQ(back.read(got, 100), 3U);
  EXPECT_EQ(got, "ask");
  EXPECT_EQ(page.word(kRequestConsumer), 3U);
  EXPECT_EQ(back.write("answer"), 6U);
  EXPECT_EQ(std::memcmp(page.bytes.data() + 1024, "answer", 6), 0);
  EXPECT_EQ(page.word(kAnswerProducer), 6U);
  EXPECT_EQ(back.untaken(), 6U);

  Page console;
  std::memcpy(console.bytes.data() + 1024, "hello", 5);
  console.put_word(kConsoleOutProducer, 5);
  got.clear();
  EXPECT_EQ(ByteRing::console(console.bytes).read(got, 100), 5U);
  EXPECT_EQ(got, "hello");
}

TEST(ByteRing, CarriesBytesOverItsEndAndOverThatOfItsIndices) {
  Page page;
  for (const std::size_t at : {kRequestConsumer, kRequestProducer, kAnswerConsumer, kAnswerProducer}) {
    page.put_word(at, 0xffff'ff00U);
  }
  auto front = ByteRing::store_front(page.bytes);
  auto back = ByteRing::store(page.bytes);
  std::mt19937 random(1);
  std::string sent;
  std::string got;
  while (sent.size() < 100'000) {
    std::string piece(random() % 1500, static_cast<char>(random()));
    sent += piece.substr(0, front.write(piece).value());
    ASSERT_TRUE(back.read(got, random() % 1500));
  }
  ASSERT_TRUE(back.read(got, kPageBytes));
  EXPECT_EQ(got, sent);
}

TEST(ByteRing, TakesNoMoreThanItHolds) {
  Page page;
  auto back = ByteRing::store(page.bytes);
  EXPECT_EQ(back.write(std::string(3000, 'x')), 1024U);
  EXPECT_EQ(back.write("x"), 0U);
}

TEST(ByteRing, AnIndexOutOfBoundsBreaksIt) {
  for (const std::uint32_t producer : {1025U, 0x8000'0000U, 0xffff'ffffU}) {
    Page page;
    page.put_word(kRequestProducer, producer);
    std::string got;
    EXPECT_EQ(ByteRing::store(page.bytes).read(got, 10), std::nullopt) << producer;
    EXPECT_TRUE(got.empty());
  }
  for (const std::uint32_t consumer : {1U, 0x8000'0000U}) {
    Page page;
    page.put_word(kAnswerConsumer, consumer);
    EXPECT_EQ(ByteRing::store(page.bytes).write("x"), std::nullopt) << consumer;
    EXPECT_EQ(ByteRing::store(page.bytes).untaken(), std::nullopt);
  }
}

TEST(ByteRing, OwnIndicesAreTheCallersWhateverThePageSays) {
  Page page;
  auto front = ByteRing::store_front(page.bytes);
  auto back = ByteRing::store(page.bytes);
  front.write("abcdef");
  page.put_word(kRequestConsumer, 77);  // the other end wrote over this end's index
  std::string got;
  EXPECT_EQ(back.read_at(2, got, 3), 3U);
  EXPECT_EQ(got, "cde");
  EXPECT_TRUE(back.take_up_to(5));
  EXPECT_FALSE(back.take_up_to(5));
  EXPECT_EQ(page.word(kRequestConsumer), 5U);
}

}  // namespace krata::xen
