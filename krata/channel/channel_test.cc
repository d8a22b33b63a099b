#include "krata/channel/channel.h"

#include <gtest/gtest.h>

#include <random>

#include "krata/channel/zone_channel.h"

namespace krata::channel {
namespace {

const bundle::Process kProcess{.arguments = {"sh"}, .environment = {"A=1"}, .user = "web", .terminal = true};

template <typename End>
auto events_of(End& end) {
  std::vector<std::decay_t<decltype(*end.next_event())>> events;
  while (auto event = end.next_event()) {
    events.push_back(*std::move(event));
  }
  return events;
}

// Both ends, and what is on the way between them.
struct Pair {
  Channel host;
  zone::ZoneChannel zone;
  std::vector<Event> at_host;
  std::vector<zone::Event> at_zone;

  void carry() {
    while (!host.to_send().empty() || !zone.to_send().empty()) {
      const std::string down(host.to_send());
      host.sent(down.size());
      zone.feed(down);
      std::ranges::move(events_of(zone), std::back_inserter(at_zone));
      const std::string up(zone.to_send());
      zone.sent(up.size());
      host.feed(up);
      std::ranges::move(events_of(host), std::back_inserter(at_host));
    }
  }
  std::vector<Event> host_events() {
    carry();
    return std::exchange(at_host, {});
  }
  std::vector<zone::Event> zone_events() {
    carry();
    return std::exchange(at_zone, {});
  }
  void run_container() {
    carry();
    zone.started(kContainer);
    carry();
    at_host.clear();
    at_zone.clear();
  }
};

TEST(Messages, ComeOutAsTheyWentInHoweverTheyAreCut) {
  std::mt19937 random(1);
  std::string stream;
  std::vector<Message> sent;
  append_break(stream);
  for (std::size_t i = 0; i < 300; ++i) {
    std::string payload(i < 260 ? i : kMaxPayloadBytes - i + 260, '\0');
    for (char& byte : payload) {
      byte = i % 3 == 0 ? '\0' : static_cast<char>(i % 3 == 1 ? 1 + random() % 255 : random() % 3);
    }
    sent.push_back(
        {.kind = Kind{static_cast<std::uint16_t>(i)}, .session = static_cast<SessionId>(random()), .payload = payload});
    append_message(stream, sent.back().kind, sent.back().session, payload);
  }
  MessageReader reader;
  std::vector<Message> came;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t piece = 1 + random() % 5000;
    reader.feed(std::string_view(stream).substr(at, piece));
    at += piece;
    while (auto message = reader.next()) {
      came.push_back(*std::move(message));
    }
  }
  EXPECT_EQ(came, sent);
  EXPECT_EQ(reader.lost_bytes(), 0U);
}

TEST(Messages, AreFoundAgainBehindAnythingElse) {
  std::string good;
  append_message(good, Kind::stop, 7, "payload");
  const Message expected{.kind = Kind::stop, .session = 7, .payload = "payload"};
  const std::string endless(200'000, 'x');
  std::vector<std::string> noises{"garbage", good.substr(0, 5), good.substr(3), endless, std::string(100, '\0')};
  for (std::size_t at = 0; at + 1 < good.size(); ++at) {
    noises.push_back(good.substr(0, at) + "\x01" + good.substr(at + 1));  // a changed byte
    noises.push_back(good.substr(0, at) + good.substr(at + 1));           // a lost one
  }
  for (const std::string& noise : noises) {
    MessageReader reader;
    reader.feed(noise);
    std::size_t before = 0;
    while (reader.next()) {
      ++before;
    }
    std::string rest;
    append_break(rest);
    reader.feed(rest + good);
    const auto message = reader.next();
    ASSERT_TRUE(message) << noise.substr(0, 50);
    EXPECT_EQ(*message, expected);
    EXPECT_FALSE(reader.next());
    EXPECT_LE(before, 1U);
    if (noise != std::string(100, '\0') && before == 0) {
      EXPECT_GT(reader.lost_bytes(), 0U);
    }
  }
}

TEST(Channel, TellsOfTheContainerFromItsStartToItsEnd) {
  Pair pair;
  EXPECT_EQ(pair.host_events(), (std::vector<Event>{Greeted{.state = State::starting}}));
  pair.zone.started(kContainer);
  pair.zone.output(kContainer, Stream::output, "out");
  pair.zone.output(kContainer, Stream::error, "err");
  pair.zone.end_output(kContainer, Stream::output);
  pair.zone.end_output(kContainer, Stream::error);
  pair.zone.exited(kContainer, {.reason = Exit::Reason::exited, .number = 7});
  EXPECT_EQ(pair.host_events(),
            (std::vector<Event>{Started{}, Output{.offset = 0, .bytes = "out"},
                                Output{.stream = Stream::error, .offset = 3, .bytes = "err"}, OutputEnded{},
                                OutputEnded{.stream = Stream::error}, Exited{.exit = {.number = 7}}}));
  pair.host.exit_taken();
  EXPECT_EQ(pair.zone_events(), (std::vector<zone::Event>{zone::NewHost{}, zone::ExitTaken{}}));
  EXPECT_EQ(pair.host.faults(), 0U);
}

TEST(Channel, RunsFurtherProcesses) {
  Pair pair;
  EXPECT_FALSE(pair.host.start(kProcess));
  pair.run_container();
  const auto session = pair.host.start(kProcess);
  ASSERT_TRUE(session);
  EXPECT_EQ(pair.zone_events(), (std::vector<zone::Event>{zone::Start{.session = *session, .process = kProcess}}));
  pair.zone.started(*session);
  EXPECT_EQ(pair.host.input(*session, "abc"), 3U);
  pair.host.end_input(*session);
  EXPECT_EQ(pair.host.input(*session, "more"), 0U);
  pair.host.resize(*session, {.rows = 5, .columns = 6});
  pair.host.signal(*session, 9);
  pair.host.stop();
  EXPECT_EQ(pair.zone_events(),
            (std::vector<zone::Event>{zone::Input{.session = *session, .bytes = "abc"}, zone::InputEnded{*session},
                                      zone::Resize{*session, {.rows = 5, .columns = 6}}, zone::Signal{*session, 9},
                                      zone::Stop{}}));
  pair.zone.exited(*session, {.reason = Exit::Reason::signalled, .number = 9});
  EXPECT_EQ(pair.host_events(),
            (std::vector<Event>{Started{*session}, Exited{*session, {Exit::Reason::signalled, 9}}}));
  EXPECT_EQ((Exit{Exit::Reason::signalled, 9}.code()), 137U);
  EXPECT_EQ(pair.host.input_room(*session), 0U);
}

TEST(Channel, SaysWhyAProcessWasNotStarted) {
  Pair pair;
  pair.run_container();
  const auto session = pair.host.start(kProcess);
  pair.carry();
  pair.zone.refused(*session, NotStarted::cannot_run, "run 'sh': \x1b[31mno");
  EXPECT_EQ(pair.host_events(), (std::vector<Event>{Refused{*session, "run 'sh': ?[31mno", NotStarted::cannot_run}}));
  const auto other = pair.host.start(kProcess);
  pair.carry();
  pair.zone.refused(*other, NotStarted{1}, "");
  EXPECT_EQ(pair.host_events(), (std::vector<Event>{Refused{*other, "", NotStarted::not_there}}))
      << "a zone may say anything";
}

TEST(Channel, BoundsWhatIsOnTheWay) {
  Pair pair;
  pair.run_container();
  const std::string much(3 * kWindowBytes, 'x');
  const std::size_t first = pair.host.input(kContainer, much);
  EXPECT_EQ(first, kWindowBytes);
  EXPECT_EQ(pair.host.input(kContainer, much), 0U);
  EXPECT_TRUE(pair.host_events().empty());
  EXPECT_EQ(pair.host.input_room(kContainer), 0U);
  pair.zone.input_taken(kContainer, 10);
  EXPECT_EQ(pair.host_events(), (std::vector<Event>{InputRoom{}}));
  EXPECT_EQ(pair.host.input_room(kContainer), 10U);

  std::size_t wrote = 0;
  while (const std::size_t room = pair.zone.output_room(kContainer)) {
    pair.zone.output(kContainer, Stream::output, std::string(room, 'y'));
    wrote += room;
    pair.carry();
  }
  EXPECT_EQ(wrote, kWindowBytes);
  pair.host.output_taken(kContainer, 5);
  pair.carry();
  EXPECT_EQ(pair.zone.output_room(kContainer), 5U);
  EXPECT_EQ(pair.host.faults(), 0U);
}

// The daemon was killed: what it had not taken comes again, and the end too.
TEST(Channel, LosesNothingWhenTheHostIsAnother) {
  Pair pair;
  pair.run_container();
  const auto session = pair.host.start(kProcess);
  pair.zone_events();
  pair.zone.output(kContainer, Stream::output, "taken, ");
  pair.carry();
  pair.host.output_taken(kContainer, 7);
  pair.carry();
  pair.zone.output(kContainer, Stream::output, "written, ");
  pair.zone.output(kContainer, Stream::error, "lost, ");
  pair.zone.output(*session, Stream::output, "of a session of before");
  pair.zone.exited(kContainer, {.number = 3});
  pair.carry();
  // "written, " was written to the log, but the zone was not told; half a message was on its way.
  pair.host.output_taken(kContainer, 9);
  pair.zone.feed(pair.host.to_send().substr(0, 9));
  const std::uint64_t taken = pair.host.container_output_taken();
  EXPECT_EQ(taken, 16U);
  pair.at_host.clear();
  pair.at_zone.clear();
  pair.host = Channel(taken, 99);
  EXPECT_EQ(pair.host_events(), (std::vector<Event>{Greeted{.state = State::ended},
                                                    Output{.stream = Stream::error, .offset = 16, .bytes = "lost, "},
                                                    Exited{.exit = {.number = 3}}}));
  EXPECT_EQ(pair.zone_events(), (std::vector<zone::Event>{zone::NewHost{}}));
  EXPECT_EQ(pair.zone.output_room(*session), 0U);
  EXPECT_EQ(pair.host.faults(), 0U);
}

// What the host said before the zone's terminal was set up may have come as anything, or as it was.
TEST(Channel, BeginsWhenBothAreThere) {
  for (const bool came : {true, false}) {
    Pair pair;
    const std::string early(pair.host.to_send());
    pair.host.sent(early.size());
    if (came) {
      pair.zone.feed(early);
    }
    EXPECT_EQ(pair.host_events(), (std::vector<Event>{Greeted{.state = State::starting}}));
    EXPECT_EQ(pair.host.faults(), 0U);
  }
}

TEST(Channel, PassesOverWhatTheZoneSaidToAFormerHost) {
  Channel host(0, 5);
  std::string bytes;
  append_message(bytes, Kind::output, 3, write_output({.offset = 0, .bytes = "x"}));
  append_message(bytes, Kind::hello, 0, write_hello_answer({.epoch = 4, .state = State::running}));
  host.feed(bytes);
  EXPECT_FALSE(host.next_event());
  bytes.clear();
  append_message(bytes, Kind::hello, 0, write_hello_answer({.epoch = 5, .state = State::running}));
  host.feed(bytes);
  EXPECT_EQ(events_of(host), (std::vector<Event>{Greeted{.state = State::running}}));
}

class HostileZone : public testing::Test {
 protected:
  HostileZone() {
    say(Kind::hello, 0, write_hello_answer({.state = State::running}));
    events_of(host);
  }
  void say(Kind kind, SessionId session, std::string_view payload) {
    std::string bytes;
    append_message(bytes, kind, session, payload);
    host.feed(bytes);
  }
  std::string fault() {
    const auto events = events_of(host);
    return events.size() == 1 && std::holds_alternative<Fault>(events[0]) ? std::get<Fault>(events[0]).what : "none";
  }
  Channel host;
};

TEST_F(HostileZone, MaySendNothingOfOtherSessions) {
  say(Kind::output, 5, write_output({.bytes = "x"}));
  EXPECT_EQ(fault(), "a message of a session that is not open");
  say(Kind::output, 5, write_output({.bytes = "x"}));
  EXPECT_EQ(fault(), "none");  // told once
  EXPECT_EQ(host.faults(), 2U);
}

TEST_F(HostileZone, MaySendNoMoreThanThereIsRoomFor) {
  std::uint64_t sent = 0;
  for (; sent < kWindowBytes; sent += kMaxPieceBytes) {
    say(Kind::output, 0, write_output({.offset = sent, .bytes = std::string(kMaxPieceBytes, 'x')}));
  }
  EXPECT_EQ(events_of(host).size(), kWindowBytes / kMaxPieceBytes);
  say(Kind::output, 0, write_output({.offset = sent, .bytes = "x"}));
  EXPECT_EQ(fault(), "more output than there is room for");
}

TEST_F(HostileZone, MayNotJump) {
  say(Kind::output, 0, write_output({.offset = 1, .bytes = "x"}));
  EXPECT_EQ(fault(), "output that is malformed or out of order");
}

// One that writes for ever and never reads costs no more than what is on the way.
TEST_F(HostileZone, MayNotMakeAnswersPileUp) {
  for (std::uint64_t offset = 0; offset < 10'000; ++offset) {
    say(Kind::output, 0, write_output({.offset = offset, .bytes = "x"}));
    ASSERT_EQ(events_of(host).size(), 1U);
    host.output_taken(0, 1);
  }
  EXPECT_LE(host.to_send().size(), std::size_t{140} << 10U);
  // Once it reads, it is told all the same.
  host.sent(host.to_send().size());
  MessageReader reader;
  reader.feed(host.to_send());
  const auto message = reader.next();
  ASSERT_TRUE(message);
  EXPECT_EQ(read_offset(message->payload), 10'000U);
  EXPECT_FALSE(reader.next());
}

TEST_F(HostileZone, MayNotTakeWhatWasNotSent) {
  host.input(0, "abc");
  say(Kind::input_taken, 0, write_offset(4));
  EXPECT_EQ(fault(), "input was taken that was not sent");
}

TEST_F(HostileZone, MayNotEndTwice) {
  say(Kind::exited, 0, write_exit({.number = 1}));
  EXPECT_EQ(events_of(host), (std::vector<Event>{Exited{.exit = {.number = 1}}}));
  say(Kind::exited, 0, write_exit({.number = 2}));
  EXPECT_EQ(fault(), "a message of a session that is not open");
}

TEST_F(HostileZone, MayNotInventEnds) {
  say(Kind::exited, 0, write_exit({.reason = Exit::Reason::signalled, .number = 65}));
  EXPECT_EQ(fault(), "a malformed end of a process");
}

TEST_F(HostileZone, MayNotBeginOnceMore) {
  const std::size_t before = host.to_send().size();
  say(Kind::ready, 0, "");
  EXPECT_EQ(fault(), "a zone that begins once more");
  EXPECT_EQ(host.to_send().size(), before);
}

TEST_F(HostileZone, MayNotUseUnknownWords) {
  say(Kind{999}, 0, "");
  EXPECT_EQ(fault(), "a message of an unknown kind");
}

}  // namespace
}  // namespace krata::channel
