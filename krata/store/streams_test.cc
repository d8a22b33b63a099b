// Rings across restarts: a store that is killed between any two of its steps gives a domain the same bytes as one that
// is not.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <random>

#include "krata/store/ring_end.h"
#include "krata/store/store_fixture.h"
#include "krata/xen/types.h"

namespace krata::store {

namespace {

using enum Operation;
constexpr DomainId kZone = 5;

struct Page {
  alignas(8) std::array<std::byte, xen::kPageBytes> bytes{};
};

std::string request(Operation operation, std::string_view payload, std::uint32_t id) {
  std::string bytes;
  append_message(bytes, {.operation = std::to_underlying(operation), .request = id}, bytes_of(payload));
  return bytes;
}

// A store with a zone, and what it has written down.
class Process {
 public:
  explicit Process(Page& page) : ring_(xen::ByteRing::store(page.bytes)) { begin(); }

  // One turn of the server, which stops before the step `until` and forgets what it has not written down.
  void turn(int until = kSteps) {
    if (until > 0) {
      state_ = store::take_in(*store_, kZone, ring_);
    }
    Messages messages;
    if (until > 1 && state_ != RingState::broken) {
      std::ignore = store_->answer_ring(kZone, messages);
    }
    if (until > 2) {
      for (Change& change : store_->take_changes()) {
        log_.push_back(std::move(change));
      }
    }
    if (until > 3 && !store_->streams(kZone)->is_broken) {
      state_ = store::carry(*store_, kZone, ring_);
    }
  }
  static constexpr int kSteps = 4;

  void kill(bool has_been_rewritten) {
    if (has_been_rewritten) {
      std::ignore = store_->take_changes();
      log_ = store_->saved();
    }
    auto log = std::exchange(log_, {});
    store_ = std::make_unique<Store>(rings_, Quota{}, true);
    for (const Change& change : log) {
      ASSERT_TRUE(store_->restore(change));
    }
    log_ = std::move(log);
    state_ = store::resume(*store_, kZone, ring_);
  }

  // All turns that one event of the zone's brings; `meanwhile` is what the zone does before its answers are carried.
  void serve(std::function<void()> meanwhile) {
    struct Port : RingPort {
      Process& process;
      std::function<void()> meanwhile;
      Port(Process& its, std::function<void()> what) : process(its), meanwhile(std::move(what)) {}
      xen::ByteRing* ring() override { return &process.ring_; }
      bool keep() override {
        std::exchange(meanwhile, [] {})();
        return true;
      }
      void notify() override {}
    } port(*this, std::move(meanwhile));
    Messages messages;
    state_ = store::serve(*store_, kZone, messages, port);
  }

  [[nodiscard]] RingState state() const { return state_; }
  [[nodiscard]] Store& store() { return *store_; }

 private:
  void begin() {
    store_ = std::make_unique<Store>(rings_, Quota{}, true);
    store_->connect(kFirstSocket);
    ask(introduce, "5|1|1|");
    ask(mkdir, "/local/domain/5|");
    ask(set_permissions, "/local/domain/5|n5|");
    log_ = store_->take_changes();
  }
  void ask(Operation operation, std::string_view payload) {
    Messages messages;
    const std::string bytes = bytes_of(payload);
    store_->handle(kFirstSocket, {.operation = std::to_underlying(operation), .payload = bytes}, messages);
    store_->queue(messages);
  }

  NoRings rings_;
  std::unique_ptr<Store> store_;
  xen::ByteRing ring_;
  Changes log_;
  RingState state_ = RingState::still;
};

// The requests of a zone, and all that it was answered.
class Zone {
 public:
  Zone(Page& page, unsigned seed) : ring_(xen::ByteRing::store_front(page.bytes)) {
    std::mt19937 random(seed);
    constexpr std::array kOperations{write, read, mkdir, directory, remove, watch, unwatch, get_permissions};
    for (std::uint32_t id = 0; id < 120; ++id) {
      const Operation operation = kOperations.at(random() % kOperations.size());
      const std::string name = "n" + std::to_string(random() % 6);
      const std::string tail = operation == write                           ? std::string(random() % 1800, 'x')
                               : operation == watch || operation == unwatch ? "token|"
                                                                            : "";
      waiting_ += request(operation, name + "|" + tail, id);
    }
  }

  void act(std::size_t bytes) {
    const auto put = ring_.write(std::string_view(waiting_).substr(0, bytes));
    ASSERT_TRUE(put);
    waiting_.erase(0, *put);
    ASSERT_TRUE(ring_.read(heard_, bytes));
  }
  [[nodiscard]] bool has_asked() const { return waiting_.empty(); }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  xen::ByteRing ring_;
  std::string waiting_;
  std::string heard_;
};

// Kills the store now and then, as `deaths` says; 0: never.
std::string conversation(unsigned seed, unsigned deaths) {
  Page page;
  Process process(page);
  Zone zone(page, seed);
  std::mt19937 random(deaths);
  for (int still = 0; still < 50;) {
    const std::size_t before = zone.heard().size();
    zone.act(1 + random() % 700);
    if (deaths != 0 && random() % 4 == 0) {
      process.turn(static_cast<int>(random() % (Process::kSteps + 1)));
      process.kill(random() % 3 == 0);
    } else {
      process.turn();
    }
    still = zone.has_asked() && zone.heard().size() == before ? still + 1 : 0;
  }
  return zone.heard();
}

std::vector<std::string> messages_in(std::string_view bytes) {
  Inbox inbox;
  inbox.append(bytes);
  std::vector<std::string> all;
  while (const auto message = inbox.next()) {
    all.push_back(std::to_string(message->operation) + " " + std::to_string(message->id) + " " +
                  text_of_bytes(message->payload));
  }
  EXPECT_EQ(inbox.bytes(), 0U) << "a message was cut off";
  return all;
}

// An event that still waits is not said twice, so how many there are depends on when the zone takes them.
std::vector<std::string> answers_in(std::string_view bytes) {
  auto all = messages_in(bytes);
  std::erase_if(all, [](const std::string& text) { return text.starts_with("15 "); });
  return all;
}

}  // namespace

TEST(Streams, DeathsDoNotShow) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const auto expected = answers_in(conversation(seed, 0));
    ASSERT_EQ(expected.size(), 120U);
    EXPECT_EQ(answers_in(conversation(seed, seed)), expected) << "seed " << seed;
  }
}

// Linux notifies of what it puts into an empty ring, and of nothing behind it.
TEST(Streams, WhatComesWhileTheRingIsReadIsRead) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  const std::string bytes = request(get_domain_path, "5|", 1);
  zone.write(std::string_view(bytes).substr(0, 16));  // the header, as Linux writes it: by itself
  process.serve([&] { zone.write(std::string_view(bytes).substr(16)); });
  std::string heard;
  zone.read(heard, 1000);
  EXPECT_EQ(messages_in(heard), (std::vector<std::string>{"10 1 /local/domain/5|"}));
}

// It notifies of room for answers where it finds the ring full of them, and of nothing else.
TEST(Streams, WhoAsksMoreThanMayWaitIsAnswered) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  constexpr std::size_t kAsked = 50;  // 20 answers may wait; 32 of these fill the ring
  for (std::uint32_t id = 0; id < kAsked; ++id) {
    zone.write(request(get_domain_path, "5|", id));
  }
  process.serve([] {});
  std::string heard;
  EXPECT_EQ(zone.read(heard, 2000), 1024U) << "the ring is full";
  process.serve([] {});
  zone.read(heard, 2000);
  EXPECT_EQ(messages_in(heard).size(), kAsked);
}

TEST(Streams, AnUnansweredTransactionIsToBeDoneAgain) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  std::string heard;
  zone.write(request(transaction_start, "|", 1));
  process.turn();
  process.kill(true);
  std::string end;
  append_message(end, {.operation = std::to_underlying(transaction_end), .request = 2, .transaction = 1},
                 bytes_of("T|"));
  zone.write(end);
  process.turn();
  zone.read(heard, 1000);
  EXPECT_EQ(messages_in(heard), (std::vector<std::string>{"6 1 1|", "16 2 EAGAIN|"}));
}

TEST(Streams, AnIndexThatJumpsEndsTheRing) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  zone.write(request(watch, "/local|token|", 1));
  process.turn();
  EXPECT_EQ(process.store().watches().count(kZone), 1U);
  const std::uint32_t jumped = zone.put() + 1025;
  std::memcpy(page.bytes.data() + 2052, &jumped, sizeof(jumped));  // req_prod of xen/io/xs_wire.h
  process.turn();
  EXPECT_EQ(process.state(), RingState::broken);
  EXPECT_EQ(process.store().watches().count(kZone), 0U);
  process.kill(false);
  EXPECT_TRUE(process.store().streams(kZone)->is_broken) << "a restart does not mend it";
}

TEST(Streams, ARequestThatIsTooLongEndsTheRing) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  std::string bytes = request(read, "x|", 1);
  bytes.at(13) = 0x11;  // the length: 4,354
  zone.write(bytes);
  process.turn();
  EXPECT_TRUE(process.store().streams(kZone)->is_broken);
}

TEST(Streams, WhoTakesNoAnswersIsReadNoMore) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  std::size_t asked = 0;
  const std::string bytes = request(get_domain_path, "5|", 1);
  for (int i = 0; i < 1000; ++i) {
    asked += zone.write(bytes).value_or(0);
    process.turn();
  }
  // The ring's answers, those that wait, and the ring's requests.
  EXPECT_LT(asked, (1024 / 33 + 20 + 1024 / 18 + 60) * bytes.size());
  EXPECT_LE(process.store().streams(kZone)->outbox.waiting_answers(), 21U);
}

TEST(Streams, WhoTakesNoEventsIsLetGo) {
  Page page;
  Process process(page);
  auto zone = xen::ByteRing::store_front(page.bytes);
  std::string heard;
  zone.write(request(watch, "/local/domain/5|token|", 1));
  for (int i = 0; i < 400 && !process.store().streams(kZone)->is_broken; ++i) {
    Messages messages;
    const std::string path = bytes_of("/local/domain/5/" + std::string(1000, 'a') + std::to_string(i) + "|");
    process.turn();
    process.store().connect(kFirstSocket + 1);
    process.store().handle(kFirstSocket + 1, {.operation = std::to_underlying(mkdir), .payload = path}, messages);
    process.store().queue(messages);
  }
  EXPECT_TRUE(process.store().streams(kZone)->is_broken);
}

}  // namespace krata::store
