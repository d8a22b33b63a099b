// A host as its operator sees it: krait-agent guards a TUN, its policy is a file, and `krait reload` puts the file in
// force. Works in the Sandbox of the calling thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/net/namespace.h"
#include "bench/net/probe.h"
#include "bench/net/rules.h"
#include "common/fd.h"
#include "common/result.h"

namespace krait::bench {

class AgentHost {
 public:
  // Starts an agent, one at a time in a Sandbox, and waits until it judges by these rules. The programs are those
  // beside the one that runs.
  static common::Result<std::unique_ptr<AgentHost>> start(const std::vector<HostRule>& rules);

  AgentHost(const AgentHost&) = delete;
  AgentHost& operator=(const AgentHost&) = delete;
  ~AgentHost();  // ends the agent and opens the TUN

  // Puts the text in the place of the policy file.
  common::Result<void> write_policy(const std::string& text) const;
  common::Result<void> reload() const;
  // From the peer to the guarded host, as the last of make_rules() allows.
  common::Result<std::unique_ptr<Probe>> make_probe() const;

 private:
  explicit AgentHost(Namespace space) : space_(std::move(space)) {}
  common::Result<void> make_tun();
  common::Result<void> start_agent();

  Namespace space_;
  common::Fd tun_;
  bool is_up_ = false;
};

}  // namespace krait::bench
