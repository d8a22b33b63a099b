#include "krata/store/session.h"

#include <gtest/gtest.h>

#include "krata/store/store_fixture.h"

namespace krata::store {

namespace {

std::string request_bytes(std::uint32_t id, std::string_view payload) {
  std::string bytes;
  append_message(bytes, {.operation = 2, .request = id}, payload);
  return bytes;
}

Message event(const std::string& text) {
  Message message{.to = 1, .is_event = true, .bytes = {}};
  append_message(message.bytes, {.operation = 15}, text);
  return message;
}

TEST(Inbox, CutsRequestsOutOfAnyPieces) {
  std::string stream;
  for (std::uint32_t i = 0; i < 20; ++i) {
    stream += request_bytes(i, std::string(i * 37 % 200, 'x'));
  }
  for (const std::size_t piece : {1U, 3U, 15U, 17U, 100U, 5000U}) {
    Inbox inbox;
    std::uint32_t expected = 0;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      inbox.append(std::string_view(stream).substr(at, piece));
      while (const auto request = inbox.next()) {
        EXPECT_EQ(request->id, expected);
        EXPECT_EQ(request->payload, std::string(expected * 37 % 200, 'x'));
        ++expected;
      }
    }
    EXPECT_EQ(expected, 20U) << "in pieces of " << piece;
    EXPECT_EQ(inbox.bytes(), 0U);
  }
}

TEST(Inbox, IsBrokenByALengthThatNoRequestHas) {
  Inbox inbox;
  inbox.append(request_bytes(1, std::string(kMaxPayloadBytes, 'x')));
  EXPECT_TRUE(inbox.next().has_value()) << "the longest";
  std::string bytes = request_bytes(2, std::string(kMaxPayloadBytes + 1, 'x'));
  inbox.append(bytes.substr(0, kHeaderBytes));
  EXPECT_FALSE(inbox.next().has_value());
  EXPECT_TRUE(inbox.is_broken()) << "from its head on";
  inbox.append(bytes.substr(kHeaderBytes) + request_bytes(3, "x"));
  EXPECT_FALSE(inbox.next().has_value());
}

TEST(Outbox, KeepsOrderAndCounts) {
  Outbox outbox;
  Message answer{.to = 1, .bytes = request_bytes(1, "answer")};
  outbox.add(event("a"));
  outbox.add(answer);
  outbox.add(event("b"));
  EXPECT_EQ(outbox.waiting(), event("a").bytes + answer.bytes + event("b").bytes);
  EXPECT_EQ(outbox.waiting_answers(), 1U);
  EXPECT_EQ(outbox.waiting_event_bytes(), 2 * event("a").bytes.size());
  const std::size_t all = outbox.waiting().size();
  outbox.sent(event("a").bytes.size() + 1);
  EXPECT_EQ(outbox.waiting_answers(), 1U) << "not all of it has left";
  outbox.sent(all - event("a").bytes.size() - 1);
  EXPECT_EQ(outbox.waiting_answers(), 0U);
  EXPECT_EQ(outbox.waiting_event_bytes(), 0U);
  EXPECT_TRUE(outbox.waiting().empty());
}

TEST(Outbox, QueuesNoEventThatWaitsAlready) {
  Outbox outbox;
  outbox.add(event("a"));
  outbox.add(event("b"));
  outbox.add(event("a"));
  EXPECT_EQ(outbox.waiting(), event("a").bytes + event("b").bytes);
  outbox.sent(1);
  outbox.add(event("a"));
  EXPECT_EQ(outbox.waiting(), event("a").bytes.substr(1) + event("b").bytes + event("a").bytes)
      << "the first is on its way: its client may have looked before the change";
}

}  // namespace

}  // namespace krata::store
