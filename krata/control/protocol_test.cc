#include "krata/control/protocol.h"

#include <gtest/gtest.h>

namespace krata::control {
namespace {

std::string refusal(std::string_view line) {
  const auto request = parse_request(line);
  return request ? "" : request.error().text();
}

TEST(Protocol, LaunchAndBack) {
  Request request{.ask = Ask::launch};
  request.spec.emplace();
  request.spec->name = "web";
  request.spec->image = "localhost/app:1";
  const auto back = parse_request(request_json(request).dump());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->spec, request.spec);
}

TEST(Protocol, ExecAndBack) {
  const Request request{.ask = Ask::exec,
                        .zone = "web",
                        .exec = ExecSpec{.command = {"ls", "-l"}, .tty = true, .size = {.rows = 24, .columns = 80}}};
  const auto back = parse_request(request_json(request).dump());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->exec->command, request.exec->command);
  EXPECT_EQ(back->exec->size.columns, 80);
}

TEST(Protocol, StopAndBack) {
  const auto back =
      parse_request(request_json({.ask = Ask::stop, .zone = "web", .patience_s = 20, .until_restart = true}).dump());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->patience_s, 20U);
  EXPECT_TRUE(back->until_restart);
  EXPECT_FALSE(parse_request(R"({"request":"stop","zone":"web"})")->until_restart);
}

TEST(Protocol, StartAndBack) {
  const auto back = parse_request(request_json({.ask = Ask::start, .zone = "web"}).dump());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->ask, Ask::start);
  EXPECT_EQ(back->zone, "web");
  EXPECT_EQ(refusal(R"({"request":"start"})"), "start needs a zone, by name or id");
}

TEST(Protocol, SaysWhatIsWrong) {
  EXPECT_EQ(refusal("[]"), R"(a request is one JSON object on a line, as {"request":"zones"})");
  EXPECT_EQ(refusal(R"({"version":2,"request":"zones"})"), "this daemon speaks version 1 of the control protocol");
  EXPECT_EQ(
      refusal(R"({"request":"dance"})"),
      "unknown request; the requests are zones, zone, launch, start, stop, destroy, update, wait, watch, logs, attach, "
      "exec, host, hypervisor_log");
  EXPECT_EQ(refusal(R"({"request":"zones","zone":"a"})"), "no member is called zone");
  EXPECT_EQ(refusal(R"({"request":"stop"})"), "stop needs a zone, by name or id");
  EXPECT_EQ(refusal(R"({"request":"stop","zone":"a","patience_s":-1})"),
            "the member patience_s must be a whole number of at most 86400");
  EXPECT_EQ(refusal(R"({"request":"exec","zone":"a","exec":{}})"), "exec needs a command");
  EXPECT_EQ(refusal(R"({"request":"exec","zone":"a","exec":{"command":["id"],"user":0}})"),
            "the member user must be a text");
  EXPECT_EQ(refusal(R"({"request":"exec","zone":"a","exec":{"command":["id"],"workdir":["/"]}})"),
            "the member workdir must be a text");
  EXPECT_EQ(refusal(R"({"request":"launch","spec":{"name":"a","image":"b","cpus":0}})"), "a zone has 1 to 64 CPUs");
  EXPECT_EQ(refusal(R"({"request":"logs","zone":"a","follow":1})"), "the member follow must be true or false");
}

TEST(Protocol, WhatBecomesMuchMoreThanItsBytesIsRefused) {
  const std::string many = R"({"request":"update","zone":"x","resources":{"a":[)";
  const std::string limit = "a request has at most 10000 values and names";
  std::string lists = many;
  std::string deep = many;
  std::string names = R"({"request":"update","zone":"x","resources":{"a":0)";
  while (lists.size() < kMaxRequestBytes / 2) {
    lists += "[],";
    deep += std::string(50, '[') + std::string(50, ']') + ",";
    names += R"(,"":0)";
  }
  EXPECT_EQ(refusal(lists + "0]}}"), limit);
  EXPECT_EQ(refusal(deep + "0]}}"), limit);
  EXPECT_EQ(refusal(names + "}}"), limit);
  EXPECT_EQ(refusal(R"({"request":"update","zone":"x","resources":{"a":")" + std::string(kMaxRequestBytes / 2, '[') +
                    R"("}})"),
            "")
      << "what is quoted is one value";
}

TEST(Protocol, AsManyWordsAsExecTakesAreNotTooMany) {
  ExecSpec spec{.command = std::vector<std::string>(4096, "x"), .env = std::vector<std::string>(4096, "A=b")};
  const auto back = parse_request(request_json({.ask = Ask::exec, .zone = "web", .exec = std::move(spec)}).dump());
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->exec->command.size(), 4096U);
}

// However few values it has: copying it takes stack for each level.
TEST(Protocol, WhatNestsWithoutEndIsRefused) {
  constexpr std::size_t kDepth = 2'000;  // not too many values
  std::string line = R"({"request":"update","zone":"x","resources":{"a":)";
  for (std::size_t i = 0; i < kDepth; ++i) {
    line += R"({"":)";
  }
  line += "0" + std::string(kDepth + 2, '}');
  EXPECT_EQ(refusal(line), R"(a request is one JSON object on a line, as {"request":"zones"})");
}

TEST(Protocol, InputAndBack) {
  const Input input{
      .bytes = std::string("a\0b", 3), .is_end = true, .size = WindowSize{.rows = 1, .columns = 2}, .signal = 2};
  const auto back = parse_input(input_json(input).dump());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->bytes, input.bytes);
  EXPECT_TRUE(back->is_end);
  EXPECT_EQ(back->size->columns, 2);
  EXPECT_EQ(back->signal, 2U);
  EXPECT_FALSE(parse_input(R"({"bytes":"?"})"));
  EXPECT_FALSE(parse_input(R"({"signal":65})"));
  EXPECT_FALSE(parse_input(R"({"word":1})"));
}

TEST(Protocol, OutputAndBack) {
  const auto output = output_of(output_json(console::Stream::error, "bytes\n"));
  ASSERT_TRUE(output);
  EXPECT_EQ(output->first, console::Stream::error);
  EXPECT_EQ(output->second, "bytes\n");
  EXPECT_EQ(output_of(Json{{"stream", "out"}}), std::nullopt);
}

TEST(Protocol, OnlyWhoMayChangeSomethingMaySeeLogs) {
  EXPECT_FALSE(needs_right(Ask::zones));
  for (const Ask ask :
       {Ask::launch, Ask::start, Ask::stop, Ask::logs, Ask::attach, Ask::exec, Ask::hypervisor_log, Ask::wait}) {
    EXPECT_TRUE(needs_right(ask)) << name_of(ask);
  }
}

TEST(Protocol, OnlyWhoMayChangeSomethingHearsWhatAZoneWasTold) {
  ZoneView view;
  view.record.spec.name = "web";
  view.record.spec.command = {"server", "--password=secret"};
  view.record.spec.env = {"TOKEN=secret"};
  EXPECT_NE(zones_json({view}, Disclosure::full).dump().find("TOKEN=secret"), std::string::npos);
  const std::string restricted = zones_json({view}, Disclosure::restricted).dump();
  EXPECT_EQ(restricted.find("secret"), std::string::npos) << restricted;
  EXPECT_NE(restricted.find(R"("name":"web")"), std::string::npos) << restricted;
  view.note = "secret";
  view.record.end = model::End{.reason = model::End::Reason::not_started, .code = 127, .text = "run 'secret'"};
  const std::string ended = zones_json({view}, Disclosure::restricted).dump();
  EXPECT_EQ(ended.find("secret"), std::string::npos) << ended;
  EXPECT_NE(ended.find(R"("code":127)"), std::string::npos) << ended;
}

TEST(Protocol, TheLastLinesOfALogMayBeNone) {
  for (const std::optional<std::uint32_t> tail : {std::optional<std::uint32_t>(), {0}, {20}}) {
    const auto back = parse_request(request_json({.ask = Ask::logs, .zone = "web", .tail = tail}).dump());
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->tail, tail);
  }
}

TEST(State, FollowsTheRecord) {
  model::ZoneRecord record;
  EXPECT_EQ(state_of(record, {}, false), ZoneState::preparing);
  EXPECT_EQ(state_of(record, {.has_domain = true}, false), ZoneState::starting);
  EXPECT_EQ(state_of(record, {.has_domain = true, .is_container_running = true}, false), ZoneState::running);
  EXPECT_EQ(state_of(record, {.has_domain = true, .is_container_running = true, .is_held = true}, false),
            ZoneState::stopping);
  record.heard_end = model::End{};
  EXPECT_EQ(state_of(record, {.has_domain = true, .is_container_running = true}, false), ZoneState::stopping);
  record.end = model::End{};
  EXPECT_EQ(state_of(record, {}, true), ZoneState::restarting);
  EXPECT_EQ(state_of(record, {}, false), ZoneState::ended);
  record.goal = model::Goal::forget;
  EXPECT_EQ(state_of(record, {}, false), ZoneState::removing);
}

}  // namespace
}  // namespace krata::control
