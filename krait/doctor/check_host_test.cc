#include <gtest/gtest.h>

#include "krait/doctor/facts_by_hand.h"
#include "krait/doctor/report.h"

namespace krait::doctor {
namespace {

TEST(CheckAllTest, FindsNothingWrongWhereAllIsWell) {
  const Findings findings = check_all(facts_by_hand());
  EXPECT_GE(findings.size(), 20U);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.grade, Grade::ok) << finding.name << ": " << finding.found;
    EXPECT_FALSE(finding.found.empty());
  }
}

TEST(CheckAllTest, SaysSomethingWhereNothingIsKnown) {
  for (const Finding& finding : check_all(Facts{})) {
    EXPECT_FALSE(finding.found.empty() && finding.grade != Grade::problem) << finding.name;
  }
}

TEST(CheckKernelTest, WantsANewEnoughOneWithBpf) {
  Facts facts = facts_by_hand();
  facts.kernel.release = "5.10.0-30-amd64";
  EXPECT_EQ(only(check_kernel(facts)).grade, Grade::problem);
  facts.kernel.release = "5.11.0";
  EXPECT_EQ(only(check_kernel(facts)).grade, Grade::ok);
  facts.kernel.has_btf = false;
  EXPECT_TRUE(speaks_of(only(check_kernel(facts)).found, "BTF"));
  facts.kernel.has_bpf = false;
  EXPECT_TRUE(speaks_of(only(check_kernel(facts)).found, "built without BPF"));
}

TEST(CheckKernelTest, WantsNoRealTimeOne) {
  EXPECT_TRUE(datapath::lets_packets_interrupt("#1 SMP PREEMPT_RT Debian 6.12.90-2 (2026-05-27)"));
  EXPECT_FALSE(datapath::lets_packets_interrupt("#1 SMP PREEMPT_DYNAMIC Debian 6.12.90-2 (2026-05-27)"));
  Facts facts = facts_by_hand();
  facts.kernel.is_realtime = true;
  const Findings findings = check_kernel(facts);
  EXPECT_EQ(only(findings).grade, Grade::problem);
  EXPECT_TRUE(speaks_of(only(findings).found, "PREEMPT_RT"));
}

TEST(CheckWireguardTest, WantsItUnlessKraitOnlyGuards) {
  Facts facts = facts_by_hand();
  facts.kernel.wireguard_loaded = false;
  EXPECT_EQ(only(check_wireguard(facts)).grade, Grade::problem);
  facts.kernel.wireguard_available = true;
  EXPECT_EQ(only(check_wireguard(facts)).grade, Grade::ok);
  facts.kernel.wireguard_available = false;
  facts.agent.mode = "guard";
  EXPECT_EQ(only(check_wireguard(facts)).grade, Grade::ok);
}

TEST(CheckConfigTest, PassesOnWhatIsWrong) {
  Facts facts = facts_by_hand();
  facts.config.error = "krait.toml:3:1: no";
  EXPECT_EQ(only(check_config(facts)).grade, Grade::problem);
  EXPECT_EQ(only(check_config(facts)).hint, "krait check " + facts.config.file);
  facts.config.hidden = true;
  EXPECT_EQ(only(check_config(facts)).grade, Grade::skipped);
}

TEST(CheckKeyFileTest, NamesModeOwnerAndAbsence) {
  Facts facts = facts_by_hand();
  facts.key_file.mode = 0640;
  EXPECT_EQ(only(check_key_file(facts)).hint, "chmod 600 /var/lib/krait/host.key");
  facts.key_file.mode = 0600;
  facts.agent.user = 997;
  EXPECT_EQ(only(check_key_file(facts)).hint, "chown -h 997 /var/lib/krait/host.key");
  facts.key_file.exists = false;
  EXPECT_EQ(only(check_key_file(facts)).hint, "krait keygen /var/lib/krait/host.key");
  facts.key_file.visible = false;
  EXPECT_EQ(only(check_key_file(facts)).grade, Grade::skipped);
}

TEST(CheckKeyFileTest, LooksForNoFileWhereTheKeyIsACredential) {
  Facts facts = facts_by_hand();
  facts.config.mesh->host.private_key_file.clear();
  facts.config.mesh->host.private_key_credential = "host.key";
  facts.key_file = {};
  EXPECT_EQ(only(check_key_file(facts)).grade, Grade::ok);
  EXPECT_TRUE(speaks_of(only(check_key_file(facts)).found, "credential host.key"));
  facts.agent.answers = false;
  EXPECT_EQ(only(check_key_file(facts)).grade, Grade::skipped);
}

TEST(CheckClockTest, TellsUnsetFromUnkept) {
  Facts facts = facts_by_hand();
  facts.clock.synchronized = false;
  EXPECT_EQ(only(check_clock(facts)).grade, Grade::warning);
  facts.clock.known_s = facts.clock.now_s + 7200;
  facts.clock.source = model::TimeSource::file;
  facts.clock.file = "/etc/krait/policy.toml";
  EXPECT_EQ(only(check_clock(facts)).grade, Grade::problem);
  EXPECT_TRUE(speaks_of(only(check_clock(facts)).found, "policy.toml was changed at 2026-09-21 16:13"));
  facts.clock.source = model::TimeSource::build;
  EXPECT_TRUE(speaks_of(only(check_clock(facts)).found, "krait was made"));
  facts.clock.source = model::TimeSource::earlier;
  EXPECT_TRUE(speaks_of(only(check_clock(facts)).hint, "rm /var/lib/krait/latest_time && krait reload"));
}

TEST(CheckPinsTest, MissesTheFileSystemUnderARunningAgent) {
  Facts facts = facts_by_hand();
  facts.pins.is_bpffs = false;
  EXPECT_EQ(only(check_pins(facts)).grade, Grade::problem);
  facts.agent.answers = false;
  EXPECT_EQ(only(check_pins(facts)).grade, Grade::ok);
  facts = facts_by_hand();
  facts.agent.user = 997;
  EXPECT_TRUE(speaks_of(only(check_pins(facts)).hint, "krait-agent --prepare"));
}

TEST(CheckAgentTest, WantsOneThatEnforces) {
  Facts facts = facts_by_hand();
  facts.agent.faults = {{"another program stands first", "detach it"}};
  EXPECT_EQ(only(check_agent(facts)).hint, "detach it");
  facts.agent.faults.clear();
  facts.agent.stage = "attached";
  EXPECT_EQ(only(check_agent(facts)).grade, Grade::problem);
  EXPECT_TRUE(speaks_of(only(check_agent(facts)).hint, "journalctl -u krait-agent"));
  facts.agent.revision = 0;
  EXPECT_TRUE(speaks_of(only(check_agent(facts)).found, "everything is denied"));
  facts.agent.answers = false;
  facts.agent.error = "no agent answers";
  EXPECT_EQ(only(check_agent(facts)).found, "no agent answers");
}

TEST(CheckCapabilitiesTest, NamesWhatTheAgentLacks) {
  Facts facts = facts_by_hand();
  facts.agent.capabilities = 1ULL << 12U;
  EXPECT_EQ(only(check_capabilities(facts)).found, "the agent lacks CAP_BPF, CAP_PERFMON");
  facts.agent.capabilities = 1ULL << 21U;  // CAP_SYS_ADMIN stands for both
  EXPECT_EQ(only(check_capabilities(facts)).found, "the agent lacks CAP_NET_ADMIN");
  facts.agent.capabilities = std::nullopt;
  EXPECT_EQ(only(check_capabilities(facts)).grade, Grade::skipped);
}

TEST(ReportTest, CountsByGrade) {
  const auto report = findings_report({{"a", Grade::problem, "x", "y"}, {"b", Grade::ok, "z", ""}});
  EXPECT_EQ(report["problems"], 1);
  EXPECT_EQ(report["warnings"], 0);
  EXPECT_EQ(report["findings"][0]["grade"], "problem");
}

TEST(CheckNetwork, KnowsHostsThatHaveJoined) {
  Facts facts = facts_by_hand();
  EXPECT_EQ(check_network(facts)[0].grade, Grade::ok);
  facts.config.joined = true;
  EXPECT_EQ(check_network(facts)[0].grade, Grade::skipped);
  facts.clock.now_s = 1'000'000;
  facts.agent.joined = JoinedFacts{.id = "ab",
                                   .hosts_revision = 7,
                                   .policy_revision = 5,
                                   .lease_s = 400,
                                   .confirmed_s = facts.clock.now_s - 90,
                                   .refused = ""};
  EXPECT_EQ(check_network(facts)[0].grade, Grade::ok);
  EXPECT_EQ(check_network(facts)[0].found, "hosts 7, policy 5, confirmed 90 s ago");
  facts.agent.joined->confirmed_s = facts.clock.now_s - 250;
  EXPECT_EQ(check_network(facts)[0].grade, Grade::warning);
  facts.agent.joined->confirmed_s = facts.clock.now_s - 400;
  EXPECT_EQ(check_network(facts)[0].grade, Grade::problem);
  EXPECT_NE(check_network(facts)[0].found.find("has ended"), std::string::npos);
  facts.agent.joined->lease_s = 0;
  EXPECT_EQ(check_network(facts)[0].found, "hosts 7, policy 5, without a lease");
  facts.agent.joined->refused = "it is older";
  EXPECT_EQ(check_network(facts)[0].grade, Grade::problem);
}

}  // namespace
}  // namespace krait::doctor
