// A host in memory for simulation_test.cc: an interface with peers, programs with their maps, and whoever else works on
// it. It knows what each step does, and nothing of the order in which steps come.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "krait/enforce/reconcile.h"
#include "krait/enforce/steps.h"

namespace krait::enforce::simulation {

using Random = std::mt19937_64;

constexpr int kAddresses = 4;
constexpr int kPeers = 3;
constexpr int kNobody = -1;

inline int below(Random& random, int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); }
inline bool one_in(Random& random, int chances) { return below(random, chances) == 0; }

// One of each for so many peers or addresses, which are numbered as ints: kNobody is one.
template <typename T, std::size_t kMembers>
struct Row {
  std::array<T, kMembers> members{};

  T& at(int number) { return members.at(static_cast<std::size_t>(number)); }
  [[nodiscard]] const T& at(int number) const { return members.at(static_cast<std::size_t>(number)); }
  [[nodiscard]] bool has(const T& member) const { return std::ranges::find(members, member) != members.end(); }
  bool operator==(const Row&) const = default;
};
template <typename T>
using ByPeer = Row<T, kPeers>;
template <typename T>
using ByAddress = Row<T, kAddresses>;

// A policy, with the addresses that its peers have.
struct Plan {
  ByAddress<int> owner{};  // a peer, or kNobody
  ByPeer<bool> is_open{};
  ByPeer<bool> has_network{};  // behind this host, for that peer to reach
  bool is_big = false;         // needs larger maps
};

Plan random_plan(Random& random);

// What the programs judge by.
struct Maps {
  bool is_big = false;
  bool is_active = false;
  std::optional<std::size_t> policy{};  // a number in World::plans
  ByPeer<bool> ways{};
};

struct Link {
  bool is_ours = true;
  bool is_named = true;
  bool is_up = false;
  bool has_settings = false;  // key, port, addresses, routes
  ByAddress<int> allowed{{kNobody, kNobody, kNobody, kNobody}};

  bool are_programs_on = false;
  bool is_guard_on = false;
  bool is_somebody_ahead = false;  // whose program lets everything pass
};

// What others did after krait's last step about it: what follows from that is not the order's fault.
struct Meddled {
  bool programs = false;
  bool fence = false;
  ByAddress<bool> addresses{};
};

struct Passing {
  ByPeer<ByAddress<bool>> from{};  // a peer, by an address
  ByPeer<bool> to_network{};       // behind this host, for a peer by an address of its own
  bool forged = false;             // a peer's address from another interface, while the tunnel's answers
};

class World final : public StepPort {
 public:
  enum class Failure : std::uint8_t { none, before, half_way, after, twice };

  World(bool is_managed, Random& random) : is_managed_(is_managed), random_(random) {}

  common::Result<void> carry_out(Step step) override;

  // What an agent sees whose files say plans[plan]; `with_image`: as when it has just compiled them.
  [[nodiscard]] Observed observe(std::size_t plan, bool with_image) const;
  void start_agent(std::size_t plan);  // opens the maps, as an agent does before its first look
  void let_go_of_room();               // of maps that took nobody's place
  void kill_agent();                   // what is not pinned goes with it
  std::string meddle();                // somebody else changes something: what
  void be_reasonable();                // whoever stands in krait's way leaves

  [[nodiscard]] Passing passing() const;
  // Whether the policy that decides allows what a peer sends by an address. Where krait only guards, whoever gives the
  // peers their addresses decides which peer that is.
  [[nodiscard]] bool is_legal(int peer, int address) const;
  [[nodiscard]] bool is_allowed(std::size_t plan, int peer, int address) const;
  // Why it is not yet what the plan wants; empty: it is.
  [[nodiscard]] std::string lacks(std::size_t plan) const;

  std::vector<Plan> plans;
  std::optional<Link> link;       // by the interface's name, or renamed
  std::optional<Link> elsewhere;  // in another network namespace
  std::vector<Maps> maps;
  std::optional<std::size_t> attached_maps;  // of the programs that are on a link, or pinned
  bool is_pinned = false;
  bool is_fenced = false;
  Meddled meddled;
  std::size_t wanted = 0;             // the plan that steps bring about
  bool has_image = false;             // the agent has just compiled it
  bool are_steps_for_nobody = false;  // the end: peers are taken away, whatever the plan has
  Failure next_failure = Failure::none;

 private:
  common::Result<void> do_it(Step step, bool half_way);
  common::Result<void> on_link(Step step, bool half_way);
  common::Result<void> on_maps(Step step);
  bool move_back();
  [[nodiscard]] Maps& target() { return maps[successor_ ? *successor_ : opened_]; }
  [[nodiscard]] bool has_link() const { return link && link->is_ours; }
  [[nodiscard]] bool is_reached() const { return has_link() && link->is_named; }
  [[nodiscard]] int owner_of(int address) const;

  bool is_managed_;
  Random& random_;
  std::size_t opened_ = 0;                // the agent's maps
  bool is_kind_known_ = false;            // how the agent's programs were attached: the fence is put on likewise
  std::optional<std::size_t> successor_;  // that make_room opened
};

}  // namespace krait::enforce::simulation
