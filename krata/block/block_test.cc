#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "krata/block/disk.h"
#include "krata/block/file_medium.h"
#include "krata/block/handshake.h"

namespace krata::block {
namespace {

constexpr std::uint64_t kSectors = 1000;

template <typename... Spans>
std::array<std::span<std::byte>, sizeof...(Spans)> pieces_of(Spans... spans) {
  return {std::span<std::byte>(spans)...};
}

class MemoryMedium : public Medium {
 public:
  [[nodiscard]] std::uint64_t sectors() const override { return kSectors; }
  [[nodiscard]] bool read_only() const override { return is_read_only; }
  bool read(std::uint64_t sector, Pieces into) override {
    std::size_t at = sector * kSectorBytes;
    for (const auto& piece : into) {
      EXPECT_LE(at + piece.size(), bytes.size());
      std::memcpy(piece.data(), bytes.data() + at, piece.size());
      at += piece.size();
    }
    return !fails;
  }
  bool write(std::uint64_t sector, Pieces from) override {
    std::size_t at = sector * kSectorBytes;
    for (const auto& piece : from) {
      EXPECT_LE(at + piece.size(), bytes.size());
      std::memcpy(bytes.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    return !fails;
  }
  bool flush() override { return !fails; }
  bool discard(std::uint64_t sector, std::uint64_t sectors) override {
    EXPECT_LE(sector + sectors, kSectors);
    discarded += sectors;
    return !fails;
  }

  std::vector<std::byte> bytes = std::vector<std::byte>(kSectors * kSectorBytes);
  std::uint64_t discarded = 0;
  bool is_read_only = false;
  bool fails = false;
};

struct alignas(kPageBytes) Page : std::array<std::byte, kPageBytes> {};

// A zone's pages by their grants. What is not there the hypervisor refuses.
class Zone : public GrantedPages, public Notifier {
 public:
  common::Result<void> copy(std::span<Copy> copies) override {
    EXPECT_LE(copies.size(), kMaxCopies);
    copied += copies.size();
    for (Copy& copy : copies) {
      EXPECT_LE(copy.offset_bytes + copy.length_bytes, kPageBytes);
      const auto page = pages.find(copy.grant);
      copy.done = page != pages.end();
      if (!copy.done) {
        continue;
      }
      std::byte* const theirs = page->second.data() + copy.offset_bytes;
      std::memcpy(copy.to_zone ? theirs : copy.ours, copy.to_zone ? copy.ours : theirs, copy.length_bytes);
      if (during_copy) {
        during_copy();
      }
    }
    return {};
  }
  bool find(std::span<const std::uint32_t> grants, std::span<std::byte*> found) override {
    EXPECT_LE(grants.size(), kMaxCopies);
    EXPECT_EQ(grants.size(), found.size());
    const bool are_there =
        lends && std::ranges::all_of(grants, [this](std::uint32_t grant) { return pages.contains(grant); });
    for (std::size_t i = 0; are_there && i < grants.size(); ++i) {
      found[i] = pages.at(grants[i]).data();
    }
    ++finds;
    if (during_find) {
      during_find();
    }
    return are_there;
  }
  void notify() override { ++notified; }

  bool lends = false;
  std::size_t copied = 0;
  std::map<std::uint32_t, Page> pages;
  std::function<void()> during_copy;
  std::size_t finds = 0;
  std::function<void()> during_find;
  int notified = 0;
};

class DiskTest : public testing::Test {
 protected:
  DiskTest() : disk_(std::as_writable_bytes(std::span(ring_)), memory_, medium_, zone_, zone_) {
    word(kRequestEvent) = 1;
    word(kResponseEvent) = 1;
    std::mt19937 random(1);
    for (std::byte& byte : medium_.bytes) {
      byte = static_cast<std::byte>(random());
    }
    for (std::uint32_t grant = 1; grant <= 80; ++grant) {
      for (std::byte& byte : zone_.pages[grant]) {
        byte = static_cast<std::byte>(random());
      }
    }
  }

  std::uint32_t& word(std::size_t offset) { return ring_[offset / 4]; }
  std::byte* slot(std::uint32_t number) {
    return reinterpret_cast<std::byte*>(ring_.data()) + kRingHeaderBytes + number % 32 * kSlotBytes;
  }
  template <typename Request>
  void put(const Request& request) {
    std::memcpy(slot(word(kRequestsProduced)), &request, sizeof(request));
    ++word(kRequestsProduced);
  }
  // The answer to the only request.
  template <typename Request>
  Status answer_to(const Request& request) {
    put(request);
    EXPECT_EQ(disk_.serve(), Progress::idle) << disk_.fault();
    EXPECT_EQ(word(kResponsesProduced), word(kRequestsProduced));
    RawResponse response{};
    std::memcpy(&response, slot(word(kResponsesProduced) - 1), sizeof(response));
    EXPECT_EQ(response.id, request.id);
    if constexpr (std::is_same_v<Request, RawIndirect>) {
      EXPECT_EQ(response.operation, request.meant);
    } else {
      EXPECT_EQ(response.operation, request.operation);
    }
    return Status{response.status};
  }
  static RawRequest request_of(Operation operation, std::uint64_t sector, std::initializer_list<Segment> segments) {
    RawRequest request{};
    request.operation = static_cast<std::uint8_t>(operation);
    request.segments = static_cast<std::uint8_t>(segments.size());
    request.id = 0x1234'5678'9abc'def0U;
    request.sector = sector;
    std::ranges::copy(segments, request.segment);
    return request;
  }
  // For the pages from grant 1 on, whole; the list of them is in that of grant 80.
  RawIndirect list_of(Operation meant, std::uint16_t segments) {
    RawIndirect request{};
    request.operation = static_cast<std::uint8_t>(Operation::indirect);
    request.meant = static_cast<std::uint8_t>(meant);
    request.segments = segments;
    request.grant[0] = 80;
    for (std::uint32_t i = 0; i < segments; ++i) {
      const Segment segment = whole(i + 1);
      std::memcpy(zone_.pages[80].data() + i * sizeof(segment), &segment, sizeof(segment));
    }
    return request;
  }
  static Segment whole(std::uint32_t grant) {
    return {.grant = grant, .first_sector = 0, .last_sector = 7, .padding = 0};
  }

  std::array<std::uint32_t, kPageBytes / 4> ring_{};
  DiskMemory memory_;
  MemoryMedium medium_;
  Zone zone_;
  Disk disk_;
};

TEST_F(DiskTest, WhatIsLentIsNotCopied) {
  zone_.lends = true;
  EXPECT_EQ(answer_to(request_of(Operation::read, 10, {{5, 2, 3, 0}, whole(6)})), Status::ok);
  EXPECT_EQ(std::memcmp(zone_.pages[5].data() + 1024, medium_.bytes.data() + 5120, 1024), 0);
  EXPECT_EQ(std::memcmp(zone_.pages[6].data(), medium_.bytes.data() + 6144, 4096), 0);
  EXPECT_EQ(answer_to(request_of(Operation::write, 100, {whole(7), {8, 7, 7, 0}})), Status::ok);
  EXPECT_EQ(std::memcmp(zone_.pages[7].data(), medium_.bytes.data() + 51200, 4096), 0);
  EXPECT_EQ(std::memcmp(zone_.pages[8].data() + 3584, medium_.bytes.data() + 55296, 512), 0);
  EXPECT_EQ(disk_.counters().read_bytes, 5120U);
  EXPECT_EQ(disk_.counters().written_bytes, 4608U);
  EXPECT_EQ(zone_.copied, 0U);
  EXPECT_EQ(answer_to(request_of(Operation::read, 10, {whole(6), whole(500)})), Status::error);
  EXPECT_GT(zone_.copied, 0U) << "what cannot be had is asked of the hypervisor";
}

TEST_F(DiskTest, ReadsIntoTheZone) {
  EXPECT_EQ(answer_to(request_of(Operation::read, 10, {{5, 2, 3, 0}, whole(6)})), Status::ok);
  EXPECT_EQ(std::memcmp(zone_.pages[5].data() + 1024, medium_.bytes.data() + 5120, 1024), 0);
  EXPECT_EQ(std::memcmp(zone_.pages[6].data(), medium_.bytes.data() + 6144, 4096), 0);
  EXPECT_EQ(disk_.counters().read_bytes, 5120U);
  EXPECT_EQ(zone_.notified, 1);
}

TEST_F(DiskTest, WritesFromTheZone) {
  EXPECT_EQ(answer_to(request_of(Operation::write, kSectors - 9, {{5, 7, 7, 0}, whole(6)})), Status::ok);
  EXPECT_EQ(std::memcmp(zone_.pages[5].data() + 3584, medium_.bytes.data() + (kSectors - 9) * 512, 512), 0);
  EXPECT_EQ(std::memcmp(zone_.pages[6].data(), medium_.bytes.data() + (kSectors - 8) * 512, 4096), 0);
  EXPECT_EQ(answer_to(request_of(Operation::flush, 0, {})), Status::ok);
  EXPECT_EQ(disk_.counters().flushes, 1U);
}

// A process that was killed when it had put the answer into the slot, and had not published it.
TEST_F(DiskTest, WhoComesNextCarriesOutAgainWhatWasAnsweredByHalf) {
  EXPECT_EQ(answer_to(request_of(Operation::read, 3, {whole(1)})), Status::ok);
  const auto request = request_of(Operation::read, 10, {whole(6)});
  EXPECT_EQ(answer_to(request), Status::ok);
  --word(kResponsesProduced);
  zone_.pages[6].fill(std::byte{0});
  Disk next(std::as_writable_bytes(std::span(ring_)), memory_, medium_, zone_, zone_);
  EXPECT_EQ(next.serve(), Progress::idle) << next.fault();
  EXPECT_EQ(word(kResponsesProduced), word(kRequestsProduced));
  EXPECT_EQ(std::memcmp(zone_.pages[6].data(), medium_.bytes.data() + 5120, 4096), 0);
  EXPECT_EQ(next.counters().reads, 3U) << "it goes on counting";
  put(request_of(Operation::read, 20, {whole(7)}));
  EXPECT_EQ(next.serve(), Progress::idle);
  EXPECT_EQ(std::memcmp(zone_.pages[7].data(), medium_.bytes.data() + 10240, 4096), 0);
}

TEST_F(DiskTest, TakesManySegmentsByAPage) {
  RawIndirect request = list_of(Operation::read, 64);
  EXPECT_EQ(answer_to(request), Status::ok);
  for (std::uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(std::memcmp(zone_.pages[i + 1].data(), medium_.bytes.data() + i * kPageBytes, kPageBytes), 0) << i;
  }
  request.segments = 65;
  EXPECT_EQ(answer_to(request), Status::error);
  request.segments = 0;
  EXPECT_EQ(answer_to(request), Status::error);
  request.segments = 1;
  request.meant = static_cast<std::uint8_t>(Operation::flush);
  EXPECT_EQ(answer_to(request), Status::error);
  request.meant = static_cast<std::uint8_t>(Operation::read);
  request.grant[0] = 1000;
  EXPECT_EQ(answer_to(request), Status::error);
}

TEST_F(DiskTest, ReadsAListThatIsLentOnceAndWithoutACopy) {
  zone_.lends = true;
  RawIndirect request = list_of(Operation::read, 2);
  zone_.during_find = [this] {
    if (zone_.finds == 2) {
      zone_.pages[80].fill(std::byte{0xff});
    }
  };
  EXPECT_EQ(answer_to(request), Status::ok);
  EXPECT_EQ(zone_.finds, 2U) << "the list, and its segments";
  EXPECT_EQ(zone_.copied, 0U);
  EXPECT_EQ(std::memcmp(zone_.pages[2].data(), medium_.bytes.data() + kPageBytes, kPageBytes), 0);
  EXPECT_EQ(answer_to(request), Status::error) << "as it is now";
  request.segments = 0;
  EXPECT_EQ(answer_to(request), Status::error);
}

TEST_F(DiskTest, RefusesWhatLeadsOutOfThePageOrTheDisk) {
  EXPECT_EQ(answer_to(request_of(Operation::read, 0, {{5, 0, 8, 0}})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::read, 0, {{5, 3, 2, 0}})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::read, 0, {})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::read, kSectors, {{5, 0, 0, 0}})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::write, kSectors - 7, {whole(5)})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::write, ~std::uint64_t{0}, {whole(5)})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::write, ~std::uint64_t{0} - 6, {whole(5)})), Status::error);
  RawRequest many = request_of(Operation::read, 0, {whole(5)});
  many.segments = 12;
  EXPECT_EQ(answer_to(many), Status::error);
  EXPECT_EQ(disk_.counters().errors, 8U);
  EXPECT_EQ(disk_.counters().reads + disk_.counters().writes, 0U);
}

TEST_F(DiskTest, SaysWhatFailed) {
  EXPECT_EQ(answer_to(request_of(Operation::read, 0, {whole(5), whole(1000)})), Status::error);  // no such grant
  EXPECT_EQ(answer_to(request_of(Operation::write, 0, {whole(1000)})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::barrier, 0, {})), Status::unsupported);
  EXPECT_EQ(answer_to(request_of(Operation{77}, 0, {})), Status::unsupported);
  EXPECT_EQ(answer_to(request_of(Operation::flush, 0, {whole(5)})), Status::error);
  medium_.fails = true;
  EXPECT_EQ(answer_to(request_of(Operation::read, 0, {whole(5)})), Status::error);
  EXPECT_EQ(answer_to(request_of(Operation::flush, 0, {})), Status::error);
}

// A write of which one page cannot be had changes nothing.
TEST_F(DiskTest, WritesNothingHalf) {
  const auto before = medium_.bytes;
  EXPECT_EQ(answer_to(request_of(Operation::write, 0, {whole(5), whole(1000)})), Status::error);
  EXPECT_EQ(medium_.bytes, before);
}

TEST_F(DiskTest, KeepsAReadOnlyDiskAsItIs) {
  medium_.is_read_only = true;
  const auto before = medium_.bytes;
  EXPECT_EQ(answer_to(request_of(Operation::write, 0, {whole(5)})), Status::error);
  RawDiscard discard{};
  discard.operation = static_cast<std::uint8_t>(Operation::discard);
  discard.sectors = 1;
  EXPECT_EQ(answer_to(discard), Status::error);
  EXPECT_EQ(medium_.bytes, before);
  EXPECT_EQ(medium_.discarded, 0U);
}

TEST_F(DiskTest, Discards) {
  RawDiscard discard{};
  discard.operation = static_cast<std::uint8_t>(Operation::discard);
  discard.sector = kSectors - 8;
  discard.sectors = 8;
  EXPECT_EQ(answer_to(discard), Status::ok);
  EXPECT_EQ(medium_.discarded, 8U);
  discard.sectors = 9;
  EXPECT_EQ(answer_to(discard), Status::error);
  discard.sectors = ~std::uint64_t{0};
  EXPECT_EQ(answer_to(discard), Status::error);
  discard.sectors = 1;
  discard.flags = 1;
  EXPECT_EQ(answer_to(discard), Status::unsupported);
}

// XSA-155: what the zone changes after the request was read is of no consequence.
TEST_F(DiskTest, ReadsEachRequestOnce) {
  zone_.during_copy = [this] { std::memset(slot(0), 0xff, kSlotBytes); };
  EXPECT_EQ(answer_to(request_of(Operation::write, 0, {whole(5), whole(6)})), Status::ok);
  EXPECT_EQ(std::memcmp(zone_.pages[6].data(), medium_.bytes.data() + 4096, 4096), 0);
  const RawIndirect request = list_of(Operation::write, 2);
  zone_.during_copy = [this] { zone_.pages[80].fill(std::byte{0xff}); };
  EXPECT_EQ(answer_to(request), Status::ok);
}

TEST_F(DiskTest, ServesARoundAtATimeAndWrapsAround) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 32; ++i) {
      put(request_of(Operation::read, 0, {whole(5)}));
    }
    EXPECT_EQ(disk_.serve(), Progress::idle);
    EXPECT_EQ(word(kResponsesProduced), static_cast<std::uint32_t>(32 * (round + 1)));
    EXPECT_EQ(word(kRequestEvent), word(kRequestsProduced) + 1);
  }
}

// One that produces while it is served does not keep the others from their turn.
TEST_F(DiskTest, LetsOthersHaveTheirTurn) {
  put(request_of(Operation::read, 0, {whole(5)}));
  zone_.during_copy = [this] { put(request_of(Operation::read, 0, {whole(5)})); };
  EXPECT_EQ(disk_.serve(), Progress::more);
  EXPECT_EQ(word(kResponsesProduced), 32U);
}

TEST_F(DiskTest, NotifiesOnlyWhenAskedTo) {
  word(kResponseEvent) = 3;
  answer_to(request_of(Operation::read, 0, {whole(5)}));
  answer_to(request_of(Operation::read, 0, {whole(5)}));
  EXPECT_EQ(zone_.notified, 0);
  answer_to(request_of(Operation::read, 0, {whole(5)}));
  EXPECT_EQ(zone_.notified, 1);
}

TEST_F(DiskTest, LeavesARingThatNoFrontEndWrites) {
  word(kRequestsProduced) = 33;
  EXPECT_EQ(disk_.serve(), Progress::broken);
  EXPECT_STRNE(disk_.fault(), "");
  word(kRequestsProduced) = 1;
  EXPECT_EQ(disk_.serve(), Progress::broken);  // for good
  EXPECT_EQ(word(kResponsesProduced), 0U);
}

TEST_F(DiskTest, LeavesARingThatGoesBack) {
  answer_to(request_of(Operation::read, 0, {whole(5)}));
  word(kRequestsProduced) = 0;
  EXPECT_EQ(disk_.serve(), Progress::broken);
}

class FileTest : public testing::Test {
 protected:
  common::Fd file_of(std::size_t bytes) {
    common::Fd fd(::open(testing::TempDir().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    const std::string text(bytes, 'x');
    EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(bytes));
    return fd;
  }
};

TEST_F(FileTest, IsADisk) {
  const auto medium = file_medium(file_of(1000), false, "file");
  ASSERT_TRUE(medium);
  EXPECT_EQ((*medium)->sectors(), 2U);
  std::array<std::byte, 1024> bytes{};
  bytes.fill(std::byte{1});
  EXPECT_TRUE((*medium)->read(0, pieces_of(std::span(bytes))));
  EXPECT_EQ(bytes[999], std::byte{'x'});
  EXPECT_EQ(bytes[1000], std::byte{0});
  EXPECT_EQ(bytes[1023], std::byte{0});
  bytes.fill(std::byte{7});
  EXPECT_TRUE((*medium)->write(1, pieces_of(std::span(bytes).first(512))));
  EXPECT_TRUE((*medium)->flush());
  bytes.fill(std::byte{1});
  EXPECT_TRUE((*medium)->read(0, pieces_of(std::span(bytes))));
  EXPECT_EQ(bytes[511], std::byte{'x'});
  EXPECT_EQ(bytes[512], std::byte{7});
  EXPECT_TRUE((*medium)->discard(0, 1));
}

TEST_F(FileTest, IsReadAndWrittenInPieces) {
  const auto medium = file_medium(file_of(4096 + 100), false, "file");
  ASSERT_TRUE(medium);
  std::array<std::byte, 1024> first{};
  std::array<std::byte, 512> second{};
  first.fill(std::byte{7});
  second.fill(std::byte{9});
  EXPECT_TRUE((*medium)->write(1, pieces_of(std::span(first), std::span(second))));
  first.fill(std::byte{1});
  second.fill(std::byte{1});
  EXPECT_TRUE(
      (*medium)->read(2, pieces_of(std::span(second), std::span(first).first(512), std::span(first).last(512))));
  EXPECT_EQ(second[511], std::byte{7});
  EXPECT_EQ(first[0], std::byte{9});
  EXPECT_EQ(first[511], std::byte{9});
  EXPECT_EQ(first[512], std::byte{'x'});
  EXPECT_TRUE((*medium)->read(7, pieces_of(std::span(second), std::span(first).first(512)))) << "to the end";
  EXPECT_EQ(first[99], std::byte{'x'});
  EXPECT_EQ(first[100], std::byte{0});
  EXPECT_EQ(first[511], std::byte{0});
}

TEST_F(FileTest, ThatIsNoneIsRefused) {
  const auto folder = file_medium(common::Fd(::open("/", O_RDONLY | O_CLOEXEC)), true, "/");
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().text(), "/ is neither a file nor a block device: no disk");
  EXPECT_FALSE(file_medium(file_of(0), true, "empty"));
}

TEST_F(FileTest, ThatShrinksGivesErrors) {
  common::Fd fd = file_of(4096);
  const int number = fd.get();
  const auto medium = file_medium(std::move(fd), true, "file");
  ASSERT_TRUE(medium);
  ASSERT_EQ(::ftruncate(number, 512), 0);
  std::array<std::byte, 1024> bytes{};
  EXPECT_FALSE((*medium)->read(0, pieces_of(std::span(bytes))));
}

TEST(Handshake, SaysWhatIsOffered) {
  const Keys writable = offered_keys({.sectors = 5, .read_only = false});
  EXPECT_EQ(writable.at("feature-discard"), "1");
  EXPECT_FALSE(offered_keys({.sectors = 5, .read_only = true}).contains("feature-discard"));
  EXPECT_EQ(connected_keys({.sectors = 5, .read_only = true}).at("info"), "4");
  EXPECT_EQ(connected_keys({.sectors = 5, .read_only = false}).at("sectors"), "5");
}

TEST(Handshake, BorrowsForDisksThatAreWorthIt) {
  EXPECT_EQ(offered_keys({.sectors = 16384, .read_only = true}).at("feature-persistent"), "1");
  EXPECT_TRUE(borrows({.sectors = 16384, .read_only = true}));
  EXPECT_FALSE(offered_keys({.sectors = 16383, .read_only = true}).contains("feature-persistent"));
  EXPECT_FALSE(borrows({.sectors = 16383, .read_only = true}));
  const auto lends = [](const char* said) {
    const auto place = ring_place({{"ring-ref", "8"}, {"event-channel", "3"}, {"feature-persistent", said}});
    return place && place->lends;
  };
  EXPECT_TRUE(lends("1"));
  for (const char* said : {"0", "", "2", "-1", "18446744073709551617"}) {
    EXPECT_FALSE(lends(said)) << said;
  }
}

TEST(Handshake, TakesTheRingFromTheZonesKeys) {
  const auto one = ring_place({{"ring-ref", "8"}, {"event-channel", "3"}, {"protocol", "x86_64-abi"}});
  ASSERT_TRUE(one) << one.error().text();
  EXPECT_EQ(one->grants, (std::vector<std::uint32_t>{8}));
  EXPECT_EQ(one->event_channel, 3U);
  EXPECT_FALSE(one->lends);
  const auto four = ring_place({{"ring-page-order", "2"},
                                {"ring-ref0", "4"},
                                {"ring-ref1", "3"},
                                {"ring-ref2", "2"},
                                {"ring-ref3", "1"},
                                {"event-channel", "3"}});
  ASSERT_TRUE(four);
  EXPECT_EQ(four->grants, (std::vector<std::uint32_t>{4, 3, 2, 1}));
}

TEST(Handshake, RefusesAnyOther) {
  const Keys good{{"ring-ref", "8"}, {"event-channel", "3"}};
  const auto with = [&good](const std::string& key, const std::string& value) {
    Keys keys = good;
    keys[key] = value;
    const auto place = ring_place(keys);
    return place ? "" : place.error().text();
  };
  for (const char* value : {"", "-1", "18446744073709551616", "4294967296", "8 ", "0x8", "eight"}) {
    EXPECT_NE(with("ring-ref", value).find("ring-ref"), std::string::npos) << value;
    EXPECT_NE(with("event-channel", value).find("event-channel"), std::string::npos) << value;
  }
  EXPECT_NE(with("event-channel", "0").find("event-channel"), std::string::npos);
  EXPECT_NE(with("ring-page-order", "3").find("ring-page-order"), std::string::npos);
  EXPECT_NE(with("ring-page-order", "1").find("ring-ref0"), std::string::npos);
  EXPECT_NE(with("protocol", "x86_32-abi").find("protocol"), std::string::npos);
  EXPECT_FALSE(ring_place({{"ring-page-order", "1"}, {"ring-ref0", "5"}, {"ring-ref1", "5"}, {"event-channel", "1"}}));
}

TEST(Handshake, KnowsWhatComesNext) {
  using enum BusState;
  EXPECT_EQ(next_step(init_wait, "1"), Step::wait);
  EXPECT_EQ(next_step(init_wait, "3"), Step::connect);
  EXPECT_EQ(next_step(init_wait, "4"), Step::connect);
  EXPECT_EQ(next_step(connected, "4"), Step::wait);
  EXPECT_EQ(next_step(connected, "5"), Step::disconnect);
  EXPECT_EQ(next_step(connected, "6"), Step::disconnect);
  EXPECT_EQ(next_step(connected, "1"), Step::disconnect);
  EXPECT_EQ(next_step(closed, "6"), Step::wait);
  EXPECT_EQ(next_step(closed, "1"), Step::offer);
  for (const char* text : {"", "7", "99999999999999999999", "x", "-1", "2"}) {
    EXPECT_EQ(next_step(connected, text), Step::wait) << text;
  }
  EXPECT_EQ(next_step(connected, std::nullopt), Step::finish);
}

}  // namespace
}  // namespace krata::block
