// Administrators' requests, with a store on disk.
#include "krait/coordinator/admin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/answer.h"
#include "common/test_folder.h"
#include "krait/coordinator/simulated_ports.h"
#include "krait/coordinator/store_ledger.h"
#include "krait/fleet/rows.h"

namespace krait::coordinator {
namespace {

class Requests : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = records::open_sqlite(folder_.at("network.db"), false);
    ASSERT_TRUE(database) << database.error().text();
    auto store = records::Store::create(*std::move(database));
    ASSERT_TRUE(store) << store.error().text();
    store_.emplace(*std::move(store));
    ledger_.emplace(*store_);
    const auto rows = author_.found();
    ASSERT_TRUE(ledger_->commit({0, "alice", "the network is made", fleet::kNow, rows}));
    service_.emplace(*ledger_, clock_);
    ASSERT_TRUE(service_->load());
    auto loop = common::Loop::create();
    ASSERT_TRUE(loop);
    loop_ = *std::move(loop);
    admin_.emplace(*loop_, *service_, *store_, clock_, "a key");
  }

  Json ask(const Json& request) {
    std::string answer;
    admin_->handle(request.dump(), {.who = "user 0", .role = Role::admin},
                   [&](const std::string& said) { answer = said; });
    const auto json = common::parse_json_object(answer);
    EXPECT_TRUE(json) << answer;
    return json.value_or(Json::object());
  }
  std::string refusal(const Json& request) { return common::text_at(ask(request), "error"); }
  std::uint64_t audit_lines() { return *store_->verify_audit(); }

  void add_web1() {
    const auto change = [&](const Service::Make& make) { ASSERT_TRUE(service_->change("alice", "change", make)); };
    const auto applicant = fleet::TestAuthor::applicant("web1", 1);
    change([&](const fleet::Network& network) { return author_.apply(network, "web db", "web db"); });
    change([&](const fleet::Network& network) { return network.add_token(author_.token("web", 1)); });
    change([&](const fleet::Network& network) -> common::Result<std::vector<fleet::Row>> {
      KRAIT_TRY(const auto offer, network.offer(applicant, {}, fleet::kNow));
      return network.enrol(offer, applicant, fleet::TestAuthor::seal(offer, 1), fleet::kNow);
    });
  }

  common::TestFolder folder_;
  fleet::TestAuthor author_;
  SimulatedClock clock_;
  std::optional<records::Store> store_;
  std::optional<StoreLedger> ledger_;
  std::optional<Service> service_;
  std::unique_ptr<common::Loop> loop_;
  std::optional<Admin> admin_;
};

// Read as nothing it would be an order to all hosts.
TEST_F(Requests, ToRotateKeysNameTheirHostsProperly) {
  add_web1();
  const std::uint64_t before = audit_lines();
  for (const Json& hosts : {Json("web1"), Json(7), Json(true), Json(nullptr), Json::object(), Json{"web1", 7}}) {
    EXPECT_EQ(refusal({{"request", "rotate_keys"}, {"hosts", hosts}, {"go", false}}),
              "the request is malformed: hosts is not a list of texts; nothing was done")
        << hosts;
  }
  EXPECT_EQ(refusal({{"request", "rotate_keys"}, {"hosts", Json::array()}, {"go", "yes"}}),
            "the request is malformed: go is not true or false; nothing was done");
  EXPECT_EQ(refusal({{"request", "rotate_keys"}, {"go", true}}), "the request lacks hosts; nothing was done");
  EXPECT_EQ(refusal({{"request", "rotate_keys"}, {"hosts", Json::array()}}), "the request lacks go; nothing was done");
  EXPECT_EQ(refusal({{"request", "rotate_keys"}, {"hosts", {"web2"}}, {"go", true}}),
            "there is no host web2; see krait-coordinator host list");
  EXPECT_EQ(audit_lines(), before);
  EXPECT_EQ(common::find_number(ask({{"request", "rotate_keys"}, {"hosts", {"web1"}}, {"go", false}}), "told"), 0U);
  EXPECT_EQ(common::find_number(ask({{"request", "rotate_keys"}, {"hosts", Json::array()}, {"go", false}}), "told"),
            0U);
  EXPECT_EQ(audit_lines(), before + 2);
}

// Each kind of member, by what would have been understood otherwise.
TEST_F(Requests, AreRefusedWhereAMemberIsOfAnotherKind) {
  const std::uint64_t before = audit_lines();
  struct Case {
    Json request;
    std::string why;
  };
  for (const Case& wrong : std::vector<Case>{
           {{{"request", "hosts"}, {"host", 7}}, "host is not a text"},                           // all of them
           {{{"request", "policy"}, {"policy", "3"}}, "policy is not a whole number"},            // none
           {{{"request", "policy"}, {"policy", -3}}, "policy is not a whole number"},             //
           {{{"request", "audit"}, {"most", 1.5}}, "most is not a whole number"},                 // one line
           {{{"request", "authority"}, {"book", 1}}, "book is not true or false"},                // without it
           {{{"request", "status"}, {"wait", "no"}}, "wait is not true or false"},                // not waited for
           {{{"request", "hosts_edit"}, {"remove", "web1"}}, "remove is not a list of texts"},    // nobody
           {{{"request", "hosts_edit"}, {"put", Json::object()}}, "put is not a list of texts"},  //
           {{{"request", "settings_set"}, {"settings", Json::array()}}, "settings is not an object"},
           {{{"request", "backup"}, {"file", Json{"/a"}}}, "file is not a text"},
       }) {
    EXPECT_NE(refusal(wrong.request).find("the request is malformed: " + wrong.why), std::string::npos)
        << wrong.request << ": " << refusal(wrong.request);
  }
  EXPECT_EQ(audit_lines(), before);
}

// What is left out would be turned off.
TEST_F(Requests, ToSetSettingsSayThemAll) {
  const Json now = common::object_at(ask({{"request", "settings"}}), "settings");
  ASSERT_TRUE(now.contains("approval"));
  for (const char* key : {"approval", "keepalive_s", "addresses"}) {
    Json lacking = now;
    lacking.erase(key);
    EXPECT_EQ(refusal({{"request", "settings_set"}, {"settings", lacking}}),
              "the request lacks " + std::string(key) + "; nothing was done");
    Json wrong = now;
    wrong[key] = Json::object();
    EXPECT_NE(refusal({{"request", "settings_set"}, {"settings", wrong}}).find(std::string(key) + " is not"),
              std::string::npos);
  }
  EXPECT_EQ(refusal({{"request", "settings_set"}}), "the request lacks addresses; nothing was done");
  Json other = now;
  other["approval"] = true;
  EXPECT_EQ(refusal({{"request", "settings_set"}, {"settings", other}}), "");
  EXPECT_TRUE(service_->network().settings().approval);
}

TEST_F(Requests, ForHostsSayNothingOfARevisionBeforeTheHostHas) {
  add_web1();
  const auto host = [&] { return ask({{"request", "hosts"}, {"host", "web1"}})["hosts"][0]; };
  EXPECT_EQ(host()["online"], false);
  EXPECT_TRUE(host()["enforced"].is_null());
  Wire wire;
  const SessionId id = service_->on_connected(wire, fleet::TestAuthor::applicant("web1", 1).link_key, std::nullopt);
  const auto say = [&](wire::Message message) { service_->on_message(id, message); };
  say(wire::Hello{});
  EXPECT_EQ(host()["online"], true);
  EXPECT_TRUE(host()["enforced"].is_null());
  EXPECT_TRUE(host()["sent"].is_null());
  say(wire::Watch{});
  EXPECT_EQ(host()["sent"], service_->revision());
  EXPECT_TRUE(host()["enforced"].is_null());
  say(wire::Enforced{service_->revision(), ""});
  EXPECT_EQ(host()["enforced"], service_->revision());
  EXPECT_TRUE(host()["copied"].is_null());
}

}  // namespace
}  // namespace krait::coordinator
