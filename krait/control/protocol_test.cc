#include "krait/control/protocol.h"

#include <gtest/gtest.h>

#include <string>

#include "common/answer.h"
#include "krait/abi/reasons.h"

namespace krait::control {
namespace {

using common::Error;
using common::ErrorCode;

TEST(ParseRequest, ReadsWhatRequestLineWrites) {
  for (const Request request : {Request::status, Request::reload, Request::down, Request::take_state,
                                Request::confirm_state, Request::endpoints, Request::allow_older}) {
    std::string line = request_line(request);
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    const auto parsed = parse_request(line);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, request);
  }
  EXPECT_TRUE(parse_request(R"({"request":"status"})"));
}

TEST(ParseRequest, RefusesEverythingElse) {
  for (const char* line :
       {"", "status", "[]", "{}", "{\"request\":1}", "{\"request\":\"up\"}", "{\"request\":\"status\"",
        "{\"version\":2,\"request\":\"status\"}", "{\"version\":\"1\",\"request\":\"status\"}", "\xff"}) {
    const auto parsed = parse_request(line);
    ASSERT_FALSE(parsed) << line;
    EXPECT_EQ(parsed.error().code(), ErrorCode::invalid_input);
  }
  EXPECT_FALSE(parse_request(std::string(4000, '[')));
}

TEST(NeedsRight, AllButTheStatus) {
  EXPECT_FALSE(needs_right(Request::status));
  for (const Request request : {Request::rules, Request::reload, Request::down}) {
    EXPECT_TRUE(needs_right(request));
  }
}

TEST(IsForLink, HandingOverConfirmingLookingAndKeysOnly) {
  for (const Request request :
       {Request::take_state, Request::confirm_state, Request::endpoints, Request::prepare_key, Request::rotate_key}) {
    EXPECT_TRUE(is_for_link(request));
    EXPECT_TRUE(needs_right(request));
  }
  for (const Request request :
       {Request::status, Request::rules, Request::reload, Request::down, Request::drain, Request::allow_older}) {
    EXPECT_FALSE(is_for_link(request));
  }
}

TEST(EndpointsJson, TellsWhereConfiguredPeersWereHeardOf) {
  State state;
  PeerState heard;
  heard.name = "db1";
  heard.wireguard.endpoint = common::Endpoint::parse("192.0.2.2:51820");
  heard.wireguard.last_handshake_s = 1000;
  PeerState never = heard;
  never.name = "db2";
  never.wireguard.last_handshake_s = 0;
  PeerState stranger = heard;
  stranger.name.clear();
  state.peers = {heard, never, stranger};
  const Json json = endpoints_json(state);
  ASSERT_EQ(json["endpoints"].size(), 1U);
  EXPECT_EQ(json["endpoints"][0]["host"], "db1");
  EXPECT_EQ(json["endpoints"][0]["endpoint"], "192.0.2.2:51820");
}

TEST(NetworkJson, SaysNothingOfWhatIsNotThere) {
  const Json json = network_json({.id = "x", .hosts_revision = 3});
  EXPECT_EQ(json["hosts_revision"], 3);
  EXPECT_TRUE(json["confirmed_s"].is_null());
  EXPECT_TRUE(json["refused"].is_null());
}

TEST(ErrorJson, BringsFindingsBackWithTheirPlaces) {
  const Error error = Error::from_diagnostics({{"policy.toml", 7, 3, "no such identity", "add it"}});
  const Json json = common::error_json(error);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["diagnostics"][0]["line"], 7);
  const Error back = common::error_from_json(json);
  EXPECT_EQ(back.code(), ErrorCode::invalid_input);
  EXPECT_EQ(back.text(), error.text());
}

TEST(ErrorJson, BringsTheCodeBack) {
  const Error back = common::error_from_json(common::error_json(Error(ErrorCode::permission, "only root may do this")));
  EXPECT_EQ(back.code(), ErrorCode::permission);
  EXPECT_EQ(back.text(), "only root may do this");
  EXPECT_EQ(common::exit_code(back), 2);
  EXPECT_EQ(common::exit_code(Error(ErrorCode::invalid_input, "")), 1);
  EXPECT_EQ(common::exit_code(Error(ErrorCode::limit, "")), 1);
}

TEST(ErrorFromJson, TakesAnything) {
  EXPECT_EQ(common::error_from_json(Json::object()).code(), ErrorCode::system);
  EXPECT_EQ(common::error_from_json({{"error", 5}, {"diagnostics", {1, "x"}}}).code(), ErrorCode::system);
}

TEST(JsonLine, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(common::json_line({{"a", "x\xff"}}), R"({"a":"x\ufffd"})"
                                                 "\n");
}

State sample_state() {
  State state;
  state.interface = "wg0";
  state.managed = true;
  state.attachment = datapath::Attachment::tcx;
  state.revision = 4;
  state.public_key = model::PublicKey{};
  datapath::PairCount pair{.source_tag = 1, .destination_tag = 2, .overflow = false, .count = {}};
  pair.count[KRAIT_INGRESS][KRAIT_ALLOW] = {.packets = 3, .bytes = 300};
  pair.count[KRAIT_EGRESS][KRAIT_DROP] = {.packets = 2, .bytes = 200};
  state.counters.pairs.push_back(pair);
  state.counters.drops[KRAIT_REASON_NO_RULE].by_direction[KRAIT_INGRESS].packets = 5;
  state.counters.drops[KRAIT_REASON_NO_RULE].by_direction[KRAIT_EGRESS].packets = 2;
  PeerState peer{.name = "db1", .identity = "db", .wireguard = {}};
  peer.wireguard.last_handshake_s = 990;
  state.peers.push_back(peer);
  state.peers.push_back({});
  return state;
}

TEST(StatusJson, SaysWhatIsInForce) {
  model::Policy policy;
  policy.file = "p.toml";
  policy.rules.resize(2);
  const Json json = status_json(sample_state(), policy, {.config_file = "k.toml", .pid = 7, .now_s = 1000});
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["agent"]["pid"], 7);
  EXPECT_EQ(json["agent"]["mode"], "manage");
  EXPECT_EQ(json["attachment"], "tcx");
  EXPECT_EQ(json["revision"], 4);
  EXPECT_EQ(json["rules"], 2);
  EXPECT_EQ(json["packets"]["allowed"], 3);
  EXPECT_EQ(json["packets"]["dropped"], 2);
  EXPECT_EQ(json["drops"]["no_rule"], 7);
  EXPECT_EQ(json["drops"].size(), std::size_t{KRAIT_REASON_COUNT} - 1);
}

TEST(StatusJson, TellsPeersThatNeverMetFromThoseThatDid) {
  const Json json = status_json(sample_state(), {}, {.config_file = "", .pid = 7, .now_s = 1000});
  EXPECT_EQ(json["peers"][0]["name"], "db1");
  EXPECT_EQ(json["peers"][0]["handshake_age_s"], 10);
  EXPECT_TRUE(json["peers"][1]["name"].is_null());
  EXPECT_TRUE(json["peers"][1]["handshake_age_s"].is_null());
}

TEST(ReasonLabel, NamesEveryReason) {
  EXPECT_EQ(reason_label(KRAIT_ALLOWED), "");
  EXPECT_EQ(reason_label(KRAIT_REASON_NO_POLICY), "no_policy");
  EXPECT_EQ(reason_label(KRAIT_REASON_COUNT - 1), "outside_tunnel");
  EXPECT_EQ(reason_label(KRAIT_REASON_COUNT), "unknown");
}

}  // namespace
}  // namespace krait::control
